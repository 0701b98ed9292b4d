"""The root key as a file: 32 bytes in base64, made at first start, refused when others could touch it."""

import base64
import binascii
import os
import stat
import tempfile
from contextlib import suppress
from pathlib import Path

from valetkey.errors import KeyFileError
from valetkey.model import Randomness

_BYTES = 32
_NOFOLLOW = os.O_NOFOLLOW | os.O_NONBLOCK  # a symlink is refused, a FIFO does not hang


def make(path: Path, randomness: Randomness) -> None:
    """Write a new key to `path`, mode 0600, unless there is one: of several first starts one wins.

    Raises KeyFileError where it cannot be written.
    """
    try:
        descriptor, draft = tempfile.mkstemp(prefix=".key-", dir=path.parent)
        try:
            _write(descriptor, base64.b64encode(randomness(_BYTES)) + b"\n")
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
    try:
        descriptor = os.open(path, os.O_RDONLY | _NOFOLLOW)
    except FileNotFoundError:
        problem = "the key of this store is missing; put it back from your backup of it"
        raise KeyFileError(f"{path}: {problem}") from None
    except OSError as error:
        problem = f"the key cannot be opened ({error.strerror}); it has to be a regular file"
        raise KeyFileError(f"{path}: {problem}") from None
    try:
        _refuse_unsafe(path, os.fstat(descriptor))
        return _decoded(path, os.read(descriptor, 1024))
    finally:
        os.close(descriptor)


def _refuse_unsafe(path: Path, found: os.stat_result) -> None:
    parent = path.parent.stat()
    if not stat.S_ISREG(found.st_mode):
        raise KeyFileError(f"{path}: the key has to be a regular file")
    if found.st_uid != os.geteuid():
        raise KeyFileError(
            f"{path}: the key belongs to another account; run `chown` to the one that runs Valetkey"
        )
    if found.st_mode & 0o077:
        raise KeyFileError(f"{path}: others can read the key; run `chmod 600 {path}`")
    if parent.st_mode & 0o022:
        raise KeyFileError(f"{path.parent}: others can replace the key; run `chmod 700 {path.parent}`")


def _decoded(path: Path, text: bytes) -> bytes:
    try:
        key = base64.b64decode(text.strip(), validate=True)
    except binascii.Error:
        raise KeyFileError(f"{path}: the key is not base64; put it back from your backup of it") from None
    if len(key) != _BYTES or not any(key):
        raise KeyFileError(f"{path}: the key has to be {_BYTES} random bytes; this is {len(key)} or all zero")
    return key
