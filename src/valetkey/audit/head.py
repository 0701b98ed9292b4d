"""The head of a chain, signed: as a value, as JSON and as the file outside the store.

When one is made is `checkpoint`; nothing here reads the store.
"""

import json
import os
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from valetkey.audit.chain import compact
from valetkey.errors import IntegrityError, StoreError, UsageError
from valetkey.model import Json
from valetkey.vault import KeyRing, Purpose
from valetkey.vault.keys import is_signed

FILE = "audit-head.json"
"""The head outside the store, in VALETKEY_HOME."""
_FORMAT = "valetkey-audit-head/1"


@dataclass(frozen=True, slots=True)
class Head:
    """Where a chain stood: enough to notice later that it was cut, replaced or written anew."""

    seq: int
    hash: bytes

    def __str__(self) -> str:
        return f"{self.seq}:{self.hash.hex()}"

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read `seq:hash`, as `str` writes it. Raises UsageError."""
        seq, _, digest = text.strip().partition(":")
        try:
            head = cls(int(seq), bytes.fromhex(digest))
        except ValueError:
            head = cls(0, b"")
        if head.seq < 1 or len(head.hash) != 32:
            raise UsageError("an anchor is `<number>:<64 hex digits>`, as `valetkey audit verify` prints it")
        return head


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A signed head. `after` is the number of the checkpoint before it: none is taken out unseen."""

    store: str
    head: Head
    at: int
    after: int
    kid: str
    signature: bytes = b""

    def signed(self) -> bytes:
        """The signed bytes: `as_json()` without its signature; the format's name sets them apart."""
        return compact(self._fields()).encode()

    def as_json(self) -> dict[str, Json]:
        return self._fields() | {"signature": self.signature.hex()}

    @classmethod
    def from_json(cls, value: Json) -> Self:
        """Reverse `as_json`. Raises IntegrityError."""
        try:
            fields = {name: _typed(value[name], kind) for name, kind in _TYPES.items()}
            if fields["format"] != _FORMAT:
                raise ValueError
            head = Head(fields["seq"], bytes.fromhex(fields["hash"]))
            signature = bytes.fromhex(fields["signature"])
            return cls(fields["store"], head, fields["at"], fields["after"], fields["kid"], signature)
        except (KeyError, TypeError, ValueError):
            raise IntegrityError("this is not the signed head of an audit") from None

    def _fields(self) -> dict[str, Json]:
        return {
            "format": _FORMAT,
            "store": self.store,
            "seq": self.head.seq,
            "hash": self.head.hash.hex(),
            "at": self.at,
            "after": self.after,
            "kid": self.kid,
        }


_TYPES = {
    "format": str,
    "store": str,
    "seq": int,
    "hash": str,
    "at": int,
    "after": int,
    "kid": str,
    "signature": str,
}


def _typed(value: Json, kind: type) -> Json:
    if not isinstance(value, kind):
        raise TypeError
    return value


def public_keys(keys: KeyRing) -> dict[str, bytes]:
    """The public keys, by their ids, that checkpoints of this store are signed with."""
    return {key.kid: key.public() for key in keys.all_for(Purpose.CHECKPOINT)}


def untrusted(checkpoint: Checkpoint, keys: KeyRing) -> str | None:
    """Why a checkpoint is not this store's own; None when it is."""
    if checkpoint.store != keys.store_id:
        return "the signed head is another store's"
    return unsigned(checkpoint, public_keys(keys))


def unsigned(checkpoint: Checkpoint, keys: Mapping[str, bytes]) -> str | None:
    """Why a signature does not hold under these public keys; None when it does."""
    try:
        fits = is_signed(keys[checkpoint.kid], checkpoint.signature, checkpoint.signed())
    except (KeyError, TypeError, AttributeError):  # no such key, or a row that holds values of other types
        fits = False
    return None if fits else "the signature under the head does not fit"


def read_head(file: Path) -> Checkpoint | None:
    """Read the head outside the store; None when there is no such file. Raises IntegrityError."""
    try:
        return Checkpoint.from_json(json.loads(file.read_text("utf-8")))
    except FileNotFoundError:
        return None
    except (OSError, ValueError, RecursionError, IntegrityError):
        raise IntegrityError(
            f"{file}: this is not a signed head; keep it for whoever looks into it"
        ) from None


def write_head(file: Path, newest: Checkpoint) -> None:
    """Put a head in the place of the one before, mode 0600, whole or not at all. Raises StoreError."""
    try:
        descriptor, draft = tempfile.mkstemp(prefix=".audit-head-", dir=file.parent)
        try:
            _write(descriptor, compact(newest.as_json()) + "\n")
            Path(draft).replace(file)
        finally:
            Path(draft).unlink(missing_ok=True)
    except OSError as error:
        raise StoreError(f"{file}: the head of the audit cannot be written ({error.strerror})") from None


def _write(descriptor: int, text: str) -> None:
    with os.fdopen(descriptor, "w") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
