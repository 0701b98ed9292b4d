"""Key-encryption keys over their life: rotated while everything runs, retired, moved under another root key.

Nothing here has to be remembered between two runs: how far a rotation is, the records themselves say.
"""

from collections import Counter
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass

from anyio import to_thread

from valetkey.errors import IntegrityError, KeyFileError, UsageError
from valetkey.model import DAY, Clock, Ids, Randomness
from valetkey.store import Reads, Row, Store, Transaction
from valetkey.vault.keks import ACTIVE, LIMIT, NewKek, insert, new_kek, place_of
from valetkey.vault.keys import KeyRing
from valetkey.vault.seal import Place, Sealed
from valetkey.vault.sources import KeySource

BATCH = 50
OLD = 365 * DAY


@dataclass(frozen=True, slots=True)
class KekState:
    """One key-encryption key: how many records it seals, and how many data keys it ever wrapped at most.

    `emptied` is when the last record that opens left it, None until then.
    """

    id: str
    state: str
    created: int
    emptied: int | None
    records: int
    wraps: int

    def rotate_because(self, now: int) -> str | None:
        """Why it should be rotated, long before it must; None: it need not."""
        if self.state != "active":
            return None
        if self.wraps >= LIMIT // 4:
            return f"it has wrapped {self.wraps:,} data keys, of {LIMIT:,} that it may"
        if now - self.created >= OLD:
            return f"it is {(now - self.created) // DAY} days old"
        return None


async def kek_states(db: Reads) -> list[KekState]:
    """Every key there is or was, in the order in which they were made."""
    counts = {row["kek"]: row["n"] for row in await db.all(_COUNTS)}
    rows = await db.all("SELECT id, state, created, emptied, wraps FROM keks ORDER BY id")
    return [
        KekState(
            row["id"], row["state"], row["created"], row["emptied"], counts.get(row["id"], 0), row["wraps"]
        )
        for row in rows
    ]


class Rotation:
    """Seals everything under a new key, while others read and write: the data keys alone are wrapped anew.

    `damaged` are the records that do not open, each with the key that it stays under.
    """

    def __init__(self, store: Store, keys: KeyRing, clock: Clock) -> None:
        self._store, self._keys, self._clock = store, keys, clock
        self.damaged: dict[tuple[str, str], str] = {}

    async def under_way(self) -> bool:
        """Whether an earlier one has not come to its end."""
        return await self._store.one(_UNDER_WAY) is not None

    async def left(self) -> int:
        """How many records are under older keys."""
        row = await self._store.one(_HOW_MANY)
        return row["n"] if row else 0

    async def prepared(self, ids: Ids, randomness: Randomness) -> NewKek:
        """Make the new key. Raises KeyFileError: its source cannot be asked."""
        return await new_kek(self._keys.store_id, self._keys.keks.source, ids, randomness)

    async def begin(self, tx: Transaction, new: NewKek) -> None:
        """From this transaction on everything is sealed under the new key; the old one opens what it has.

        Raises UsageError: the clock was set back, and the new key would pass for an older one.
        """
        newest = await tx.one("SELECT MAX(id) AS id FROM keks")
        if newest and newest["id"] >= new.id:
            raise UsageError("the clock is behind the time at which the newest key was made; set it right")
        await tx.run("UPDATE keks SET state = 'decrypt_only' WHERE state = 'active'")
        await insert(tx, new, self._clock.now())

    async def run(self) -> AsyncIterator[int]:
        """Go on until nothing is left, and yield how many records each batch took over.

        May be broken off anywhere, also by kill -9, and run again; two at once do each other no harm.
        """
        while rows := await self._batch():
            yield await self._take_over(rows)

    async def _batch(self) -> list[Row]:
        rows = await self._store.all(f"{_LEFT} LIMIT $1", BATCH + len(self.damaged))
        return [row for row in rows if (row["purpose"], row["id"]) not in self.damaged]

    async def _take_over(self, rows: Sequence[Row]) -> int:
        """Wrap these records' data keys anew. One that was written meanwhile is left as it is by then."""
        async with self._store.transaction() as tx:
            active = await tx.one(ACTIVE)
            await self._keys.keks.ready(tx, active["id"] if active else "", len(rows))
            taken = [values for row in rows if (values := self._rewrapped(row))]
            await tx.many(_TAKE_OVER, taken)
        return len(taken)

    def _rewrapped(self, row: Row) -> tuple[str, bytes, str, str, str, int] | None:
        purpose, key, kek, version = row["purpose"], row["id"], row["kek"], row["version"]
        place = Place(purpose, self._keys.store_id, key, version, str(row["bound"]))
        try:
            sealed = self._keys.keks.rewrapped(place, Sealed(kek, row["dek"], b""))
        except IntegrityError:
            self.damaged[purpose, key] = kek
            return None
        return sealed.kek, sealed.dek, purpose, key, kek, version

    async def finish(self, tx: Transaction) -> list[str]:
        """Note when the last record that opens left a key; returns the keys of which that is so now.

        Nothing comes back to them: a record is sealed under the active key alone.
        """
        stay = Counter(self.damaged.values())
        done = [row["id"] for row in await tx.all(_UNFINISHED) if row["n"] <= stay[row["id"]]]
        await tx.many(
            "UPDATE keks SET emptied = $1 WHERE id = $2", [(self._clock.now(), kek) for kek in done]
        )
        return done


