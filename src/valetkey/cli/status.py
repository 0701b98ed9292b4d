"""`valetkey status`: how this installation stands, on one screen, beside a running server or without one.

What is looked at is in `notices.survey`; `valetkey doctor` looks at whether it is set up as it should be.
"""

from typing import TYPE_CHECKING

import typer

from valetkey.cli.house import in_house
from valetkey.cli.output import AsJson, console, dump, visible

if TYPE_CHECKING:
    from valetkey.assemble import House
    from valetkey.notices import Line

NEEDS_SOMEBODY = 1
"""The exit code when any line is `warn` or `fail`."""


def status(*, as_json: AsJson = False) -> None:
    """Say how everything stands, and what needs somebody.

    One line each for connections, ends that come near, renewals, registrations,
    the server's own work, what providers have still to be told, key, store,
    audit, notices and disk; below it what to do. It exits with 0 when all is
    well, with 1 when a line is `warn` or `fail`, with 78 when this installation
    cannot be used as it is. `note` sees to itself.

    Example:
      valetkey status
      valetkey status --json
    """

    async def looking(house: "House") -> "list[Line]":
        return await house.notices.survey.lines()

    lines = in_house(looking)
    well = not any(line.needs_somebody for line in lines)
    if as_json:
        dump({"well": well, "lines": [line.as_json() for line in lines]})
    else:
        _show(lines)
    if not well:
        raise typer.Exit(NEEDS_SOMEBODY)


def _show(lines: "list[Line]") -> None:
    from rich.table import Table
    from rich.text import Text

    table = Table.grid(padding=(0, 2, 0, 0))
    for _ in range(2):
        table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    for line in lines:
        text = Text(visible(line.text))
        if line.to_do:
            text.append(f"\n{visible(line.to_do)}", style="dim")
        table.add_row(Text(line.level, style=_STYLES[line.level]), line.about, text)
    console().print(table)


_STYLES = {"ok": "green", "note": "cyan", "warn": "yellow", "fail": "bold red"}
