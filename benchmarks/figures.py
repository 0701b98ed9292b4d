"""From rounds to ratios, and the ratios as a table and as a page of the reference."""

import platform
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from statistics import median

import psutil
from rich.table import Table

AT_ONCE = (1, 16, 64)
LIST_AT_ONCE = 4


@dataclass(frozen=True, slots=True)
class Figures:
    """One side under one load: milliseconds, requests a second, and microseconds of processor each."""

    p50: float
    p99: float
    rate: float
    cpu: float


Pair = tuple[Figures, Figures]


@dataclass(frozen=True, slots=True)
class Line:
    """One thing that was measured: what it is held against, the figure, and what ratio is wanted."""

    what: str
    unit: str
    base: float
    figure: float
    target: str

    @property
    def ratio(self) -> float:
        """The figure over what it is held against."""
        return self.figure / self.base


@dataclass(frozen=True, slots=True)
class Section:
    """Lines that are held against the same: `base` and `figure` say in a word what stands in each column."""

    title: str
    text: str
    base: str
    figure: str
    lines: Sequence[Line]


def merged(rounds: Sequence[Figures]) -> Figures:
    """The median of each figure over the rounds."""
    return Figures(*(median(getattr(one, name) for one in rounds) for name in ("p50", "p99", "rate", "cpu")))


def lines(calls: dict[int, Pair], listing: Pair, listed: int) -> Iterator[Line]:
    """What is shown, in order."""
    for at_once, (floor, ours) in calls.items():
        where = f"c={at_once}"
        yield Line(f"p50 of a call, {where}", "ms", floor.p50, ours.p50, "≤ 1.2" if at_once == 1 else "")
        wanted = {16: "≥ 1.2", 64: "≥ 1.4"}.get(at_once, "")
        yield Line(f"calls a second, {where}", "", floor.rate, ours.rate, wanted)
        yield Line(f"p99 of a call, {where}", "ms", floor.p99, ours.p99, "≤ 1.0" if at_once == 16 else "")
        cpu = "≤ 1.0" if at_once == 64 else ""
        yield Line(f"processor per call, {where}", "µs", floor.cpu, ours.cpu, cpu)
    floor, ours = listing
    yield Line(f"p50 of listing {listed} tools", "ms", floor.p50, ours.p50, "")
    yield Line(f"processor per listing of {listed} tools", "µs", floor.cpu, ours.cpu, "")


def table(section: Section) -> Table:
    """For a terminal."""
    shown = Table(title=section.title)
    for name in ("", section.base, section.figure, "ratio", "wanted"):
        shown.add_column(name, justify="left" if not name else "right")
    for line in section.lines:
        ratio = f"[bold]{line.ratio:.2f}[/bold]"
        shown.add_row(f"{line.what} {line.unit}", *_numbers(line), ratio, line.target)
    return shown


def page(sections: Sequence[Section]) -> str:
    """For the reference."""
    date, parts = datetime.now(UTC).date(), "\n".join(map(_part, sections))
    return _PAGE.format(date=date, machine=_machine(), parts=parts)


def _part(section: Section) -> str:
    rows = "\n".join(f"| {line.what} | {line.ratio:.2f} | {line.target} |" for line in section.lines)
    head = f"| | {section.figure} / {section.base} | wanted |\n| --- | ---: | ---: |"
    return f"## {section.title}\n\n{section.text}\n\n{head}\n{rows}\n"


def _numbers(line: Line) -> tuple[str, str]:
    digits = 2 if line.base < 100 else 0
    return f"{line.base:.{digits}f}", f"{line.figure:.{digits}f}"


def _machine() -> str:
    """Its shape in words; what it is called is nobody's business."""
    cores, memory = psutil.cpu_count() or 1, round(psutil.virtual_memory().total / 2**30)
    shape = f"{cores} cores, {memory} GiB, {platform.system()}, Python {platform.python_version()}"
    return f"{shape}, **busy with other work**" if psutil.getloadavg()[2] > cores else shape


_PAGE = """\
# What a call costs

`make bench` wrote this page on {date} ({machine}).

Whatever is compared ran in turns on the same machine. **Read the ratios**: absolute numbers belong to the
machine.

{parts}"""

BESIDE_THE_FLOOR = """\
Both sides ran in processes of their own on the same core; the load and the API at the far end shared the
other.

- *The floor* is the MCP SDK's low-level server on 2026-07-28, answering in JSON, which makes one bare GET
  of six kilobytes with httpx2 and hands it on as text and as structured content. It knows no people, no
  tokens and no audit.
- *Ours* is the whole house: the agent's token verified and its session read, the operator's switch, the
  connection, the grant, the vault opened, the request filled, sent and answered, the reply checked and
  shaped, the call recorded in the audit's chain before it was sent and closed after.

`c` is how many calls are under way at once. A p50, a p99 or processor time is better when its ratio is small,
calls a second when it is large."""
