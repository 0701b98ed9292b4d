"""`make bench`: measures what costs, in turns, shows tables, and writes docs/reference/performance.md."""

import argparse
import asyncio
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from statistics import quantiles
from tempfile import TemporaryDirectory

from rich.console import Console

from benchmarks import growth
from benchmarks.figures import (
    AT_ONCE,
    BESIDE_THE_FLOOR,
    LIST_AT_ONCE,
    Figures,
    Line,
    Pair,
    Section,
    lines,
    merged,
    page,
    table,
)
from benchmarks.load import run
from benchmarks.sides import Side, both, ours_twice, warm

PAGE = Path(__file__).parents[1] / "docs" / "reference" / "performance.md"
CALL, LIST = "tools/call", "tools/list"


@dataclass(frozen=True, slots=True)
class Size:
    """How long and how much is measured."""

    rounds: int
    seconds: float
    few: int
    many: int
    listed: int
    events: int


QUICK = Size(rounds=1, seconds=0.2, few=10, many=20, listed=10, events=20_000)
WHOLE = Size(rounds=9, seconds=0.8, few=10, many=1_000, listed=500, events=10_000_000)


def measured(side: Side, method: str, at_once: int, seconds: float) -> Figures:
    """One round of one side."""
    before = side.cpu()
    done = asyncio.run(run(side.load(method), at_once, seconds))
    used, count = side.cpu() - before, len(done.latencies)
    parts = quantiles(done.latencies, n=100) if count > 1 else [0.0] * 99
    return Figures(parts[49] * 1_000, parts[98] * 1_000, done.rate, used / max(count, 1) * 1e6)


def in_turns(sides: tuple[Side, Side], method: str, at_once: int, rounds: int, seconds: float) -> Pair:
    """Both sides, one after the other, so that a busy moment of the machine meets both."""
    for side in sides:
        warm(side, method, seconds)
    found = [[measured(side, method, at_once, seconds) for side in sides] for _ in range(rounds)]
    return merged([one[0] for one in found]), merged([one[1] for one in found])


def beside_the_floor(folder: Path, size: Size) -> Section:
    """A whole call and a whole listing, on both sides."""
    with both(folder / "few", size.few) as sides:
        calls = {at_once: in_turns(sides, CALL, at_once, size.rounds, size.seconds) for at_once in AT_ONCE}
    with both(folder / "many", size.listed) as sides:
        listing = in_turns(sides, LIST, LIST_AT_ONCE, size.rounds // 2 + 1, size.seconds)
    found = list(lines(calls, listing, size.listed))
    return Section("A whole delegated call, beside the floor", BESIDE_THE_FLOOR, "floor", "ours", found)


def grown(folder: Path, size: Size) -> Section:
    """What grows with what there is, and by how much."""
    with ours_twice(folder, size.few, size.many) as sides:
        few, many = in_turns(sides, CALL, 16, size.rounds, size.seconds)
    tools = f"processor per call with {size.many:,} tools published, beside {size.few}"
    return Section(
        "How it grows",
        "Our side alone, with little of something and with much of it.",
        "little",
        "much",
        [
            Line(tools, "µs", few.cpu, many.cpu, "≤ 1.1"),
            asyncio.run(growth.audit(folder / "audit", size.events)),
        ],
    )


def sections(folder: Path, size: Size) -> Iterator[Section]:
    """Everything that is measured, one after the other."""
    yield beside_the_floor(folder, size)
    yield grown(folder, size)


def main() -> None:
    """Measure for some minutes; with `--quick` for a few seconds, and then nothing is written."""
    parser = argparse.ArgumentParser(prog="make bench", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="one short round of each: does it run at all?")
    quick, found = parser.parse_args().quick, list[Section]()
    with TemporaryDirectory() as folder:
        for section in sections(Path(folder), QUICK if quick else WHOLE):
            Console().print(table(section))
            found.append(section)
    if not quick:
        PAGE.write_text(page(found))


if __name__ == "__main__":
    main()
