"""Whether the time that a refusal takes tells a secret, or who there is: guesses in pairs, side by side.

    python -m benchmarks.timing [SAMPLES]

The two guesses of a pair are made in random order and their times compared by rank (Mann-Whitney), so that a
busy moment of the machine meets both alike; `refusals` has the pairs. A comparison that leaks goes along:
where it is not found out, nothing was measured.
"""

import random
import sys
import time
from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from math import erfc, sqrt
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

import anyio
import httpx2
from rich.console import Console
from rich.table import Table

from benchmarks.refusals import Guesses, refusals

SAMPLES = 2_000
CERTAIN = 1e-6
"""What chance does less often than this is no chance."""


@dataclass(frozen=True, slots=True)
class Compared:
    """What came of a pair: the medians in microseconds, how often of all times that can be paired the second
    was the longer one, and how likely chance is as far from half of them.
    """

    what: str
    first: float
    second: float
    wins: float
    chance: float

    @property
    def tells(self) -> bool:
        """Whether the time tells the two apart."""
        return self.chance < CERTAIN


def by_rank(first: Sequence[float], second: Sequence[float]) -> tuple[float, float]:
    """Mann and Whitney's U, as a part of all pairs, and how likely chance is as far from a half.

    For twenty of each and more, as the normal distribution has it. Ties are taken as half, and as rare.
    """
    ordered, pairs = sorted(first), len(first) * len(second)
    wins = sum(bisect_left(ordered, one) + bisect_right(ordered, one) for one in second) / 2 / pairs
    spread = sqrt((len(first) + len(second) + 1) / (12 * pairs))
    return wins, erfc(abs(wins - 0.5) / spread / sqrt(2))


async def compared(guesses: Guesses, samples: int) -> Compared:
    """Make each guess so many times, one after the other."""
    taken: tuple[list[float], list[float]] = ([], [])
    sides = list(zip((guesses.first, guesses.second), taken, strict=True))
    for _ in range(samples):
        for guess, times in random.sample(sides, 2):
            began = time.perf_counter_ns()
            await guess()
            times.append((time.perf_counter_ns() - began) / 1_000)
    return Compared(guesses.what, median(taken[0]), median(taken[1]), *by_rank(*taken))


def leak() -> Guesses:
    """What must be found out: a comparison that ends at the first wrong letter of many."""
    right = "x" * 20_000

    async def guess(tried: str) -> httpx2.Response:
        return httpx2.Response(
            200 if all(one == other for one, other in zip(right, tried, strict=True)) else 403
        )

    wrong = ("y" + right[1:], right[:-1] + "y")
    return Guesses("a comparison that leaks", lambda: guess(wrong[0]), lambda: guess(wrong[1]))


async def measured(home: Path, samples: int) -> list[Compared]:
    """Compare every pair there is, the leak first."""
    async with refusals(home) as pairs:
        return [await compared(guesses, samples) for guesses in (leak(), *pairs)]


def table(found: Sequence[Compared]) -> Table:
    """For a terminal."""
    shown = Table(title="Does the time of a refusal tell?")
    for name in ("", "first, µs", "second, µs", "second is longer", "by chance", "tells"):
        shown.add_column(name, justify="left" if not name else "right")
    for one in found:
        numbers = (f"{one.first:.0f}", f"{one.second:.0f}", f"{one.wins:.1%}", f"{one.chance:.1e}")
        shown.add_row(one.what, *numbers, "yes" if one.tells else "no")
    return shown


if __name__ == "__main__":
    with TemporaryDirectory() as folder:
        samples = int(sys.argv[1]) if sys.argv[1:] else SAMPLES
        Console(width=140).print(table(anyio.run(measured, Path(folder) / "home", samples)))
