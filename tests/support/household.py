"""Several people on one store, each with a connection at the strict provider; and who of them lost it.

The provider counts the refreshes of each grant. A version of our token set that is behind that count was
lost on the way.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

import anyio

from tests.support.desk import until
from tests.support.linked import Linked, moved_in
from tests.support.shared_clock import SharedClock
from tests.support.town import NOTES, register, settings_for
from valetkey.assemble import opened
from valetkey.errors import CallError
from valetkey.model import SECOND, Caller, Connection, ConnectionState, Json, Principal
from valetkey.sandbox import Sandbox, running
from valetkey.sandbox.ledger import Grant

LIFETIME = 300 * SECOND
"""How long the strict provider's tokens last."""

LEASE_AND_MORE = 31 * SECOND


def of_person(here: Linked, number: int) -> Linked:
    """The same house, as the agent of another person."""
    caller = Caller(Principal("local", f"person-{number}"), here.caller.actor, "ses_test")
    return replace(here, caller=caller)


@dataclass(slots=True)
class Inhabitant:
    """One person, their connection and the provider's grant behind it."""

    here: Linked
    connection: Connection
    grant: Grant

    async def saved(self) -> int:
        """How many refreshes we have the tokens of."""
        return (await self.here.held(self.connection)).version - 1

    async def behind(self) -> bool:
        """Whether the provider has answered with tokens that we do not have."""
        return self.grant.refreshes > await self.saved()

    async def next_use(self) -> str:
        """Make a call; how it ended."""
        try:
            await self.here.call()
        except CallError as error:
            return error.outcome
        return "ok"


@dataclass(slots=True)
class Household:
    """The people, and what a process needs to open the same house."""

    folder: Path
    sandbox: Sandbox
    clock: SharedClock
    here: Linked
    more: str
    people: list[Inhabitant] = field(default_factory=list)

    @property
    def arguments(self) -> dict[str, Json]:
        """For `victim`."""
        return {
            "home": str(self.folder),
            "base_url": self.sandbox.base_url,
            "clock": str(self.clock.file),
            "more": self.more,
        }

    async def moves_in(self, number: int) -> Inhabitant:
        """Connect a person, anew where there was a connection."""
        linked = of_person(self.here, number)
        connection = await linked.connect()
        grants = {grant.id: grant for grant in self.sandbox.strict.grants()}
        return Inhabitant(linked, connection, list(grants.values())[-1])

    async def expired(self) -> None:
        """So much time passes that every token has to be refreshed."""
        self.clock.advance(LIFETIME)

    async def quiet(self) -> None:
        """Wait until the provider has dealt with everything that a process which is gone had sent.

        It answers in the order in which it hears: what comes after is answered after.
        """
        port = int(self.sandbox.base_url.rpartition(":")[2])
        for _ in range(2):
            async with await anyio.connect_tcp("127.0.0.1", port) as stream:
                await stream.send(
                    b"GET /_sandbox/people HTTP/1.1\r\nHost: sandbox\r\nConnection: close\r\n\r\n"
                )
                assert [piece async for piece in stream]

    async def none_is_behind(self) -> None:
        """Wait until we have everything that the provider has answered."""

        async def none() -> bool:
            return not any([await person.behind() for person in self.people])

        await until(none, 60)

    async def sound(self) -> None:
        """No half state: every token set opens, every connection is in a state that its row explains."""
        assert await self.here.house.ground.store.damage() is None
        for person in self.people:
            held = await person.here.held(person.connection)  # raises what does not open
            state, reason = await person.here.state(person.connection)
            expected = ConnectionState.NEEDS_REAUTH if held.dead else ConnectionState.CONNECTED
            assert (state, reason) == (expected, held.dead)


@asynccontextmanager
async def household(folder: Path, people: int, *, store: str | None = None) -> AsyncIterator[Household]:
    """Settle so many people in `folder`; `store` is a PostgreSQL database, if not the embedded store."""
    clock = SharedClock.make(folder)
    sandbox = Sandbox(clock)
    more = f'{NOTES}\nstore = "{store}"' if store else NOTES
    async with (
        running(sandbox) as base_url,
        opened(settings_for(folder, base_url, more), clock=clock) as house,
    ):
        await register(house, "notes")
        made = Household(folder, sandbox, clock, await moved_in(house, sandbox, clock), more)
        made.people = [await made.moves_in(number) for number in range(people)]
        yield made
        sandbox.reset()
