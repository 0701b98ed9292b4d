"""`valetkey demo`: one delegated call from beginning to end, on this machine alone."""

from functools import partial
from typing import Annotated

import typer

from valetkey.cli.house import run
from valetkey.cli.output import console


def demo(
    *,
    open_browser: Annotated[
        bool, typer.Option("--open", metavar="", help="You approve, in your own browser.")
    ] = False,
    keep: Annotated[
        bool, typer.Option("--keep", metavar="", help="Leave everything running to attach a client to.")
    ] = False,
) -> None:
    """Play one delegated call from beginning to end, offline.

    The server is real; people and providers are invented. It has a home of its
    own and touches nothing of yours.

    Example:
      valetkey demo --open

    Then:
      valetkey serve
    """
    from valetkey.demo.play import play

    run(partial(play, console(), open_browser=open_browser, keep=keep))
