"""The embedded store as a file: a copy of one that is in use, folding one together, putting it on disk.

All of it may take long: call it in a thread.
"""

import os
import sqlite3
from contextlib import closing
from pathlib import Path

from valetkey.errors import StoreError, UsageError
from valetkey.store.sqlite import told

BESIDE = ("-wal", "-shm", "-journal")
"""What SQLite puts beside a file."""
_MAGIC = b"SQLite format 3\x00"


def new_file(path: Path) -> None:
    """Make an empty file, mode 0600 from the first moment on. Raises UsageError: there is one, no folder."""
    try:
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600))
    except FileExistsError:
        raise UsageError(f"{path} is there already, and is not overwritten") from None
    except OSError as error:
        raise UsageError(f"{path}: cannot be made ({error.strerror})") from None


def refuse_others(path: Path) -> None:
    """Raises UsageError for a file that is no embedded store, or cannot be read."""
    try:
        with path.open("rb") as file:
            found = file.read(len(_MAGIC))
    except OSError as error:
        raise UsageError(f"{path}: cannot be read ({error.strerror})") from None
    if found != _MAGIC:
        raise UsageError(f"{path}: this is no backup of Valetkey")


def copy_as_of_now(source: Path, target: Path) -> None:
    """Write a store that is in use into a new, empty file, as it is at this moment. Raises StoreError."""
    with told(target), closing(sqlite3.connect(source, isolation_level=None)) as connection:
        connection.execute("PRAGMA busy_timeout = 10000").close()
        connection.execute("VACUUM INTO ?", (str(target),)).close()


def fold(path: Path) -> None:
    """Make one file of a store that nobody uses, and see it onto the disk. Raises StoreError."""
    with told(path), closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").close()
        connection.execute("PRAGMA journal_mode = DELETE").close()
    to_disk(path)


def to_disk(path: Path) -> None:
    """See a file, and its name in its folder, onto the disk. Raises StoreError."""
    try:
        for place in (path, path.parent):
            descriptor = os.open(place, os.O_RDONLY)
            try:
                os.fsync(descriptor)
            finally:
                os.close(descriptor)
    except OSError as error:
        raise StoreError(f"{path}: cannot be written to the disk ({error.strerror})") from None


def remove(path: Path) -> None:
    """Remove a store's file, with what is beside it, as far as any of it is there."""
    for name in (path, *(path.with_name(path.name + more) for more in BESIDE)):
        name.unlink(missing_ok=True)
