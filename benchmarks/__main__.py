"""`make bench`: measures what costs, in turns, shows tables, and writes docs/reference/performance.md."""

import argparse
import asyncio
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from rich.console import Console

from benchmarks import calls, growth, keys, refresh
from benchmarks.figures import Section, page, table
from benchmarks.sides import Sides, sides

PAGE = Path(__file__).parents[1] / "docs" / "reference" / "performance.md"


@dataclass(frozen=True, slots=True)
class Size:
    """How long and how much is measured."""

    rounds: int
    seconds: float
    few: int
    many: int
    listed: int
    events: int
    records: int
    processes: int
    crowd: int


QUICK = Size(
    rounds=1, seconds=0.05, few=5, many=6, listed=5, events=12_000, records=2_000, processes=2, crowd=10
)
WHOLE = Size(
    rounds=9,
    seconds=0.8,
    few=10,
    many=1_000,
    listed=500,
    events=10_000_000,
    records=1_000_000,
    processes=4,
    crowd=1_000,
)
CALLS = 100
"""How many calls meet one ended token."""


def sections(folder: Path, size: Size) -> Iterator[Section]:
    """Everything that is measured, one after the other."""
    with sides(folder) as servers:
        yield calls.reads(servers, size.few, size.rounds, size.seconds)
        yield calls.writes(servers, size.few, size.rounds, size.seconds)
        yield calls.listing(servers, size.listed, size.rounds // 2 + 1, size.seconds)
        yield asyncio.run(_refreshes(folder / "refresh", servers, size))
        yield grown(folder, servers, size)
        yield asyncio.run(keys.section(folder / "keys", size.records))


async def _refreshes(home: Path, servers: Sides, size: Size) -> Section:
    return await refresh.section(
        home,
        servers.upstream,
        processes=size.processes,
        calls=CALLS,
        crowd=size.crowd,
        rounds=size.rounds // 2 + 1,
    )


def grown(folder: Path, servers: Sides, size: Size) -> Section:
    """What grows with what there is, and by how much."""
    tools = calls.grown(servers, size.few, size.many, size.rounds, size.seconds)
    events = asyncio.run(growth.audit(folder / "audit", size.events))
    text = "Our side alone, with little of something and with much of it."
    return Section("How it grows", text, "little", "much", [tools, events])


def main() -> None:
    """Measure for some minutes; with `--quick` for a few seconds, and then nothing is written."""
    parser = argparse.ArgumentParser(prog="make bench", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="one short round of each: does it run at all?")
    quick, found = parser.parse_args().quick, list[Section]()
    with TemporaryDirectory() as folder:
        for section in sections(Path(folder), QUICK if quick else WHOLE):
            Console().print(table(section))
            found.append(section)
    text = page(found)
    if not quick:
        PAGE.write_text(text)


if __name__ == "__main__":
    main()