async def retire(tx: Transaction, kek: str) -> None:
    """Remove a key of which nothing is left but its id. Raises UsageError: it is in use, or is not there."""
    if not await tx.run(_RETIRE, b"", kek):
        raise UsageError(f"`{kek}` cannot be retired: `valetkey keys status` shows what is still under it")


Wrapped = list[tuple[str, bytes, str]]
"""Keys by their ids, each as a source wrapped it, and which source that was."""


async def wrapped_by(store: Store, keys: KeyRing, source: KeySource) -> Wrapped:
    """Have another source wrap every key, and see that it unwraps them. Nothing is written.

    Raises KeyFileError: that source cannot be asked, or does not give back what it was given.
    """
    rows = await store.all("SELECT id FROM keks WHERE state <> 'retired'")
    return [
        (row["id"], await to_thread.run_sync(_wrapped, keys, row["id"], source), source.kind) for row in rows
    ]


def _wrapped(keys: KeyRing, kek: str, source: KeySource) -> bytes:
    secret, place = keys.keks.secret(kek), place_of(keys.store_id, kek)
    wrapped = source.wrap(secret, place)
    if source.unwrap(wrapped, place) != secret:
        raise KeyFileError(f"{source.key_id()} does not give back the key it was given; nothing was changed")
    return wrapped


async def move(tx: Transaction, wrapped: Wrapped) -> None:
    """From this transaction on the keys open by their new source alone.

    Raises UsageError when a key was added or retired meanwhile.
    """
    rows = await tx.all("SELECT id FROM keks WHERE state <> 'retired'")
    if {row["id"] for row in rows} != {kek for kek, _, _ in wrapped}:
        raise UsageError("the keys of the store changed meanwhile; run it again")
    for kek, blob, source in wrapped:
        await tx.run("UPDATE keks SET wrapped = $1, source = $2 WHERE id = $3", blob, source, kek)


_OLDER = "(SELECT id FROM keks WHERE state = 'decrypt_only')"
_COUNTS = "SELECT kek, COUNT(*) AS n FROM sealed GROUP BY kek"
_LEFT = f"SELECT purpose, id, version, bound, kek, dek FROM sealed WHERE kek IN {_OLDER}"  # noqa: S608 - constants
_HOW_MANY = f"SELECT COUNT(*) AS n FROM sealed WHERE kek IN {_OLDER}"  # noqa: S608 - constants
_TAKE_OVER = """
UPDATE sealed SET kek = $1, dek = $2 WHERE purpose = $3 AND id = $4 AND kek = $5 AND version = $6"""
_UNDER_WAY = "SELECT 1 FROM keks WHERE state = 'decrypt_only' AND emptied IS NULL LIMIT 1"
_UNFINISHED = """
SELECT id, (SELECT COUNT(*) FROM sealed WHERE sealed.kek = keks.id) AS n
FROM keks WHERE state = 'decrypt_only' AND emptied IS NULL"""
_RETIRE = """
UPDATE keks SET state = 'retired', wrapped = $1 WHERE id = $2 AND state = 'decrypt_only'
  AND NOT EXISTS (SELECT 1 FROM sealed WHERE sealed.kek = keks.id)"""
