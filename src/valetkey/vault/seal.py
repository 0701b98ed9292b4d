"""The envelope: one fresh data key per record version, wrapped by a key-encryption key, both AES-256-GCM.

Pure functions over bytes; which keys exist is `keys`, where records are kept is the room's `Vault`.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from valetkey.errors import IntegrityError
from valetkey.model import Randomness

_MAGIC = b"VK1"
_AES_256_GCM = b"\x01"
_NONCE = 12
_TAG = 16


@dataclass(frozen=True, slots=True)
class Place:
    """Where a sealed record stands: it opens there and nowhere else.

    `bound` is what the record is tied to besides its row: for tokens, the digest of their origins.
    """

    purpose: str
    store: str
    id: str
    version: int
    bound: str = ""

    def aad(self) -> bytes:
        """Length-prefixed, never joined by a separator: no two places give the same bytes."""
        parts = ("vk1", self.purpose, self.store, self.id, str(self.version), self.bound)
        return b"".join(len(part.encode()).to_bytes(4, "big") + part.encode() for part in parts)


@dataclass(frozen=True, slots=True)
class Sealed:
    """A record's ciphertext: the KEK that wraps its data key, the wrapped data key, the content."""

    kek: str
    dek: bytes
    content: bytes


def encrypt(key: bytes, plain: bytes, aad: bytes, randomness: Randomness) -> bytes:
    """Return `magic | algorithm | nonce | ciphertext and tag` under a 256-bit key."""
    nonce = randomness(_NONCE)
    header = _MAGIC + _AES_256_GCM
    return header + nonce + AESGCM(key).encrypt(nonce, plain, header + aad)


def decrypt(key: bytes, envelope: bytes, aad: bytes) -> bytes:
    """Reverse `encrypt`. Raises IntegrityError for anything it did not make for this key and place."""
    if not isinstance(envelope, bytes):  # whoever can write the store can put a number there
        raise IntegrityError("a sealed record is not in a form this program writes")
    header, nonce, body = envelope[:4], envelope[4 : 4 + _NONCE], envelope[4 + _NONCE :]
    if header != _MAGIC + _AES_256_GCM or len(body) < _TAG:
        raise IntegrityError("a sealed record is not in a form this program writes")
    try:
        return AESGCM(key).decrypt(nonce, body, header + aad)
    except InvalidTag:
        raise IntegrityError(
            "a sealed record does not open where it stands: it was changed or moved"
        ) from None


def seal(keks: Mapping[str, bytes], kek: str, place: Place, plain: bytes, randomness: Randomness) -> Sealed:
    """Seal `plain` for its place under a data key of its own, wrapped by the key named `kek`."""
    dek = randomness(32)
    content = encrypt(dek, plain, place.aad(), randomness)
    return Sealed(kek, encrypt(keks[kek], dek, _dek_aad(kek, place), randomness), content)


def open_sealed(keks: Mapping[str, bytes], place: Place, sealed: Sealed) -> bytes:
    """Open a record at its place. Raises IntegrityError when it was changed, moved or rolled back."""
    return decrypt(_dek(keks, place, sealed), sealed.content, place.aad())


def rewrapped(
    keks: Mapping[str, bytes], kek: str, place: Place, sealed: Sealed, randomness: Randomness
) -> Sealed:
    """Return the record with its data key wrapped by the key named `kek`; its content is not touched.

    Raises IntegrityError when the data key does not open at its place.
    """
    dek = _dek(keks, place, sealed)
    return Sealed(kek, encrypt(keks[kek], dek, _dek_aad(kek, place), randomness), sealed.content)


def _dek(keks: Mapping[str, bytes], place: Place, sealed: Sealed) -> bytes:
    key = keks.get(sealed.kek)
    if key is None:
        raise IntegrityError("a sealed record names a key this key ring does not hold")
    return decrypt(key, sealed.dek, _dek_aad(sealed.kek, place))


def _dek_aad(kek: str, place: Place) -> bytes:
    # The KEK's id is bound here and not in the content, so that rotation rewraps the data key alone.
    return len(kek.encode()).to_bytes(4, "big") + kek.encode() + place.aad()
