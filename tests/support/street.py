"""People with connections at the strict provider, whose agents call without pause through a fleet of servers.

At the end each connection is compared with the provider's books: lost is what the provider answered and we
do not have, and nothing else may be.
"""

from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from random import Random

import anyio
import httpx2

from tests.support.clock import FakeClock
from tests.support.desk import until
from tests.support.fleet import PUBLIC, Balancer, Fleet, fleet
from tests.support.household import Inhabitant
from tests.support.linked import Linked, moved_in
from tests.support.town import NOTES, UNLIMITED, Town, register
from tests.support.wire import Wire
from valetkey import sandbox
from valetkey.assemble import opened
from valetkey.audit.verify import verify
from valetkey.model import Caller, Json, SystemClock
from valetkey.sandbox import Sandbox, hosts
from valetkey.settings import FILE, load

LIFETIME = 1
"""Seconds for which an access token lives: its refresh is never far."""

_BREATH = 0.1
_AGAIN = 0.5
"""Seconds between two calls of one agent; and after one that did not end well."""


@dataclass(slots=True)
class Neighbour(Inhabitant):
    """A person, their connection, and the token of their agent."""

    token: str


@dataclass(slots=True)
class Street:
    """The people and the servers; `ended` counts how their agents' calls ended, `cut` if no answer came."""

    fleet: Fleet
    here: Linked
    sandbox: Sandbox
    people: list[Neighbour]
    ended: Counter[str] = field(default_factory=Counter)

    @asynccontextmanager
    async def calling(self) -> AsyncIterator[None]:
        """Let every agent call, again and again, while the block runs; then each comes to its end."""
        balancer, over = Balancer(self.fleet.ports, Random(7)), anyio.Event()
        async with (
            httpx2.AsyncClient(transport=balancer, timeout=120) as http,
            anyio.create_task_group() as tasks,
        ):
            for person in self.people:
                tasks.start_soon(self._agent, Wire(http, PUBLIC, person.token, {}), over)
            yield
            over.set()

    async def _agent(self, wire: Wire, over: anyio.Event) -> None:
        while not over.is_set():
            how = await self._call(wire)
            self.ended[how] += 1
            with anyio.move_on_after(_BREATH if how == "ok" else _AGAIN):
                await over.wait()

    async def _call(self, wire: Wire) -> str:
        try:
            answer = await wire.call("notes.list_notes", {})
        except httpx2.TransportError:
            return "cut"
        outcome: str = "ok" if "structuredContent" in answer else _outcome(answer)
        return outcome

    async def until_each_was_used(self) -> None:
        """Wait until every connection has been refreshed since now, or is known to have ended."""
        for person, before in [(person, person.grant.refreshes) for person in self.people]:
            await until(partial(self._used, person, before), 90)

    async def _used(self, person: Neighbour, before: int) -> bool:
        return person.grant.refreshes > before or await self._ended(person)

    async def _ended(self, person: Neighbour) -> bool:
        return (await person.here.state(person.connection))[0] == "needs_reauth"

    async def wrong(self) -> list[str]:
        """What is not as it has to be, once the servers have stopped."""
        found = [one for person in self.people for one in await _wrong(person)]
        return [*found, *_unknown(self.ended)]

    async def lost(self) -> int:
        """How many connections have to be made anew."""
        return sum([await self._ended(person) for person in self.people])

    async def audited(self) -> bool:
        """Whether the audit's chain is whole."""
        ground = self.here.house.ground
        return (await verify(ground.store, ground.keys)).ok


async def _wrong(person: Neighbour) -> list[str]:
    """A connection is lost just where the provider has answered with what we do not have."""
    behind, (state, reason) = await person.behind(), await person.here.state(person.connection)
    expected = ("needs_reauth", "refresh_answer_lost") if behind else ("connected", None)
    found = f"{person.connection.id} is {state} ({reason}), behind: {behind}, its grant: {person.grant}"
    return [] if (state, reason) == expected and person.grant.revoked == behind else [found]


def _unknown(ended: Counter[str]) -> Iterator[str]:
    """A call is answered, cut off, or told what is the matter; never another thing."""
    for how in ended.keys() - {"ok", "cut", "unavailable", "reconnect", "unknown"}:
        yield f"{ended[how]} calls ended as {how}"


def _outcome(answer: Json) -> str:
    return str(answer.get("_meta", {}).get("valetkey/outcome", answer))


@asynccontextmanager
async def street(
    home: Path, people: int, servers: int, *, more: str = "", **arguments: Json
) -> AsyncIterator[Street]:
    """Settle so many people in `home`, which is not there yet, before so many servers.

    `more` are further lines of its settings, `arguments` are for `victims.serving`. Servers that still run
    after the block are stopped.
    """
    providers = Sandbox(SystemClock())
    providers.strict.change(lifetime=LIFETIME)
    async with sandbox.running(providers) as base_url:
        _write_settings(home, base_url, more)
        async with opened(load(home)) as house:
            await register(house, "notes")
            clock = FakeClock()  # nobody here turns it: time goes by as it does
            here, town = await moved_in(house, providers, clock), Town(providers, house, clock, PUBLIC)
            found = [await _moved_in(town, here, f"person-{number}") for number in range(people)]
            async with fleet(home, servers, **arguments) as running:
                yield Street(running, here, providers, found)


def _write_settings(home: Path, base_url: str, more: str) -> None:
    home.mkdir(mode=0o700)
    table = "".join(f'"{origin}" = "{target}"\n' for origin, target in hosts(base_url).items())
    (home / FILE).write_text(f'public_url = "{PUBLIC}"\n{NOTES}\n{more}\n{UNLIMITED}\n[hosts]\n{table}')
    (home / FILE).chmod(0o600)


async def _moved_in(town: Town, here: Linked, name: str) -> Neighbour:
    person = await town.person(name)
    theirs = replace(here, caller=Caller(person.principal, here.caller.actor, "ses_test"))
    connection = await theirs.connect()
    (*_, grant) = town.sandbox.strict.grants()
    return Neighbour(theirs, connection, grant, await town.token(person))
