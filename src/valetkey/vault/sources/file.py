"""The root key as a file: 32 bytes in base64, made at first start, refused when others could touch it."""

import os
import stat
import tempfile
from contextlib import suppress
from pathlib import Path

from valetkey.errors import KeyFileError
from valetkey.model import Randomness
from valetkey.vault.sources import ROOT_BYTES, decoded, encoded

_NOFOLLOW = os.O_NOFOLLOW | os.O_NONBLOCK  # a symlink is refused, a FIFO does not hang
_MOST = 2048


def make(path: Path, randomness: Randomness) -> None:
    """Write a new key to `path`, mode 0600, unless there is one: of several first starts one wins.

    Raises KeyFileError where it cannot be written.
    """
    try:
        descriptor, draft = tempfile.mkstemp(prefix=".key-", dir=path.parent)
        try:
            _write(descriptor, encoded(randomness(ROOT_BYTES)))
            with suppress(FileExistsError):
                os.link(draft, path)  # whole or not at all, and never over a key that is there
        finally:
            Path(draft).unlink()
    except OSError as error:
        raise KeyFileError(f"{path}: the key cannot be written ({error.strerror})") from None


def _write(descriptor: int, text: bytes) -> None:
    with os.fdopen(descriptor, "wb") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())


def read(path: Path) -> bytes:
    """Return the 32 bytes of the key. Raises KeyFileError, saying what to do, in every doubtful case."""
    return decoded(str(path), private(path, "key"))


def private(path: Path, what: str, *, from_root: bool = False) -> bytes:
    """Return what a file holds that nobody else may read or replace.

    `from_root`: also one that root made for this account, as systemd does with credentials: its ACL shows
    in the mode as the group's right to read. Raises KeyFileError.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | _NOFOLLOW)
    except FileNotFoundError:
        problem = f"the {what} of this store is missing; put it back from your backup of it"
        raise KeyFileError(f"{path}: {problem}") from None
    except OSError as error:
        problem = f"the {what} cannot be opened ({error.strerror}); it has to be a regular file"
        raise KeyFileError(f"{path}: {problem}") from None
    try:
        _refuse_unsafe(path, what, os.fstat(descriptor), from_root=from_root)
        return os.read(descriptor, _MOST)
    finally:
        os.close(descriptor)


def _refuse_unsafe(path: Path, what: str, found: os.stat_result, *, from_root: bool) -> None:
    parent, given = path.parent.stat(), from_root and found.st_uid == 0
    if not stat.S_ISREG(found.st_mode):
        raise KeyFileError(f"{path}: the {what} has to be a regular file")
    if found.st_uid != os.geteuid() and not given:
        raise KeyFileError(
            f"{path}: the {what} belongs to another account; run `chown` to the one that runs Valetkey"
        )
    if found.st_mode & (0o037 if given else 0o077):
        raise KeyFileError(f"{path}: others can read the {what}; run `chmod 600 {path}`")
    if parent.st_mode & 0o022:
        raise KeyFileError(f"{path.parent}: others can replace the {what}; run `chmod 700 {path.parent}`")
