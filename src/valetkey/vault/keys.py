"""The key ring: the key-encryption keys of a store, and the server's own keys sealed under them.

One table of server keys for all purposes, shared by every process on a store.
"""

import hashlib
import hmac
import logging
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from valetkey.model import AuditEvent, Clock, Ids, Randomness
from valetkey.store import Reads, Row, Store, Transaction
from valetkey.vault.keks import ACTIVE, Keks, any_wrapped, insert, new_kek
from valetkey.vault.seal import Place, Sealed
from valetkey.vault.sources import KeySource

_log = logging.getLogger(__name__)
NEW_SEALED = """
INSERT INTO sealed (purpose, id, version, bound, kek, dek, content) VALUES ($1, $2, $3, $4, $5, $6, $7)"""
PUT_SEALED = f"""{NEW_SEALED}
ON CONFLICT (purpose, id) DO UPDATE SET
  version = excluded.version, bound = excluded.bound, kek = excluded.kek,
  dek = excluded.dek, content = excluded.content"""


class Purpose(StrEnum):
    """What a key of the server is for. A key serves one purpose and no other."""

    TOKEN_SIGNING = "token_signing"  # noqa: S105 - the name of a purpose
    REQUEST_STATE = "request_state"
    LINK = "link"
    LOOKUP = "lookup"
    PAGE = "page"
    CHECKPOINT = "checkpoint"
    ROWS = "rows"
    PRESENCE = "presence"
    WEBHOOK = "webhook"


@dataclass(frozen=True, slots=True)
class ServerKey:
    """One key of the server: 32 bytes, used as an HMAC key or as an Ed25519 seed (RFC 8032).

    One that is not `active` makes nothing new any more; what it made is accepted.
    """

    kid: str
    purpose: Purpose
    active: bool
    secret: bytes

    def __repr__(self) -> str:
        return f"ServerKey({self.kid}, {self.purpose}, ***)"

    def digest(self, text: str) -> str:
        """The keyed digest (HMAC-SHA256, hex) of what somebody wrote."""
        return hmac.new(self.secret, text.encode("utf-8", "surrogatepass"), hashlib.sha256).hexdigest()

    def sign(self, data: bytes) -> bytes:
        """An Ed25519 signature, 64 bytes."""
        return Ed25519PrivateKey.from_private_bytes(self.secret).sign(data)

    def public(self) -> bytes:
        """The Ed25519 public key, 32 bytes."""
        key = Ed25519PrivateKey.from_private_bytes(self.secret).public_key()
        return key.public_bytes(Encoding.Raw, PublicFormat.Raw)


def is_signed(public: bytes, signature: bytes, data: bytes) -> bool:
    """Whether an Ed25519 signature fits; False, too, for bytes that are no key or no signature."""
    try:
        Ed25519PublicKey.from_public_bytes(public).verify(signature, data)
    except (InvalidSignature, ValueError, TypeError):
        return False
    return True


