"""The key-encryption keys of one store, opened: which of them seals, and which only open what is there.

Another process may add one at any time, or retire one: whoever meets a key that is not known here looks
again. How they are rotated, retired and moved is `rotation`.
"""

import logging
from dataclasses import dataclass

import anyio
from anyio import to_thread

from valetkey.errors import IntegrityError, KeyFileError, StoreError
from valetkey.model import Ids, Randomness
from valetkey.store import Reads, Row, Transaction
from valetkey.vault.seal import Place, Sealed, open_sealed, rewrapped, seal
from valetkey.vault.sources import KeySource

_log = logging.getLogger(__name__)
LIMIT = 2**32
"""How many data keys one key may wrap: more random nonces under it would collide (NIST SP 800-38D, 8.3)."""

_BLOCK = 1_024
_EVERY_SECONDS = 5
_WITHIN_SECONDS = 2
"""How long the source of a new key is waited for where it is met: everybody's writes may wait for that."""


@dataclass(frozen=True, slots=True)
class NewKek:
    """A key-encryption key that is made and wrapped, and not in the store yet."""

    id: str
    secret: bytes
    wrapped: bytes
    source: str

    def __repr__(self) -> str:
        return f"NewKek({self.id}, ***)"


async def new_kek(store_id: str, source: KeySource, ids: Ids, randomness: Randomness) -> NewKek:
    """Make a key and have its source wrap it. In no transaction: a source may take its time."""
    kek, secret = ids.new("kek"), randomness(32)
    wrapped = await to_thread.run_sync(source.wrap, secret, place_of(store_id, kek))
    return NewKek(kek, secret, wrapped, source.kind)


def place_of(store_id: str, kek: str) -> Place:
    """Where a wrapped key-encryption key stands."""
    return Place("kek", store_id, kek, 1)


class Keks:
    """The key-encryption keys that are not retired. Never shows one in its repr."""

    def __init__(self, source: KeySource, randomness: Randomness) -> None:
        self.source, self._randomness = source, randomness
        self.store_id, self.active = "", ""
        self._known: dict[str, bytes] = {}
        self._reserved = 0
        self._in_vain: float | None = None  # when its source was asked last, if that brought nothing

    def seal(self, place: Place, plain: bytes) -> Sealed:
        """Seal under the key that was active when `ready` was last called."""
        return seal(self._known, self.active, place, plain, self._randomness)

    def open(self, place: Place, sealed: Sealed) -> bytes:
        """Raises IntegrityError."""
        return open_sealed(self._known, place, sealed)

    def rewrapped(self, place: Place, sealed: Sealed) -> Sealed:
        """The same record, its data key wrapped by the active key. Raises IntegrityError."""
        return rewrapped(self._known, self.active, place, sealed, self._randomness)

    def secret(self, kek: str) -> bytes:
        """A key, for its source to wrap. Every call of this is a place to review."""
        return self._known[kek]

    async def load(self, db: Reads) -> None:
        """Read which keys there are; those that are new here are unwrapped by their source.

        Raises KeyFileError, and then nothing has changed here: it is not this store's source, or somebody
        made an older key the active one. The ids sort by time, and each is bound to its key.
        """
        rows = await db.all(_KEKS)
        self.store_id = self.store_id or await _store_id(db)
        known = {row["id"]: self._known.get(row["id"]) or await self._unwrapped(row) for row in rows}
        active = [row["id"] for row in rows if row["state"] == "active"]
        if not active:
            raise KeyFileError("the store has no active key; restore a backup")
        if active != [max(known)]:
            raise KeyFileError("an older key of the store was made the active one; restore a backup")
        if active != [self.active]:
            self._reserved = 0
        self._known, self.active, self._in_vain = known, active[0], None

    async def ready(self, tx: Transaction, active: str, count: int = 1) -> None:
        """Get ready to seal `count` records in a transaction; `active` is ACTIVE as it reads it.

        Nothing is ever sealed under another key than that: once a rotation has begun, what the old key
        seals only becomes less. Raises StoreError: this process cannot open it, or not just now.
        """
        if active != self.active:
            await self._again(tx)
        if active != self.active:
            raise StoreError("the store's newest key cannot be opened here; restart this process")
        if self._reserved < count:
            # Counted ahead, many at a time; a transaction that is undone loses at most these from the count.
            self._reserved += max(_BLOCK, count)
            await tx.run(_COUNT, max(_BLOCK, count), active)
        self._reserved -= count

    async def meet(self, db: Reads, *keks: str | None) -> None:
        """Look again if any of these is not known here: another process sealed something under a new key.

        Raises StoreError where its source cannot be asked, which is not to be taken for damage.
        """
        if not self._known.keys() >= set(keks) - {None}:
            await self._again(db)

    async def follow(self, db: Reads) -> None:
        """Look every few seconds until cancelled, so that a key that is retired is gone here, too."""
        while True:
            await anyio.sleep(_EVERY_SECONDS)
            try:
                await self.load(db)
            except (KeyFileError, StoreError) as error:
                _log.critical("the store's keys have changed and cannot be read anew: %s", error)

    async def _again(self, db: Reads) -> None:
        """Look again, for a moment and not right after it was in vain: `follow` has the time."""
        now = anyio.current_time()
        if self._in_vain is not None and now - self._in_vain < _EVERY_SECONDS:
            raise StoreError(_NOT_NOW)
        try:
            with anyio.fail_after(_WITHIN_SECONDS):
                await self.load(db)
        except (KeyFileError, TimeoutError) as error:
            self._in_vain = now
            _log.critical("the store's keys have changed and cannot be read anew: %s", error)
            raise StoreError(_NOT_NOW) from None

    async def _unwrapped(self, row: Row) -> bytes:
        try:
            place = place_of(self.store_id, row["id"])
            return await to_thread.run_sync(self.source.unwrap, row["wrapped"], place, abandon_on_cancel=True)
        except IntegrityError:
            raise KeyFileError(self._wrong(row["source"] or "file")) from None

    def _wrong(self, kept: str) -> str:
        if kept != self.source.kind:
            return (
                f"the keys of this store are under `{kept}`, and [key] in valetkey.toml says "
                f"`{self.source.kind}`; `valetkey keys move` moves them, nothing was changed"
            )
        where = self.source.key_id()
        return f"{where} is not the key of this store; put the right one back, nothing was changed"


async def _store_id(db: Reads) -> str:
    store = await db.one("SELECT value FROM meta WHERE key = 'store'")
    if store is None:
        raise KeyFileError("the store has lost its identity; restore a backup")
    return str(store["value"])


async def any_wrapped(db: Reads) -> bytes | None:
    """A key as its source wrapped it, which tells how a passphrase becomes one; None: the store is new."""
    row = await db.one("SELECT wrapped FROM keks WHERE state <> 'retired' LIMIT 1")
    return bytes(row["wrapped"]) if row else None


async def insert(tx: Transaction, new: NewKek, now: int) -> None:
    """Write a new key, the active one from now on."""
    await tx.run(_INSERT, new.id, now, new.wrapped, new.source)


_NOT_NOW = "the store's keys have changed, and the new one cannot be opened here just now"
ACTIVE = "SELECT id FROM keks WHERE state = 'active'"
_KEKS = "SELECT id, state, wrapped, source FROM keks WHERE state <> 'retired' ORDER BY id"
_COUNT = "UPDATE keks SET wraps = wraps + $1 WHERE id = $2"
_INSERT = "INSERT INTO keks (id, state, created, wrapped, source) VALUES ($1, 'active', $2, $3, $4)"
