"""What it costs when tokens end: many calls on one ended token, and a crowd whose tokens end at once.

The provider is the sandbox's strict one, in this process; its token endpoint takes its time as one far away
does. Its books say how many refreshes there were.
"""

from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from statistics import median, quantiles

from benchmarks.figures import Line, Section
from benchmarks.residents import Resident, furnish, issued_by, moved_in, settings_text
from benchmarks.sides import OTHER_CORE, SERVER_CORE, Side, pin
from benchmarks.storm import Ahead
from tests.support.victim import Victim, victim
from valetkey.assemble import opened
from valetkey.connections.refresh import AT_ONCE_PER_PROVIDER
from valetkey.model import MINUTE
from valetkey.sandbox import Provider, Sandbox, running
from valetkey.settings import load

AWAY = 0.1
"""Seconds that an answer of the token endpoint takes."""

MORE_MS, CROWD_SECONDS = 75, 2.0
"""What is allowed beyond one such answer for the slowest call; and for a whole crowd."""

_LIFE = 10 * MINUTE
_CORES = (SERVER_CORE, OTHER_CORE)


@dataclass(slots=True)
class Round:
    """What one storm brought: milliseconds of each call, how they ended, what the provider was asked."""

    took: list[float]
    ended: Counter[str]
    asked: Counter[str]


@dataclass(slots=True)
class Storms:
    """Processes that call on one store, and the people they call for."""

    provider: Provider
    clock: Ahead
    people: Sequence[Resident]
    processes: list[Victim] = field(default_factory=list)

    async def once(self, subjects: Sequence[str], processes: int) -> Round:
        """Let every token end; then call for all of these at once, shared among so many processes."""
        self.clock.by += 2 * _LIFE
        before, told = self._asked(), self.processes[:processes]
        for number, process in enumerate(told):
            await process.tell([self.clock.by, list(subjects[number::processes])])
        calls = [call for process in told for call in await process.said()]
        ended = Counter(how for how, _ in calls)
        return Round([took for _, took in calls], ended, self._asked() - before)

    def _asked(self) -> Counter[str]:
        """The refreshes that the provider was asked for, by how they ended."""
        seen = self.provider.counters.token_requests.items()
        return Counter({how: count for (kind, how), count in seen if kind == "refresh_token"})


async def section(
    home: Path, upstream: Side, *, processes: int, calls: int, crowd: int, rounds: int
) -> Section:
    """Measure with so many calls on one account, from one process and from several, and with a crowd."""
    async with _storms(home, upstream, processes, crowd) as storms:
        one, all_of_them = _subject(storms.people[0]), [_subject(person) for person in storms.people]
        alone = [await storms.once([one] * calls, 1) for _ in range(rounds)]
        together = [await storms.once([one] * calls, processes) for _ in range(rounds)]
        everybody = [await storms.once(all_of_them, 1) for _ in range(rounds)]
    found = [
        *_on_one(alone, calls, "one process"),
        *_on_one(together, calls, f"{processes} processes"),
        *_of_a_crowd(everybody, crowd),
    ]
    return Section("When tokens end", _TEXT, "wanted, or allowed", "measured", found)


def _on_one(rounds: Sequence[Round], calls: int, where: str) -> list[Line]:
    what, many = f"{calls} calls on one ended token, from {where}: ", len(rounds)
    slowest = median(quantiles(one.took, n=100, method="inclusive")[98] for one in rounds)
    return [
        Line(f"{what}refreshes", "", many, sum(one.asked.total() for one in rounds), "= 1"),
        Line(f"{what}good answers", "", calls * many, sum(one.ended["ok"] for one in rounds), "= 1"),
        Line(f"{what}p99", "ms", AWAY * 1_000 + MORE_MS, slowest, "≤ 1.0"),
    ]


def _of_a_crowd(rounds: Sequence[Round], crowd: int) -> list[Line]:
    what, many = f"{crowd:,} accounts whose tokens end at once: ", len(rounds)
    seconds = median(max(one.took) for one in rounds) / 1_000
    return [
        Line(f"{what}refreshes", "", crowd * many, sum(one.asked.total() for one in rounds), "= 1"),
        Line(f"{what}good answers", "", crowd * many, sum(one.ended["ok"] for one in rounds), "= 1"),
        Line(f"{what}until the last answer", "s", CROWD_SECONDS, seconds, "≤ 1.0"),
    ]


def _subject(person: Resident) -> str:
    return person.caller.principal.subject


@asynccontextmanager
async def _storms(home: Path, upstream: Side, count: int, crowd: int) -> AsyncIterator[Storms]:
    clock = Ahead()
    providers = Sandbox(clock)
    providers.strict.change(lifetime=_LIFE // 1_000)
    async with running(providers) as base_url, AsyncExitStack() as stack:
        furnish(home, 2, settings_text(upstream.url, base_url))
        async with opened(load(home), public_url="http://localhost:1", clock=clock) as house:
            names = [f"person-{number}" for number in range(crowd)]
            people = await moved_in(house, names, issued_by(providers.strict))
        providers.strict.faults.set("token", "slow", seconds=AWAY)
        storms, agent = Storms(providers.strict, clock, people), people[0].caller.actor.client
        for number in range(count):
            process = partial(victim, "benchmarks.storm:storming", home=str(home), agent=agent)
            storms.processes.append(await stack.enter_async_context(process()))
            pin(storms.processes[-1].pid, _CORES[number % 2])
        for storm in storms.processes:
            if await storm.said() != "ready":
                raise RuntimeError("a process did not start")
        yield storms
        providers.reset()


_TEXT = f"""\
Calls without a server before them, made all at once. The provider is a strict one: a refresh token that comes
twice ends everything. Its token endpoint answers after {AWAY * 1_000:.0f} ms, and it counts what it is asked.
The slowest call may take {MORE_MS} ms longer than that answer, a crowd {CROWD_SECONDS:.0f} s: one process
asks a provider for {AT_ONCE_PER_PROVIDER} refreshes at a time."""
