"""The command line: the tree of commands, and what becomes of an error.

Each command is in the file of its group. They import the rest of the house only when they run, so that
`--help` and `version` answer at once.
"""

import sys
from typing import Annotated

import typer

from valetkey import __version__
from valetkey.cli.agents import app as agents_commands
from valetkey.cli.audit import app as audit_commands
from valetkey.cli.backup import backup, restore
from valetkey.cli.clients import clients
from valetkey.cli.connections import app as connections_commands
from valetkey.cli.connectors import app as connectors_commands
from valetkey.cli.demo import demo
from valetkey.cli.doctor import doctor
from valetkey.cli.grants import app as grants_commands
from valetkey.cli.help import plain
from valetkey.cli.issuers import app as issuers_commands
from valetkey.cli.keys import app as keys_commands
from valetkey.cli.notify import app as notify_commands
from valetkey.cli.output import say, tell
from valetkey.cli.people import app as people_commands
from valetkey.cli.process import no_core_files
from valetkey.cli.registrations import app as registrations_commands
from valetkey.cli.sandbox import sandbox
from valetkey.cli.serve import serve
from valetkey.cli.status import status
from valetkey.cli.stdio import stdio
from valetkey.cli.store import app as store_commands
from valetkey.cli.tokens import app as tokens_commands
from valetkey.errors import ConfigError, ValetkeyError

FAILED, CONFIG = 1, 78  # 78 is EX_CONFIG of sysexits.h
"""Exit codes: what was asked failed; the installation cannot be used as it is. Click's for usage is 2."""

plain()
app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False)


def _show_version(*, wanted: bool) -> None:
    if wanted:
        version()
        raise typer.Exit


@app.callback()
def _valetkey(
    *,
    _: Annotated[
        bool,
        typer.Option(
            "--version", callback=_show_version, is_eager=True, metavar="", help="Print the version."
        ),
    ] = False,
) -> None:
    """Let agents act in people's accounts without ever seeing a token.

    Begin with `valetkey demo`, which plays everything on this machine; then
    `valetkey serve`. State and settings are in VALETKEY_HOME, and
    `valetkey doctor` says how they are.
    """


def version() -> None:
    """Print the version.

    It is the same as `valetkey --version`.

    Example:
      valetkey version
    """
    say(__version__)


# In the order in which somebody meets them.
app.command()(demo)
app.command()(serve)
app.command()(stdio)
app.command()(doctor)
app.command()(status)
app.add_typer(people_commands)
app.add_typer(registrations_commands)
app.add_typer(agents_commands)
app.add_typer(issuers_commands)
app.add_typer(tokens_commands)
app.command()(clients)
app.add_typer(connections_commands)
app.add_typer(grants_commands)
app.add_typer(connectors_commands)
app.add_typer(audit_commands)
app.add_typer(keys_commands)
app.add_typer(notify_commands)
app.command()(backup)
app.command()(restore)
app.add_typer(store_commands)
app.command()(sandbox)
app.command()(version)


def main() -> None:
    """Run the command line: the entry point of `valetkey`. Ends the process."""
    no_core_files()
    try:
        app()
    except ValetkeyError as error:
        tell(f"valetkey: {error}")
        sys.exit(CONFIG if isinstance(error, ConfigError) else FAILED)


__all__ = ["app", "main"]
