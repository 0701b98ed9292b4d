"""`make bench`: measures both sides in turns, shows a table, and writes docs/reference/performance.md."""

import argparse
import asyncio
from pathlib import Path
from statistics import quantiles
from tempfile import TemporaryDirectory

from rich.console import Console

from benchmarks.figures import AT_ONCE, LIST_AT_ONCE, Figures, Pair, lines, merged, page, table
from benchmarks.load import run
from benchmarks.sides import Side, both, warm

PAGE = Path(__file__).parents[1] / "docs" / "reference" / "performance.md"
CALL, LIST = "tools/call", "tools/list"


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


def main() -> None:
    """Measure for about a minute; with `--quick` for a few seconds, and then nothing is written."""
    parser = argparse.ArgumentParser(prog="make bench", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="one short round of each: does it run at all?")
    quick = parser.parse_args().quick
    rounds, seconds, listed = (1, 0.2, 20) if quick else (9, 0.8, 500)
    with TemporaryDirectory() as folder:
        with both(Path(folder) / "few", 10) as sides:
            calls = {at_once: in_turns(sides, CALL, at_once, rounds, seconds) for at_once in AT_ONCE}
        with both(Path(folder) / "many", listed) as sides:
            listing = in_turns(sides, LIST, LIST_AT_ONCE, rounds // 2 + 1, seconds)
    found = list(lines(calls, listing, listed))
    Console().print(table(found))
    if not quick:
        PAGE.write_text(page(found))


if __name__ == "__main__":
    main()
