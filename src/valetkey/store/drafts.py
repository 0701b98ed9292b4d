"""Drafts: a file while it is made, under a name that nobody takes for what it will be.

What is left of one whose process was killed goes when the next one is begun.
"""

import fcntl
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from valetkey.errors import UsageError
from valetkey.store.files import remove, to_disk

_UNFINISHED = ".valetkey-unfinished"


@contextmanager
def draft_of(path: Path) -> Iterator[Path]:
    """Make an empty file beside `path`, mode 0600; it is gone after the block, unless it got another name.

    Raises UsageError where none can be made.
    """
    descriptor, draft = _made(path)
    try:
        yield draft
    finally:
        remove(draft)
        os.close(descriptor)  # not before: it would drop the locks that SQLite holds on the file (fcntl(2))


def kept(draft: Path, path: Path) -> None:
    """Give what is finished its name, on the disk too; never a name that is taken. Raises UsageError."""
    try:
        os.link(draft, path)
        draft.unlink()
    except FileExistsError:
        raise _taken(path) from None
    except OSError as error:
        raise _impossible(path, error) from None
    to_disk(path)


def refuse_taken(path: Path) -> None:
    """Raises UsageError for a name that another file has."""
    if os.path.lexists(path):
        raise _taken(path)


def _taken(path: Path) -> UsageError:
    return UsageError(f"{path} is there already, and is not overwritten")


def _made(path: Path) -> tuple[int, Path]:
    try:
        _clear(path.parent)
        descriptor, name = tempfile.mkstemp(prefix=f".{path.name}.", suffix=_UNFINISHED, dir=path.parent)
        draft = Path(name)
        _lock(descriptor)
        draft.stat()  # another process may have cleared it away before the lock was taken
    except OSError as error:
        raise _impossible(path, error) from None
    return descriptor, draft


def _impossible(path: Path, error: OSError) -> UsageError:
    return UsageError(f"{path}: cannot be made ({error.strerror})")


def _clear(folder: Path) -> None:
    """Remove what is left there of drafts whose processes are gone; whoever makes one has it locked."""
    for left in folder.glob(f".*{_UNFINISHED}"):
        with suppress(OSError):  # it is another account's
            descriptor = os.open(left, os.O_RDWR | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
            try:
                _lock(descriptor)
                remove(left)
            finally:
                os.close(descriptor)


def _lock(descriptor: int) -> None:
    fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