class KeyRing:
    """The opened keys of one store. Made by `unlock`; never shows a key in its repr."""

    def __init__(self, keks: Keks, randomness: Randomness) -> None:
        self.keks, self._randomness = keks, randomness
        self._server: list[ServerKey] = []
        self.tell: Callable[[AuditEvent], object] = _log_alone
        """Told of rows that do not fit their MACs: the audit, once it is open."""

    @property
    def store_id(self) -> str:
        return self.keks.store_id

    @property
    def active(self) -> str:
        """The id of the key-encryption key that seals new records."""
        return self.keks.active

    def server(self, purpose: Purpose) -> ServerKey:
        """The key that signs or seals for a purpose now."""
        return next(key for key in self._server if key.purpose is purpose and key.active)

    def all_for(self, purpose: Purpose) -> list[ServerKey]:
        """Every key whose signatures are still accepted for a purpose, the active one first."""
        keys = [key for key in self._server if key.purpose is purpose]
        return sorted(keys, key=lambda key: not key.active)

    async def load_server_keys(self, tx: Transaction, ids: Ids, clock: Clock) -> None:
        """Read the server's keys, and make those that are missing."""
        await self.keks.load(tx)
        await self.reload(tx, clock)
        for purpose in set(Purpose) - {key.purpose for key in self._server}:
            self._server.append(await self._make(tx, purpose, ids, clock))

    async def reload(self, db: Reads, clock: Clock) -> None:
        """Read the server's keys again: another process may have made new ones."""
        rows = await db.all(_SERVER_KEYS, clock.now())
        await self.keks.meet(db, *(row["kek"] for row in rows))
        self._server = [self._server_key(row) for row in rows]

    async def rotate_server_key(
        self, tx: Transaction, purpose: Purpose, ids: Ids, clock: Clock, *, accepted_for: int | None
    ) -> str:
        """Make a new key for a purpose and return its id; it holds from the next `reload` on.

        What the old one made is accepted for so many milliseconds more, None for ever. Keys that are past
        that are removed.
        """
        await tx.run(_FORGET_SEALED, purpose, clock.now())
        await tx.run("DELETE FROM server_keys WHERE purpose = $1 AND until <= $2", purpose, clock.now())
        until = None if accepted_for is None else clock.now() + accepted_for
        await tx.run(_RETIRE, until, purpose)
        return (await self._make(tx, purpose, ids, clock)).kid

    def _server_key(self, row: Row) -> ServerKey:
        place = Place("server_key", self.store_id, row["kid"], row["version"], row["purpose"])
        plain = self.keks.open(place, Sealed(row["kek"], row["dek"], row["content"]))
        return ServerKey(row["kid"], Purpose(row["purpose"]), row["state"] == "active", plain)

    async def _make(self, tx: Transaction, purpose: Purpose, ids: Ids, clock: Clock) -> ServerKey:
        key = ServerKey(ids.new("key"), purpose, active=True, secret=self._randomness(32))
        active = await tx.one(ACTIVE)
        await self.keks.ready(tx, active["id"] if active else "")
        sealed = self.keks.seal(Place("server_key", self.store_id, key.kid, 1, purpose), key.secret)
        values = ("server_key", key.kid, 1, purpose, sealed.kek, sealed.dek, sealed.content)
        await tx.run(PUT_SEALED, *values)
        await tx.run(_NEW_SERVER_KEY, key.kid, purpose, clock.now())
        return key


def _log_alone(event: AuditEvent) -> None:
    _log.critical("a row does not fit what it says: %s", dict(event.core))


_SERVER_KEYS = """
SELECT k.kid, k.purpose, k.state, s.version, s.kek, s.dek, s.content
FROM server_keys k JOIN sealed s ON s.purpose = 'server_key' AND s.id = k.kid
WHERE k.until IS NULL OR k.until > $1 ORDER BY k.created"""
_NEW_SERVER_KEY = "INSERT INTO server_keys VALUES ($1, $2, 'active', $3, NULL)"
_RETIRE = """
UPDATE server_keys SET state = 'verify_only', until = $1 WHERE purpose = $2 AND state = 'active'"""
_FORGET_SEALED = """
DELETE FROM sealed WHERE purpose = 'server_key'
  AND id IN (SELECT kid FROM server_keys WHERE purpose = $1 AND until <= $2)"""


async def is_new(db: Reads) -> bool:
    """Whether a store holds no keys yet, so that a root key may be made for it."""
    return await any_wrapped(db) is None


async def unlock(store: Store, source: KeySource, ids: Ids, clock: Clock, randomness: Randomness) -> KeyRing:
    """Open a store's keys with its root key; a new store gets its first ones.

    Raises KeyFileError, before anything is written, when the root key is not this store's.
    """
    ring = KeyRing(Keks(source, randomness), randomness)
    store_id, first = ids.new("sto"), None
    if await is_new(store):
        first = await new_kek(store_id, source, ids, randomness)
    else:
        await ring.keks.load(store)
    async with store.transaction() as tx:
        if first and await is_new(tx):  # of several first starts one wins
            await tx.run("INSERT INTO meta VALUES ('store', $1)", store_id)
            await insert(tx, first, clock.now())
        await ring.load_server_keys(tx, ids, clock)
    return ring
