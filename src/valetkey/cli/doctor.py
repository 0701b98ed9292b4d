"""`valetkey doctor`: how this installation is, line by line. What is looked at is in `checks`."""

import typer

from valetkey.cli.house import run
from valetkey.cli.output import AsJson, console, dump, visible


def doctor(*, as_json: AsJson = False) -> None:
    """Say how this installation is, and what to do about it.

    It looks at home, settings, connectors, key, store, clock, people,
    registrations, audit and port. For each registration it prints the redirect
    URI to register at the provider. It exits with 1 if anything fails.

    Example:
      valetkey doctor
    """
    from rich.text import Text

    from valetkey.cli.checks import examined

    found = run(examined)
    if as_json:
        dump([one.as_json() for one in found])
    else:
        out = console()
        for one in found:
            line = Text(f"{one.level:<6}", style=_STYLES[one.level])
            out.print(line.append(visible(f"{one.about:<14}{one.text}"), style="default"), soft_wrap=True)
            if one.to_do:
                out.print(visible(f"{'':20}{one.to_do}"), soft_wrap=True)
    if any(one.level == "fail" for one in found):
        raise typer.Exit(1)


_STYLES = {"ok": "green", "warn": "yellow", "fail": "bold red"}
