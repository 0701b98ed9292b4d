"""`python -m benchmarks.held`: writes come at a steady rate, for people of whom there are many: is it held?

Each call is due at its moment, whatever became of those before it: what it waited for its turn counts, too.
"""

import argparse
import itertools
import os
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from statistics import quantiles
from tempfile import TemporaryDirectory

import anyio

from benchmarks.connector import WRITE
from benchmarks.load import Line, Load, WrongAnswer
from benchmarks.residents import furnish, made_up, moved_in, settings_text
from benchmarks.serve import FAST
from benchmarks.sides import OTHER_CORE, SERVER_CORE, free_port, pin, served
from benchmarks.soak import server
from valetkey.assemble import opened
from valetkey.settings import load

MOST_MS = 20
"""Milliseconds that a call may take at the 99th percentile, the far end's tenth of one among them."""

LINES, TOLD_EVERY = 64, 10


@dataclass(slots=True)
class Held:
    """What is seen: milliseconds of each call since it was due, and what went wrong."""

    port: int
    tokens: list[str]
    rate: float
    seconds: float
    took: list[float] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)

    async def go(self) -> None:
        """Make all the calls that are due in that time."""
        numbers, began, chance = itertools.count(), time.perf_counter(), Random(21)  # noqa: S311 - whose turn it is
        async with anyio.create_task_group() as tasks:
            for _ in range(LINES):
                tasks.start_soon(self._line, numbers, began, chance)
            tasks.start_soon(self._tell, began)

    async def _line(self, numbers: Iterator[int], began: float, chance: Random) -> None:
        line = await Line.to(self.port)
        try:
            while (due := next(numbers) / self.rate) < self.seconds:
                await anyio.sleep(max(0, began + due - time.perf_counter()))
                await self._one(line, Load(self.port, WRITE, chance.choice(self.tokens)))
                self.took.append((time.perf_counter() - began - due) * 1_000)
        finally:
            await line.close()

    async def _one(self, line: Line, load: Load) -> None:
        try:
            await line.right(load.request(), load.expected)
        except WrongAnswer as wrong:
            self.wrong.append(str(wrong))

    async def _tell(self, began: float) -> None:
        """A line of progress now and then."""
        while (at := time.perf_counter() - began) < self.seconds:
            await anyio.sleep(min(TOLD_EVERY, self.seconds - at))
            print(self, flush=True)  # noqa: T201 - the progress

    def __str__(self) -> str:
        middle, slowest = self.percentiles()
        calls, wrong = len(self.took), len(self.wrong)
        return f"{calls:8,} writes  p50 {middle:.1f} ms  p99 {slowest:.1f} ms  {wrong} wrong"

    def percentiles(self) -> tuple[float, float]:
        """The 50th and the 99th."""
        parts = quantiles(self.took, n=100) if len(self.took) > 1 else [0.0] * 99
        return parts[49], parts[98]


async def main(seconds: float, rate: float, people: int) -> bool:
    """Write at that rate for so long; whether it was held."""
    with TemporaryDirectory() as folder, served("upstream", OTHER_CORE) as upstream:
        home, port = Path(folder) / "home", free_port()
        furnish(home, 2, settings_text(upstream.url, None, f'public_url = "http://localhost:{port}"'))
        async with opened(load(home)) as house:
            names = (f"person-{number}" for number in range(people))
            tokens = [one.token for one in await moved_in(house, names, made_up())]
        async with server(home, port) as process:
            pin(process.pid, SERVER_CORE)
            pin(os.getpid(), OTHER_CORE)
            held = Held(port, tokens, rate, seconds)
            await held.go()
    slowest = held.percentiles()[1]
    well = slowest < MOST_MS and not held.wrong
    text = f"{rate:.0f} writes a second for {seconds:.0f} s with {people:,} connections"
    how = "held" if well else "NOT HELD"
    print(f"{how}: {text}; p99 {slowest:.1f} ms of at most {MOST_MS}", *held.wrong[:5], sep="\n")  # noqa: T201 - the result
    return well


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m benchmarks.held", description=__doc__)
    parser.add_argument("--seconds", type=float, default=600)
    parser.add_argument("--rate", type=float, default=500, help="writes a second")
    parser.add_argument("--people", type=int, default=10_000, help="each with a connection")
    chosen = parser.parse_args()
    arguments = (chosen.seconds, chosen.rate, chosen.people)
    sys.exit(not anyio.run(main, *arguments, backend_options={"use_uvloop": FAST}))
