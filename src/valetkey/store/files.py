"""The embedded store as a file: a copy of one that is in use, folding one together, putting it on disk.

All of it may take long: call it in a thread.
"""

import os
import sqlite3
from contextlib import closing
from pathlib import Path
from urllib.parse import quote

from valetkey.errors import StoreError, UsageError
from valetkey.store.sqlite import told

_BESIDE = ("-wal", "-shm", "-journal")
"""What SQLite puts beside a file."""
_MAGIC = b"SQLite format 3\x00"


def refuse_others(path: Path) -> None:
    """Raises UsageError for a file that is no store of Valetkey, or not all of one; StoreError: damaged."""
    try:
        with path.open("rb") as file:
            found = file.read(len(_MAGIC))
    except OSError as error:
        raise UsageError(f"{path}: cannot be read ({error.strerror})") from None
    if found != _MAGIC:
        raise UsageError(f"{path}: this is no backup of Valetkey")
    for log in (beside for beside in _beside(path) if _holds_something(beside)):
        text = f"it is used, or was not closed: {log.name} belongs to it; `valetkey backup` makes one file"
        raise UsageError(f"{path}: {text}")
    if not _has_identity(path):
        raise UsageError(f"{path}: this is no backup of Valetkey")


def _holds_something(log: Path) -> bool:
    return not log.name.endswith("-shm") and log.exists() and log.stat().st_size > 0


def _has_identity(path: Path) -> bool:
    """Whether it is a store that had its keys: any other file of SQLite would become an empty store."""
    where = f"file:{quote(str(path))}?mode=ro&immutable=1"
    with told(path), closing(sqlite3.connect(where, uri=True)) as connection:
        try:
            return bool(connection.execute("SELECT 1 FROM meta WHERE key = 'store'").fetchall())
        except sqlite3.OperationalError as error:
            if error.sqlite_errorname != "SQLITE_ERROR":
                raise
            return False  # no such table


def copy_as_of_now(source: Path, target: Path) -> None:
    """Write a store that is in use into a new, empty file, as it is at this moment. Raises StoreError."""
    try:
        with closing(sqlite3.connect(source, isolation_level=None)) as connection:
            connection.execute("PRAGMA busy_timeout = 10000").close()
            connection.execute("VACUUM INTO ?", (str(target),)).close()
    except sqlite3.Error as error:
        with told(source if _is_damage(error) else target):
            raise


def fold(path: Path) -> None:
    """Make one file of a store that nobody uses, and see it onto the disk. Raises StoreError."""
    with told(path):
        _fold(path)
    to_disk(path)


def fold_unless_damaged(path: Path) -> None:
    """The same for a store that may be none, or damaged: there is nothing to be made of it then."""
    with told(path):
        try:
            _fold(path)
        except sqlite3.DatabaseError as error:
            if not _is_damage(error):
                raise


def _is_damage(error: sqlite3.Error) -> bool:
    return getattr(error, "sqlite_errorname", "").startswith(("SQLITE_CORRUPT", "SQLITE_NOTADB"))


def _fold(path: Path) -> None:
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").close()
        connection.execute("PRAGMA journal_mode = DELETE").close()


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
    for name in (path, *_beside(path)):
        name.unlink(missing_ok=True)


def moved_aside(path: Path, aside: Path) -> None:
    """Give a store that nobody uses another name, and leave its own in place until it is replaced.

    What SQLite put beside it goes: what stands in its place would take it for its own. Raises StoreError.
    """
    try:
        if path.exists():
            fold_unless_damaged(path)
            os.link(path, aside)
        for left, there in zip(_beside(path), _beside(aside), strict=True):
            if left.exists():
                left.replace(there)
    except OSError as error:
        raise StoreError(f"{path}: cannot be kept aside ({error.strerror}); nothing was changed") from None


def put_in_place(draft: Path, path: Path) -> None:
    """Put a finished draft in the place of whatever is there, in one step. Raises StoreError."""
    try:
        draft.replace(path)
    except OSError as error:
        raise StoreError(f"{path}: cannot be replaced ({error.strerror}); nothing was changed") from None
    to_disk(path)


def _beside(path: Path) -> tuple[Path, ...]:
    return tuple(path.with_name(path.name + more) for more in _BESIDE)
