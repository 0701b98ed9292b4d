"""Who uses the embedded store of a home: every process shares a lock on a file beside it; one that replaces
or moves the store needs it alone. The lock goes with its process, however that ends.
"""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from valetkey.errors import StoreError, UsageError

FILE = "in-use"


@contextmanager
def shared(home: Path) -> Iterator[None]:
    """Use the store beside others. Raises StoreError while it is being replaced or moved."""
    with _locked(home, fcntl.LOCK_SH) as got:
        if not got:
            raise StoreError(f"{home}: its store is being replaced or moved; wait for that, and try again")
        yield


@contextmanager
def alone(home: Path) -> Iterator[None]:
    """Keep everybody else out. Raises UsageError while another process uses the store."""
    with _locked(home, fcntl.LOCK_EX) as got:
        if not got:
            text = "is used by another process: stop `valetkey serve` and every `valetkey stdio` of it first"
            raise UsageError(f"{home} {text}")
        yield


@contextmanager
def _locked(home: Path, how: int) -> Iterator[bool]:
    descriptor = _file(home / FILE)
    try:
        yield _taken(descriptor, how)
    finally:
        os.close(descriptor)  # and with it, the lock


def _file(path: Path) -> int:
    try:
        return os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise StoreError(f"{path}: cannot be used ({error.strerror})") from None


def _taken(descriptor: int, how: int) -> bool:
    try:
        fcntl.flock(descriptor, how | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
