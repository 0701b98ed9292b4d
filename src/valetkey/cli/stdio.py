"""`valetkey stdio`: the server a client starts for itself, on a pipe."""

import os
from functools import partial
from typing import TYPE_CHECKING, Annotated

import typer

from valetkey.cli.house import run, settings
from valetkey.model import Secret

if TYPE_CHECKING:
    from valetkey.settings import Settings

_TOKEN = "VALETKEY_TOKEN"  # noqa: S105 - the name of a variable


def stdio(
    *,
    in_session: Annotated[bool, typer.Option("--in-session", hidden=True)] = False,
) -> None:
    """Serve one client over stdin and stdout.

    The client starts this as its own process. Without a token it acts for the
    owner of VALETKEY_HOME, as the agent `local`. With VALETKEY_TOKEN in its
    environment it acts for whom the token says, verified on every request.
    Pages are served by `valetkey serve` if it runs on the same home, else on
    `callback_port` while somebody has to answer.

    Example:
      claude mcp add valetkey -- valetkey stdio
      claude mcp add valetkey -e VALETKEY_TOKEN=… -- valetkey stdio
    """
    from valetkey.stdio import in_own_session

    if not in_session:
        raise typer.Exit(in_own_session([]))
    token = os.environ.pop(_TOKEN, None)
    run(partial(_stdio, settings(), Secret(token) if token else None))


async def _stdio(chosen: "Settings", token: Secret | None) -> None:
    from valetkey.assemble import opened
    from valetkey.stdio import serve_stdio

    async with opened(chosen, local=True) as house:
        await serve_stdio(house, token)
