"""Two people, two agents, four servers on one store: many calls at once, and whose each answer was.

Nothing is connected at first. Links that come back are opened by the person they are for, in any
order, while the calls go on; now and then a person takes a grant back. `reckoning` compares what came
of it with what the providers saw.
"""

import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

import anyio
import httpx2

from tests.support.answering import Somebody, Visitor
from tests.support.clock import FakeClock
from tests.support.fleet import PUBLIC, Balancer, fleet
from tests.support.steps import Step, steps
from tests.support.town import NOTES, UNLIMITED, Town, register
from tests.support.wire import ELICITS, Wire
from valetkey import sandbox
from valetkey.assemble import opened
from valetkey.model import Json, Outcome, SystemClock
from valetkey.sandbox import ANA, BEN, Sandbox, hosts
from valetkey.settings import FILE, load

AGENTS = ("triage", "scribe")
PROVIDERS = {"gmail": "google", "slack": "slack", "notes": "strict"}
"""The sandbox's provider of each connector."""

SERVERS, AT_ONCE, LIFETIME = 4, 16, 1
"""How many servers, how many calls under way, and how many seconds an access token lives."""

ASKING = frozenset(
    {Outcome.NOT_CONNECTED, Outcome.NOT_GRANTED, Outcome.INSUFFICIENT_SCOPE, Outcome.RECONNECT}
)
"""How a call may end that is no answer: each of them with a link."""


@dataclass(slots=True)
class Tally:
    """What was seen. `answers` by the person, the agent and the tool; `legs` that waited for a person."""

    answers: Counter[tuple[str, str, str]] = field(default_factory=Counter)
    asked: Counter[str] = field(default_factory=Counter)
    legs: int = 0
    wrong: list[str] = field(default_factory=list)

    @property
    def calls(self) -> int:
        return self.answers.total() + self.asked.total() + len(self.wrong)


@dataclass(slots=True)
class Ways:
    """How an agent calls for a person: as a client that can show links, and as one that cannot."""

    person: Somebody
    agent: str
    wires: tuple[Wire, Wire]


@dataclass(slots=True)
class Truth:
    """The people, the servers and what was seen so far."""

    home: Path
    sandbox: Sandbox
    people: list[Somebody]
    agents: dict[str, str]
    balancer: Balancer
    ways: list[Ways]
    chance: Random
    steps: list[Step]
    tally: Tally = field(default_factory=Tally)

    async def go(self, calls: int, seconds: float, progress: Callable[[int], None] = lambda _: None) -> None:
        """Make so many calls, or as many as can be made in that time."""
        marks = self._marks(calls, time.monotonic() + seconds, progress)
        async with anyio.create_task_group() as people:
            for person in self.people:
                people.start_soon(self._answering, person)
            async with anyio.create_task_group() as agents:
                for _ in range(AT_ONCE):
                    agents.start_soon(self._work, marks)
            for person in self.people:
                person.go()

    async def _answering(self, person: Somebody) -> None:
        async with Visitor(self.balancer) as browser:
            await person.answer(browser, self.chance)

    def _marks(self, calls: int, until: float, progress: Callable[[int], None]) -> Iterator[str]:
        """A mark for each call there is still time for."""
        for number in range(calls):
            if time.monotonic() > until:
                return
            progress(number)
            yield f"mark {number}"

    async def _work(self, marks: Iterator[str]) -> None:
        for mark in marks:
            await self._one(self.chance.choice(self.ways), self.chance.choice(self.steps), mark)

    async def _one(self, ways: Ways, step: Step, mark: str) -> None:
        """Make one call, in as many legs as it takes, each at any server."""
        wire, arguments = self.chance.choice(ways.wires), step.arguments(ways.person.account, mark)
        answer = await wire.call(step.tool, arguments)
        while state := answer.get("requestState"):
            self.tally.legs += 1
            for asked in answer.get("inputRequests", {}).values():
                ways.person.take(asked["params"]["url"])
            answer = await wire.call(step.tool, arguments, state, "accept")
        self._judge(ways, step, mark, answer)

    def _judge(self, ways: Ways, step: Step, mark: str, answer: Json) -> None:
        who, told = ways.person, answer.get("structuredContent")
        if told is not None and step.right(who.account, mark, told):
            self.tally.answers[who.name, ways.agent, step.tool] += 1
        elif told is None and (link := _link(answer)):
            self.tally.asked[answer["_meta"]["valetkey/outcome"]] += 1
            who.take(link)
        else:
            self.tally.wrong.append(f"{who.name}, {ways.agent}, {step.tool}, {mark}: {answer}")


def _link(answer: Json) -> str | None:
    """The link of a call that may end without an answer."""
    meta = answer.get("_meta", {})
    return meta.get("valetkey/connect_url") if meta.get("valetkey/outcome") in ASKING else None


@asynccontextmanager
async def truth(home: Path, seed: int = 11, *, more: str = "") -> AsyncIterator[Truth]:
    """Settle in `home`, which is not there yet. When the block ends the servers stop, not the sandbox.

    `more` are further lines of its settings.
    """
    providers, chance = Sandbox(SystemClock()), Random(seed)
    for name in PROVIDERS.values():
        providers.providers[name].change(lifetime=LIFETIME)
    async with sandbox.running(providers) as base_url:
        _write_settings(home, base_url, more)
        people, agents, tokens = await _moved_in(home, providers)
        async with fleet(home, SERVERS) as servers:
            balancer = Balancer(servers.ports, chance)
            async with httpx2.AsyncClient(transport=balancer, timeout=60) as http:
                ways = [_ways(http, person, agent, tokens) for person in people for agent in AGENTS]
                yield Truth(
                    home, providers, people, agents, balancer, ways, chance, steps(_newest(providers))
                )


def _write_settings(home: Path, base_url: str, more: str) -> None:
    home.mkdir(mode=0o700)
    table = "".join(f'"{origin}" = "{target}"\n' for origin, target in hosts(base_url).items())
    (home / FILE).write_text(f'public_url = "{PUBLIC}"\n{NOTES}\n{more}\n{UNLIMITED}\n[hosts]\n{table}')
    (home / FILE).chmod(0o600)


Tokens = dict[tuple[str, str], str]


async def _moved_in(home: Path, providers: Sandbox) -> tuple[list[Somebody], dict[str, str], Tokens]:
    """Add the people and the agents; the names of the agents by id, and a token of each for each."""
    async with opened(load(home)) as house:
        await register(house, "google", "slack", "notes")
        town = Town(providers, house, FakeClock(), PUBLIC)
        found = {one.handle: (one, await town.person(one.handle)) for one in (ANA, BEN)}
        tokens = {
            (name, agent): await town.token(person, agent)
            for name, (_, person) in found.items()
            for agent in AGENTS
        }
        agents = {agent.id: agent.name for agent in await house.agents.all(house.ground.store)}
    people = [Somebody(name, one.email, person.principal.subject) for name, (one, person) in found.items()]
    return people, agents, tokens


def _ways(http: httpx2.AsyncClient, person: Somebody, agent: str, tokens: Tokens) -> Ways:
    token = tokens[person.name, agent]
    return Ways(person, agent, (Wire(http, PUBLIC, token, ELICITS), Wire(http, PUBLIC, token, {})))


def _newest(providers: Sandbox) -> dict[str, str]:
    return {one.email: providers.mailboxes.of(one.email)[0].id for one in (ANA, BEN)}
