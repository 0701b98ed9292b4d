"""How far something is that takes its time: a bar at a terminal, a line now and then in a log."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from valetkey.cli.output import tell

if TYPE_CHECKING:
    from collections.abc import Callable

    from rich.console import Console

    Shown = Callable[[str, int, int], None]

_TENTHS = 10


@contextmanager
def progress() -> "Iterator[Shown]":
    """Show on stderr, while the block runs, what is being done, how much of it is done, and of how much."""
    from rich.console import Console

    console = Console(stderr=True)
    if not console.is_terminal:
        yield _lines()
        return
    with _bar(console) as shown:
        yield shown


@contextmanager
def _bar(console: "Console") -> "Iterator[Shown]":
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    tasks: dict[str, TaskID] = {}
    with Progress(*columns, console=console) as bar:

        def shown(what: str, done: int, of: int) -> None:
            task = tasks[what] = tasks[what] if what in tasks else bar.add_task(what, total=of)
            bar.update(task, completed=done, total=of)

        yield shown


def _lines() -> "Shown":
    """A line for each tenth of each thing."""
    told: dict[str, int] = {}

    def shown(what: str, done: int, of: int) -> None:
        tenth = done * _TENTHS // max(of, 1)
        if tenth > told.get(what, 0):
            told[what] = tenth
            tell(f"{what}: {done:,} of {of:,}")

    return shown
