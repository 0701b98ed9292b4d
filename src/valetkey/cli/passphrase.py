"""Asking the operator for the passphrase of the root key: at the terminal, or from a descriptor."""

import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from getpass import getpass
from typing import TYPE_CHECKING, Annotated

import typer

from valetkey.errors import KeyFileError

if TYPE_CHECKING:
    from valetkey.vault.sources.passphrase import Passphrases

PassphraseFd = Annotated[
    int | None,
    typer.Option(
        min=0, metavar="NUMBER", help="Read the key's passphrase from this descriptor.", show_default=False
    ),
]
_MOST = 4_096


class AtTerminal:
    """Asks whoever sits there; nothing is shown of what they type."""

    def known(self) -> str:
        return _typed("Passphrase of this Valetkey's key: ")

    def chosen(self) -> str:
        new = _typed("A new passphrase (a sentence; without it nothing here can be opened): ")
        if _typed("Once more: ") != new:
            raise KeyFileError("the two passphrases differ; nothing was changed")
        return new


class FromDescriptor:
    """Reads a line of a file descriptor that a script or a service manager left open, for each question."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor

    def known(self) -> str:
        try:
            return _line(self._descriptor).decode()
        except (OSError, UnicodeDecodeError):
            raise KeyFileError(f"no passphrase can be read from descriptor {self._descriptor}") from None

    chosen = known


def _line(descriptor: int) -> bytes:
    """Read a line and no byte more: what follows answers the next question."""
    line = b""
    while len(line) < _MOST and (byte := os.read(descriptor, 1)) not in {b"", b"\n"}:
        line += byte
    return line.rstrip(b"\r")


def somebody(descriptor: int | None = None) -> "Passphrases":
    """Who can be asked here."""
    from valetkey.vault.sources.passphrase import Nobody

    if descriptor is not None:
        return FromDescriptor(descriptor)
    return AtTerminal() if sys.stdin.isatty() else Nobody()


def _typed(prompt: str) -> str:
    with _interruptible():
        return getpass(prompt, stream=sys.stderr)


@contextmanager
def _interruptible() -> Iterator[None]:
    """Ctrl-C ends the question, and not first the event loop that is waiting below it."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
