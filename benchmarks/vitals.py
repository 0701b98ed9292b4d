"""How a process is over time: what it holds is looked at again and again, and judged by whether it grows."""

import itertools
import json
import os
import signal
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median

import psutil

from benchmarks.soaked import ANSWER, TRACE
from tests.support.desk import until

LEAK, MOST = 16.0, 2 << 20
"""Bytes a call that memory may grow by, and bytes in all that are no growth: one object kept for each call is
fifty at least, and an allocator's pools come and go by a megabyte."""

BLOCKS, MOST_BLOCKS = 0.25, 10_000
"""The same in blocks of Python's allocator, which no pool hides: by a call, and in all."""

AN_HOUR = 1 << 20
"""Bytes that memory may grow by in an hour, in a run that takes one at least."""

MEGABYTE = 1 << 20


@dataclass(frozen=True, slots=True)
class Sample:
    """One look. Sizes are in bytes, `at` in seconds, `calls` those made until then."""

    at: float
    calls: int
    memory: int
    descriptors: int
    threads: int
    tasks: int
    blocks: int
    log: int
    store: int
    kinds: Counter[str] = field(repr=False)

    @property
    def objects(self) -> int:
        return self.kinds.total()

    def __str__(self) -> str:
        return (
            f"{self.at:6.0f} s  {self.calls:8,} calls  {self.memory / MEGABYTE:7.1f} MiB  "
            f"{self.blocks:9,} blocks  {self.objects:7,} objects  "
            f"{self.descriptors:4} descriptors  {self.tasks:4} tasks  {self.threads:3} threads  "
            f"log {self.log / MEGABYTE:5.1f} MiB  store {self.store / MEGABYTE:7.1f} MiB"
        )


async def looked(process: psutil.Process, home: Path, at: float, calls: int) -> Sample:
    """Look at a server that is `benchmarks.soaked`. Raises TimeoutError when it does not answer."""
    answer = home / ANSWER
    answer.unlink(missing_ok=True)
    os.kill(process.pid, signal.SIGUSR1)
    await until(answer.exists)
    holds = json.loads(answer.read_text())
    return Sample(
        at=at,
        calls=calls,
        memory=process.memory_info().rss,
        descriptors=process.num_fds(),
        threads=process.num_threads(),
        tasks=holds["tasks"],
        blocks=holds["blocks"],
        log=_size(home / "store.db-wal"),
        store=_size(home / "store.db"),
        kinds=Counter(holds["kinds"]),
    )


async def traced(process: psutil.Process, home: Path) -> str:
    """What came to be since this was asked first, and is there still, by where it was made."""
    answer = home / TRACE
    answer.unlink(missing_ok=True)
    os.kill(process.pid, signal.SIGUSR2)
    await until(answer.exists, 120)
    return answer.read_text()


def _size(file: Path) -> int:
    return file.stat().st_size if file.exists() else 0


@dataclass(frozen=True, slots=True)
class Verdict:
    """What is said at the end, line by line; `flat`: nothing grows."""

    flat: bool
    lines: list[str]


def judged(samples: Sequence[Sample]) -> Verdict:
    """Judge what was seen once a third of it is over: by then all that is kept once is kept."""
    settled = samples[len(samples) // 3 :]
    found = [_memory(settled), _blocks(settled), *_counts(settled)]
    lines = [f"{'flat' if flat else 'GROWS'}: {text}" for flat, text in found]
    flat = all(flat for flat, _ in found)
    return Verdict(flat, lines if flat else [*lines, *_grown(settled)])


def _memory(settled: Sequence[Sample]) -> tuple[bool, str]:
    calls, seconds = [one.calls for one in settled], [one.at for one in settled]
    memory = [one.memory for one in settled]
    per_call = slope(calls, memory)
    per_hour = slope(seconds, memory) * 3_600
    grown = per_call * (calls[-1] - calls[0])
    flat = grown <= MOST or per_call <= LEAK
    if seconds[-1] - seconds[0] >= 3_600:
        flat = flat and per_hour <= AN_HOUR
    text = (
        f"memory by {per_call:.1f} bytes a call (at most {LEAK:.0f}, or {MOST / MEGABYTE:.0f} MiB in all), "
        f"{grown / MEGABYTE:.2f} MiB in all, {per_hour / MEGABYTE:.1f} MiB an hour"
    )
    return flat, text


def slope(along: Sequence[float], values: Sequence[float]) -> float:
    """How values rise: the median of the slopes between any two (Theil-Sen).

    A look that falls on a password being checked sees its 19 MiB: such a one moves no median.
    """
    pairs = itertools.combinations(zip(along, values, strict=True), 2)
    return median([(b - a) / (y - x) for (x, a), (y, b) in pairs if y > x] or [0.0])


def _blocks(settled: Sequence[Sample]) -> tuple[bool, str]:
    calls = [one.calls for one in settled]
    per_call = slope(calls, [one.blocks for one in settled])
    grown = per_call * (calls[-1] - calls[0])
    text = (
        f"blocks by {per_call:.2f} a call (at most {BLOCKS}, or {MOST_BLOCKS:,} in all), {grown:,.0f} in all"
    )
    return grown <= MOST_BLOCKS or per_call <= BLOCKS, text


def _counts(settled: Sequence[Sample]) -> Iterator[tuple[bool, str]]:
    """What comes and goes with the load is compared by its middle, early and late."""
    half = len(settled) // 2
    for name, room in (("objects", 2_000), ("descriptors", 10), ("tasks", 20), ("threads", 2), ("log", MOST)):
        early, late = (
            median(getattr(one, name) for one in part) for part in (settled[:half], settled[half:])
        )
        yield late <= early * 1.02 + room, f"{name}: {early:,.0f} early, {late:,.0f} late"


def _grown(settled: Sequence[Sample]) -> Iterator[str]:
    """The types of which there are more at the end than at first: to look for what holds them, begin here."""
    more = settled[-1].kinds - settled[0].kinds
    yield from (f"  {count:+,} of {kind}" for kind, count in more.most_common(15))
