"""From rounds to ratios, and the ratios as a table and as a page of the reference."""

import operator
import platform
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from math import nan
from statistics import median

import psutil
from rich.table import Table


@dataclass(frozen=True, slots=True)
class Figures:
    """One side under one load: milliseconds, requests a second, and microseconds of processor each."""

    p50: float
    p99: float
    rate: float
    cpu: float


Pair = tuple[Figures, Figures]

_COMPARED = {"≤": operator.le, "≥": operator.ge, "=": operator.eq}


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
        """The figure over what it is held against; no number where that was too short to be measured."""
        return self.figure / self.base if self.base else nan

    @property
    def held(self) -> str:
        """Whether the ratio is as wanted: yes, no, or nothing where nothing is."""
        sign, _, bound = self.target.partition(" ")
        return ("yes" if _COMPARED[sign](self.ratio, float(bound)) else "no") if sign else ""


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


def table(section: Section) -> Table:
    """For a terminal."""
    shown = Table(title=section.title)
    for name in ("", section.base, section.figure, "ratio", "wanted", "held"):
        shown.add_column(name, justify="left" if not name else "right")
    for line in section.lines:
        ratio = f"[bold]{line.ratio:.2f}[/bold]"
        shown.add_row(f"{line.what} {line.unit}", *_numbers(line), ratio, line.target, line.held)
    return shown


def page(sections: Sequence[Section]) -> str:
    """For the reference."""
    date, parts = datetime.now(UTC).date(), "\n".join(map(_part, sections))
    return _PAGE.format(date=date, machine=_machine(), parts=parts)


def _part(section: Section) -> str:
    rows = "\n".join(map(_row, section.lines))
    head = f"| | {section.figure} / {section.base} | wanted | held |\n| --- | ---: | ---: | :---: |"
    return f"## {section.title}\n\n{section.text}\n\n{head}\n{rows}\n"


def _row(line: Line) -> str:
    return f"| {line.what} | {line.ratio:.2f} | {line.target} | {line.held} |"


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
