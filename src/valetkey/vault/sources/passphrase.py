"""The root key derived from a passphrase by Argon2id (RFC 9106), with the salt and cost that made it.

Those stand before each key that it wraps, bound to it. Whoever asks a person for it is the command line.
"""

import struct
from pathlib import Path
from typing import NamedTuple, Protocol, Self

from cryptography.hazmat.primitives.kdf.argon2 import Argon2id

from valetkey.errors import KeyFileError
from valetkey.model import Randomness
from valetkey.vault.sources import ROOT_BYTES, RootKey
from valetkey.vault.sources.file import private

KIND = "passphrase"
SHORTEST, LONGEST = 12, 1_000
_MAGIC, _SALT = b"VKP1", 16
_COST = struct.Struct(">IBB")


class Passphrases(Protocol):
    """Somebody who knows the passphrase, or is about to choose one. Both may raise KeyFileError."""

    def known(self) -> str:
        """The passphrase of this store."""
        ...

    def chosen(self) -> str:
        """A new one."""
        ...


class Nobody:
    """There is nobody to ask: a program that a client started, or a script."""

    def known(self) -> str:
        raise KeyFileError(
            "the key of this store is behind a passphrase, and this is no terminal to ask for it on; start "
            "`valetkey serve` on this home, or name a `passphrase_file` under [key] in valetkey.toml"
        )

    chosen = known


class InFile:
    """A passphrase in a file of its own, as a service manager hands out credentials."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def known(self) -> str:
        text = private(self._path, "passphrase", from_root=True)
        try:
            return text.decode().rstrip("\r\n")
        except UnicodeDecodeError:
            raise KeyFileError(f"{self._path}: the passphrase is not UTF-8 text") from None

    chosen = known


class Cost(NamedTuple):
    """What one guess costs: memory in KiB, passes over it, lanes. The default takes about 0.3 seconds."""

    memory: int = 64 * 1024
    passes: int = 3
    lanes: int = 4

    def refuse_unfit(self) -> None:
        """Raises KeyFileError for less than the default: whoever can write the store may want to guess.

        And for what would take all of this machine's memory, or an hour.
        """
        if any(not least <= given <= most for given, least, most in zip(self, Cost(), _MOST, strict=True)):
            raise KeyFileError(
                "the store asks for another cost of the passphrase's key than this program ever chose; "
                "somebody changed it: restore a backup"
            )


_MOST = Cost(1024 * 1024, 30, 16)


class Header(NamedTuple):
    """How a root key is made of its passphrase."""

    cost: Cost
    salt: bytes

    @classmethod
    def new(cls, randomness: Randomness) -> Self:
        return cls(Cost(), randomness(_SALT))

    @classmethod
    def of(cls, wrapped: bytes) -> Self:
        """Read it from before a wrapped key. Raises KeyFileError: no passphrase made this, or too cheaply."""
        size = len(_MAGIC) + _COST.size
        if not wrapped.startswith(_MAGIC) or len(wrapped) < size + _SALT:
            raise KeyFileError(
                "the keys of this store are under no passphrase, which [key] in valetkey.toml names; "
                "`valetkey keys move` moves them, nothing was changed"
            )
        header = cls(Cost(*_COST.unpack(wrapped[len(_MAGIC) : size])), wrapped[size : size + _SALT])
        header.cost.refuse_unfit()
        return header

    def __bytes__(self) -> bytes:
        return _MAGIC + _COST.pack(*self.cost) + self.salt


def derived(passphrase: str, header: Header) -> bytes:
    """Return the root key. Takes time and memory, in a thread. Raises KeyFileError: too short or too long."""
    if not SHORTEST <= len(passphrase) <= LONGEST:
        raise KeyFileError(f"a passphrase has {SHORTEST} to {LONGEST} characters; a sentence is a good one")
    cost = header.cost
    kdf = Argon2id(
        salt=header.salt,
        length=ROOT_BYTES,
        iterations=cost.passes,
        lanes=cost.lanes,
        memory_cost=cost.memory,
    )
    return kdf.derive(passphrase.encode("utf-8", "surrogatepass"))


def root_key(secret: bytes, header: Header, randomness: Randomness) -> RootKey:
    """The source that a derived key makes, here or in the server that handed it out."""
    return RootKey(KIND, "a passphrase", secret, randomness, bytes(header))
