"""Checkpoints: the chain's head is signed, kept in the store and once more outside it.

The head outside is what tells a store that was cut or put back from one that is whole. What lies
between two checkpoints is `verify`'s to walk.
"""

from dataclasses import replace
from pathlib import Path

import anyio

from valetkey.audit.head import Checkpoint, Head, public_keys, read_head, untrusted, write_head
from valetkey.audit.segments import Segment, segments
from valetkey.errors import IntegrityError
from valetkey.model import Clock
from valetkey.store import Reads, Row, Store, Transaction
from valetkey.vault import KeyRing, Purpose


async def checkpoint(store: Store, keys: KeyRing, clock: Clock, file: Path) -> Checkpoint | None:
    """Sign where the chain stands, in the store and in `file`, if it moved since the last time.

    Returns the newest checkpoint, None while nothing is recorded. Raises IntegrityError, and signs and
    overwrites nothing, when the chain is not the one that was signed before; StoreError when it
    cannot be written.
    """
    outside = await anyio.to_thread.run_sync(read_head, file)
    if outside is not None and (why := untrusted(outside, keys)):
        raise IntegrityError(f"{file}: {why}")
    async with store.transaction() as tx:
        newest = await _newest(tx, keys, clock, outside)
    if newest is not None and (outside is None or outside.head.seq < newest.head.seq):
        await anyio.to_thread.run_sync(write_head, file, newest)
    return newest


async def _newest(
    tx: Transaction, keys: KeyRing, clock: Clock, outside: Checkpoint | None
) -> Checkpoint | None:
    rows = await tx.all("SELECT * FROM checkpoints ORDER BY seq DESC LIMIT 2")
    known = [Head(row["seq"], row["hash"]) for row in rows] + ([outside.head] if outside else [])
    for head in known:
        if why := await contradiction(tx, head, keys):
            raise IntegrityError(f"{why}; nothing was signed: run `valetkey audit verify`")
    stands = await tx.one("SELECT seq, hash FROM audit ORDER BY seq DESC LIMIT 1")
    if stands is None:
        return None
    if rows and stands["seq"] == rows[0]["seq"]:
        return of_row(keys.store_id, rows[0], after=rows[1]["seq"] if len(rows) > 1 else 0)
    head = Head(stands["seq"], stands["hash"])
    return await _signed(tx, keys, head, clock.now(), after=rows[0]["seq"] if rows else 0)


async def _signed(tx: Transaction, keys: KeyRing, head: Head, at: int, after: int) -> Checkpoint:
    key = keys.server(Purpose.CHECKPOINT)
    plain = Checkpoint(keys.store_id, head, at, after, key.kid)
    signed = replace(plain, signature=key.sign(plain.signed()))
    await tx.run(_ADD, head.seq, head.hash, at, key.kid, signed.signature)
    return signed


_ADD = "INSERT INTO checkpoints (seq, hash, at, kid, signature) VALUES ($1, $2, $3, $4, $5)"


def of_row(store: str, row: Row, after: int) -> Checkpoint:
    """A checkpoint as it stands in its table, where `after` is the number of the one before it."""
    return Checkpoint(store, Head(row["seq"], row["hash"]), row["at"], after, row["kid"], row["signature"])


async def contradiction(db: Reads, head: Head, keys: KeyRing) -> str | None:
    """Why the chain in `db` cannot be the one in which `head` once stood; None when it can.

    It can, too, where a segment says that the store was restored, and what the old chain had reached.
    """
    row = await db.one("SELECT hash FROM audit WHERE seq = $1", head.seq)
    if row is not None and row["hash"] == head.hash:
        return None
    if await restored_since(db, head, keys):
        return None
    if row is None:
        return f"event {head.seq} was recorded and is gone: events were removed, or an older store put back"
    return f"event {head.seq} is not the one that was recorded: the chain was written anew, or replaced"


async def restored_since(db: Reads, head: Head, keys: KeyRing) -> Segment | None:
    """The segment that began when the event of this head was lost, with what it knew of the old chain."""
    found = await segments(db, keys.store_id, public_keys(keys))
    return next((begun for _, begun in found if begun.accounts_for(head)), None)
