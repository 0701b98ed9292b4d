"""Whether the time that a refusal takes tells a secret, or who there is: pairs of guesses, side by side.

    python -m benchmarks.timing [SAMPLES]

The two guesses of a pair are made in random order and their times compared by rank (Mann-Whitney), so that a
busy moment of the machine meets both alike. What they are is in `refusals`.
"""

import random
import sys
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from math import erfc, sqrt
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

import anyio
from rich.console import Console
from rich.progress import track
from rich.table import Table

SAMPLES = 2_000
CERTAIN = 1e-6
"""A difference as large is by chance once in a million times: then it is one."""


@dataclass(frozen=True, slots=True)
class Guesses:
    """Two guesses that ought to be refused alike: the second knows more than the first.

    `harmless` says why nothing is lost where they are told apart; empty: it must not be.
    """

    what: str
    first: Callable[[], Awaitable[object]]
    second: Callable[[], Awaitable[object]]
    harmless: str = ""


@dataclass(frozen=True, slots=True)
class Compared:
    """What came of a pair. `wins`: how often the second took longer than the first, of all times two met."""

    guesses: Guesses
    microseconds: tuple[float, float]
    wins: float
    chance: float

    @property
    def tells(self) -> bool:
        return self.chance < CERTAIN


def ranked(first: Sequence[float], second: Sequence[float]) -> tuple[float, float]:
    """Mann and Whitney's U as the part of the pairs that the second wins, and how likely chance does as much.

    Ties count half, in the first number alone: times of a clock in nanoseconds hardly ever tie.
    """
    alone = sorted(first)
    wins = sum(_below(alone, one) for one in second) / (len(first) * len(second))
    spread = sqrt((len(first) + len(second) + 1) / (12 * len(first) * len(second)))
    return wins, erfc(abs(wins - 0.5) / spread / sqrt(2))


def _below(ordered: Sequence[float], one: float) -> float:
    return (bisect_left(ordered, one) + bisect_right(ordered, one)) / 2


async def compared(guesses: Guesses, samples: int) -> Compared:
    """Make each guess so many times, one after the other."""
    sides, taken = (guesses.first, guesses.second), ([], [])
    for _ in track(range(samples), guesses.what, transient=True):
        for side in random.sample((0, 1), 2):
            began = time.perf_counter_ns()
            await sides[side]()
            taken[side].append((time.perf_counter_ns() - began) / 1_000)
    return Compared(guesses, (median(taken[0]), median(taken[1])), *ranked(*taken))
