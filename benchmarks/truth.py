"""`make truth`: many calls for two people by two agents on four servers; are all answers right?"""

import argparse
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory

import anyio
from rich.console import Console
from rich.progress import Progress

from benchmarks.serve import FAST
from tests.support.reckoning import Reckoning, reckoned
from tests.support.truth import Truth, truth

MOST_SHOWN = 20


async def main(calls: int, minutes: float) -> bool:
    """Make the calls, compare what came of them, say so; whether all of them were made and all is true."""
    began, console = time.monotonic(), Console()
    with TemporaryDirectory() as folder, Progress(console=console) as bars:
        making = bars.add_task("calls", total=calls)
        async with truth(Path(folder) / "home") as found:
            await found.go(calls, minutes * 60, lambda done: bars.update(making, completed=done))
            bars.update(making, completed=found.tally.calls)
        took = time.monotonic() - began
        checking = bars.add_task("events of the audit", total=None)
        result = await reckoned(found, lambda done, of: bars.update(checking, completed=done, total=of))
    console.print("\n".join(said(found, result, took)), markup=False)
    return not result.wrong and found.tally.calls == calls


def said(found: Truth, result: Reckoning, took: float) -> list[str]:
    """The counts, line by line, and what is wrong."""
    tally, served = found.tally, sorted(found.balancer.sent.values())
    links = {person.name: len(person.given) for person in found.people}
    taken_back = {person.name: person.taken_back for person in found.people}
    return [
        f"{tally.calls} calls in {took:.0f} seconds, {tally.legs} legs that waited for a person among them",
        f"answered, each as the right person: {tally.answers.total()}",
        f"asked for a person instead: {dict(tally.asked)}",
        f"links that were given: {links}; grants that were taken back: {taken_back}",
        f"requests to each server: {served}",
        f"requests at the providers: {result.requests}, with a token just expired: {result.expired}",
        f"refreshes: {result.refreshes}",
        f"events of the audit, all in their place: {result.events}",
        f"wrong: {len(result.wrong)}",
        *result.wrong[:MOST_SHOWN],
    ]


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="make truth", description=__doc__)
    parser.add_argument("--calls", type=int, default=100_000)
    parser.add_argument("--minutes", type=float, default=60, help="stop calling then, which is a failure")
    chosen = parser.parse_args()
    true = anyio.run(main, chosen.calls, chosen.minutes, backend_options={"use_uvloop": FAST})
    sys.exit(not true)
