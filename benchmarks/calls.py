"""What a whole call and a whole listing cost: ours beside the floor, and ours with more and more tools."""

import asyncio
from collections.abc import Iterator
from statistics import quantiles

from benchmarks.connector import READ, WRITE
from benchmarks.figures import Figures, Line, Pair, Section, merged
from benchmarks.load import run
from benchmarks.sides import Side, Sides

AT_ONCE, LIST_AT_ONCE = (1, 16, 64), 4
LISTING = 5
"""Milliseconds that listing may take."""

Wanted = dict[tuple[str, int], str]
_RATES: Wanted = {("rate", 16): "≥ 1.2", ("rate", 64): "≥ 1.4", ("p99", 16): "≤ 1.0", ("cpu", 64): "≤ 1.0"}
READS: Wanted = {("p50", 1): "≤ 1.2", **_RATES}
WRITES: Wanted = {("p50", 1): "≤ 1.6", **_RATES}
"""What is waited for until it is on the disk costs more, where nothing else is under way."""

_NAMES = {
    "p50": ("p50 of a {}, c={}", "ms"),
    "rate": ("{}s a second, c={}", ""),
    "p99": ("p99 of a {}, c={}", "ms"),
    "cpu": ("processor per {}, c={}", "µs"),
}


def reads(sides: Sides, tools: int, rounds: int, seconds: float) -> Section:
    """Reads, on both sides."""
    return _beside_the_floor(sides, "read", _READS, tools, rounds, seconds)


def writes(sides: Sides, tools: int, rounds: int, seconds: float) -> Section:
    """Writes, on both sides."""
    return _beside_the_floor(sides, "write", _WRITES, tools, rounds, seconds)


def listing(sides: Sides, tools: int, rounds: int, seconds: float) -> Section:
    """The listing of many tools, on both sides."""
    floor, ours = in_turns(sides.both(tools), None, LIST_AT_ONCE, rounds, seconds)
    alone = in_turns((sides.ours(tools),), None, 1, rounds, seconds)[0]
    found = [
        Line(f"p50 of listing {tools} tools, c={LIST_AT_ONCE}", "ms", floor.p50, ours.p50, ""),
        Line(f"processor per listing of {tools} tools", "µs", floor.cpu, ours.cpu, ""),
        Line(f"p50 of listing {tools} tools, c=1, of {LISTING} ms", "ms", LISTING, alone.p50, "≤ 1.0"),
    ]
    return Section("A whole listing, beside the floor", _LISTING, "floor, or allowed", "ours", found)


def grown(sides: Sides, few: int, many: int, rounds: int, seconds: float) -> Line:
    """Our side with few tools and with many."""
    little, much = in_turns((sides.ours(few), sides.ours(many)), READ, 16, rounds, seconds)
    what = f"processor per call with {many:,} tools published, beside {few}"
    return Line(what, "µs", little.cpu, much.cpu, "≤ 1.1")


def _beside_the_floor(sides: Sides, kind: str, text: str, tools: int, rounds: int, seconds: float) -> Section:
    tool, wanted = (READ, READS) if kind == "read" else (WRITE, WRITES)
    found = list[Line]()
    for at_once in AT_ONCE:
        floor, ours = in_turns(sides.both(tools), tool, at_once, rounds, seconds)
        found += _lines(kind, at_once, (floor, ours), wanted)
    return Section(f"A whole {kind}, beside the floor", text, "floor", "ours", found)


def _lines(kind: str, at_once: int, pair: Pair, wanted: Wanted) -> Iterator[Line]:
    """What is shown of one load, in order."""
    floor, ours = pair
    for name, (what, unit) in _NAMES.items():
        base, figure = getattr(floor, name), getattr(ours, name)
        yield Line(what.format(kind, at_once), unit, base, figure, wanted.get((name, at_once), ""))


def in_turns(
    sides: tuple[Side, ...], tool: str | None, at_once: int, rounds: int, seconds: float
) -> list[Figures]:
    """The sides, one after the other, so that a busy moment of the machine meets all of them."""
    for side in sides:  # let it compile and connect what it needs, unmeasured
        asyncio.run(run(side.load(tool), 16, seconds))
    found = [[_measured(side, tool, at_once, seconds) for side in sides] for _ in range(rounds)]
    return [merged(rounds_of_one) for rounds_of_one in zip(*found, strict=True)]


def _measured(side: Side, tool: str | None, at_once: int, seconds: float) -> Figures:
    """One round of one side."""
    before = side.cpu()
    done = asyncio.run(run(side.load(tool), at_once, seconds))
    used, count = side.cpu() - before, len(done.latencies)
    parts = quantiles(done.latencies, n=100) if count > 1 else [0.0] * 99
    return Figures(parts[49] * 1_000, parts[98] * 1_000, done.rate, used / max(count, 1) * 1e6)


_READS = """\
Both sides ran in processes of their own on the same core; the load and the API at the far end shared the
other.

- *The floor* is the MCP SDK's low-level server on 2026-07-28, answering in JSON, which makes one bare request
  for six kilobytes with httpx2 and hands them on as text and as structured content. It knows no people, no
  tokens and no audit.
- *Ours* is the whole house: the agent's token verified and its session read, the operator's switch, the
  connection, the grant, the vault opened, the request filled, sent and answered, the reply checked and
  shaped, the call recorded in the audit's chain before it was sent and closed after.

`c` is how many calls are under way at once. A p50, a p99 or processor time is better when its ratio is small,
calls a second when it is large. Every answer was looked at: one that is not right ends the measurement."""
_WRITES = """\
The same with a tool that writes. Before a write is sent, its record is on the disk: that wait is in these
figures, and it is why a single write may cost more than a single read. Where many are under way, one wait
serves them all."""
_LISTING = """\
Every tool that there is, with its schemas, each time made for the one who asks: what their grants refuse is
left out."""
