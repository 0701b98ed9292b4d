"""How commands speak: what a script may read on stdout, what a person is told on stderr, nothing else.

Lists and records are tables for a person, JSON for `--json`.
"""

import json
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Annotated

import typer

from valetkey.model import Json

if TYPE_CHECKING:
    from rich.console import Console

AsJson = Annotated[bool, typer.Option("--json", metavar="", help="JSON instead of a table.")]
Row = Mapping[str, Json]
Columns = Mapping[str, Callable[[Json], str]]
"""Which keys of a row are shown, in this order, and how each value is written."""

_WIDEST = 10_000  # what is piped is cut nowhere
_WIDE = 48


def say(text: str) -> None:
    """Put a line on stdout."""
    typer.echo(text)


def tell(text: str) -> None:
    """Tell the person at the terminal something; a script that reads stdout does not see it."""
    typer.echo(visible(text), err=True)


def console() -> "Console":
    """Return rich's console for stdout: colours and the terminal's width for a person, neither in a pipe."""
    from rich.console import Console

    plain = Console(highlight=False, markup=False)
    return plain if plain.is_terminal else Console(width=_WIDEST, highlight=False, markup=False)


def listed(rows: Sequence[Row], columns: Columns, *, as_json: bool, empty: str) -> None:
    """Show rows as a table, or all of them as a JSON array; `empty` is said where there are none."""
    if as_json:
        dump(list(rows))
    elif rows:
        _table(rows, columns)
    else:
        tell(empty)


def dump(value: Json) -> None:
    """Put a JSON value on stdout."""
    say(json.dumps(value, indent=2))


def _table(rows: Sequence[Row], columns: Columns) -> None:
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False, header_style="bold", padding=(0, 2, 0, 0))
    for name in columns:
        table.add_column(name.replace("_", " "), overflow="fold")
    for row in rows:
        table.add_row(*(Text(visible(write(row[name]))) for name, write in columns.items()))
    console().print(table)


def visible(text: str) -> str:
    """Return text without what a reader cannot see: others wrote some of it, and terminals obey it."""
    from valetkey.manifest.clean import clean

    return str(clean(text))


def text(value: Json) -> str:
    """Write a value as it is; nothing as a dash."""
    return "–" if value is None or value == "" else str(value)


def words(values: Iterable[str]) -> str:
    """Write a list on one line."""
    return ", ".join(values) or "–"


def few(values: Iterable[str]) -> str:
    """Write a list in a table: for a person at a terminal no more of it than fits beside the rest."""
    names = list(values)
    whole = words(names)
    if len(whole) <= _WIDE or not console().is_terminal:
        return whole
    shown = [name for n, name in enumerate(names) if len(words(names[: n + 1])) <= _WIDE] or names[:1]
    return f"{words(shown)} and {len(names) - len(shown)} more"


def when(at: Json) -> str:
    """Write epoch milliseconds in the local time of whoever reads it."""
    if at is None:
        return "–"
    return f"{datetime.fromtimestamp(at / 1000).astimezone():%Y-%m-%d %H:%M:%S}"


def until(at: Json) -> str:
    """Write when a grant ends."""
    return "until revoked" if at is None else when(at)


_AGO = re.compile(r"([1-9]\d{0,5})([mhd])")
_UNITS = {"m": 60, "h": 3600, "d": 86400}


def lasting(given: str) -> int:
    """Read how long something lasts, `90m`, `8h` or `30d`, as milliseconds. Raises typer.BadParameter."""
    if not (span := _AGO.fullmatch(given)):
        raise typer.BadParameter(f"`{given}` is no span of time; write 90m, 8h or 30d")
    return int(span[1]) * _UNITS[span[2]] * 1000


def since(given: str) -> int:
    """Read `90m`, `24h`, `7d`, or a date or time (ISO 8601, local unless it says otherwise) as milliseconds.

    Raises typer.BadParameter.
    """
    now = datetime.now().astimezone()
    if ago := _AGO.fullmatch(given):
        return int((now.timestamp() - int(ago[1]) * _UNITS[ago[2]]) * 1000)
    try:
        return int(datetime.fromisoformat(given).astimezone().timestamp() * 1000)
    except (ValueError, OverflowError):
        text = f"`{given}` is no time; write 90m, 24h, 7d, 2026-11-24 or 2026-11-24T09:30"
        raise typer.BadParameter(text) from None
