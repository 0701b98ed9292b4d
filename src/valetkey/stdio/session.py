"""A session of its own for the server, so that a closing client cannot kill it in the middle of a refresh.

A client gives its server two seconds, then kills the process group. What it started only waits here;
the server itself is in another session, reads the end of its input, finishes and stores what a
provider has already answered, and ends.
"""

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from types import FrameType

from valetkey.stdio.ending import ASKING

Handler = Callable[[int, FrameType | None], object]


def in_own_session() -> int:
    """Run `valetkey stdio` again in a new session, on the same pipes; return its exit code.

    Signals that ask to stop are handed on. Nothing but those is ever read or written here.
    """
    early: list[int] = []
    _on_asking(lambda number, _: early.append(number))
    # -P: the client chose the working directory, and a package lying there is not ours to run.
    command = [sys.executable, "-P", "-m", "valetkey", "stdio", "--starter", str(os.getpid())]
    server = subprocess.Popen(command, start_new_session=True)  # noqa: S603 - our own interpreter and module
    _on_asking(lambda number, _: server.send_signal(number))
    for number in early:
        server.send_signal(number)
    _let_go_of_pipes()
    return _exit_code(server.wait())


def _on_asking(handler: Handler) -> None:
    for number in ASKING:
        signal.signal(number, handler)


def _let_go_of_pipes() -> None:
    """Hold neither end of the client's pipes: it waits for both to close, and so does the server."""
    nowhere = os.open(os.devnull, os.O_RDWR)
    os.dup2(nowhere, 0)
    os.dup2(nowhere, 1)
    os.close(nowhere)


def _exit_code(returned: int) -> int:
    """A process that a signal ended is told as a shell tells it."""
    return 128 - returned if returned < 0 else returned
