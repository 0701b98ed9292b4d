"""A session of its own for the server, so that a closing client cannot kill it in the middle of a refresh.

A client gives its server two seconds, then kills the process group. What it started only waits here;
the server itself is in another session, reads the end of its input, finishes and stores what a
provider has already answered, and ends.
"""

import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from types import FrameType

INNER = "--in-session"


def in_own_session(arguments: Sequence[str]) -> int:
    """Run `valetkey stdio` again in a new session, on the same pipes; return its exit code.

    Signals that ask to stop are handed on. Nothing but those is ever read or written here.
    """
    command = [sys.executable, "-m", "valetkey", "stdio", INNER, *arguments]
    server = subprocess.Popen(command, start_new_session=True)  # noqa: S603 - our own interpreter and module
    _let_go_of_pipes()

    def hand_on(number: int, _: FrameType | None) -> None:
        server.send_signal(number)

    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, hand_on)
    return server.wait()


def _let_go_of_pipes() -> None:
    """Hold neither end of the client's pipes: it waits for both to close, and so does the server."""
    nowhere = os.open(os.devnull, os.O_RDWR)
    os.dup2(nowhere, 0)
    os.dup2(nowhere, 1)
    os.close(nowhere)
