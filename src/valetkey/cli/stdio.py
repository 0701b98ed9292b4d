"""`valetkey stdio`: the server a client starts for itself, on a pipe."""

import os
from functools import partial
from typing import TYPE_CHECKING, Annotated

import typer

from valetkey.cli.house import account, run, settings
from valetkey.cli.process import memory_given_back
from valetkey.errors import UsageError
from valetkey.model import Secret

if TYPE_CHECKING:
    from valetkey.settings import Settings

_TOKEN = "VALETKEY_TOKEN"  # noqa: S105 - the name of a variable


def stdio(
    *,
    starter: Annotated[int, typer.Option(hidden=True, help="The process that waits for this one.")] = 0,
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
    from valetkey.stdio.session import in_own_session

    if not starter:
        raise typer.Exit(in_own_session())
    memory_given_back()
    token = _token()
    run(partial(_stdio, settings(), token, starter))


def _token() -> Secret | None:
    """Take the token out of the environment, where a child would find it. Raises UsageError: it is empty."""
    token = os.environ.pop(_TOKEN, None)
    if token is None:
        return None
    if not token.strip():  # whoever set it meant less than the owner, who is served without one
        raise UsageError(f"{_TOKEN} is set and empty; give it a token, or take it out of the environment")
    return Secret(token.strip())


async def _stdio(chosen: "Settings", token: Secret | None, starter: int) -> None:
    from valetkey.assemble import opened
    from valetkey.serving.logs import set_up
    from valetkey.stdio.ending import asked_to_stop
    from valetkey.stdio.serve import serve_stdio

    set_up(chosen.logs)
    # Around the house: a signal that comes while it is being closed must not cut off what is under way.
    async with asked_to_stop(starter) as stop, opened(chosen, local=True) as house:
        await serve_stdio(house, token, account(), stop)
