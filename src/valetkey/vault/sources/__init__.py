"""Where a store's root key is kept: it wraps the key-encryption keys, and seals nothing else.

`KeySource` is all that the vault needs of such a place; which one it is, only the settings file says.
"""

import base64
import binascii
from dataclasses import dataclass
from typing import Protocol

from valetkey.errors import KeyFileError
from valetkey.model import Randomness
from valetkey.vault.seal import Place, decrypt, encrypt

ROOT_BYTES = 32


class KeySource(Protocol):
    """Wraps and unwraps key-encryption keys under a root key. May block: call it in a thread."""

    @property
    def kind(self) -> str:
        """Its name in valetkey.toml, which the store remembers beside what it wrapped."""
        ...

    def key_id(self) -> str:
        """Which root key this is, in words; never the key."""
        ...

    def wrap(self, kek: bytes, context: Place) -> bytes:
        """Encrypt a key-encryption key, bound to its place. Raises KeyFileError: it cannot be asked."""
        ...

    def unwrap(self, blob: bytes, context: Place) -> bytes:
        """Reverse `wrap`.

        Raises IntegrityError for what it did not wrap for this place, KeyFileError when it cannot be asked.
        """
        ...


@dataclass(frozen=True, slots=True)
class RootKey:
    """A root key that is here in memory: from a file, a variable, a keyring or a passphrase.

    `header` stands before everything it wraps and is bound to it: how it is derived, if it is.
    """

    kind: str
    where: str
    secret: bytes
    randomness: Randomness
    header: bytes = b""

    def __repr__(self) -> str:
        return f"RootKey({self.where}, ***)"

    def key_id(self) -> str:
        return self.where

    def wrap(self, kek: bytes, context: Place) -> bytes:
        return self.header + encrypt(self.secret, kek, context.aad() + self.header, self.randomness)

    def unwrap(self, blob: bytes, context: Place) -> bytes:
        envelope = blob.removeprefix(self.header)
        return decrypt(self.secret, envelope, context.aad() + self.header)


def encoded(key: bytes) -> bytes:
    """How a root key is written where it is kept: base64 on a line of its own."""
    return base64.b64encode(key) + b"\n"


def decoded(where: str, text: bytes) -> bytes:
    """Read a root key that was written down. Raises KeyFileError, naming `where` and never the text."""
    try:
        key = base64.b64decode(text.strip(), validate=True)
    except binascii.Error:
        raise KeyFileError(f"{where}: the key is not base64; put it back from your backup of it") from None
    if len(key) != ROOT_BYTES or not any(key):
        problem = f"the key has to be {ROOT_BYTES} random bytes; this is {len(key)} or all zero"
        raise KeyFileError(f"{where}: {problem}")
    return key


__all__ = ["ROOT_BYTES", "KeySource", "RootKey", "decoded", "encoded"]
