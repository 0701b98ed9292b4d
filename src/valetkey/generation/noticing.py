"""Noticing, when a store is opened, that it is not the live copy: it stands elsewhere, or is older.

What says so is never in the store alone: where it stands, the generation beside it, the audit's signed head.
"""

from dataclasses import replace
from pathlib import Path

import anyio

from valetkey.audit.checkpoint import contradiction
from valetkey.audit.head import read_head, untrusted
from valetkey.errors import IntegrityError
from valetkey.generation.beside import Known, read_known
from valetkey.generation.gate import Gate
from valetkey.generation.rows import Generation, Generations, State
from valetkey.model import Clock, Ids
from valetkey.store import Reads, Store, Transaction
from valetkey.vault import KeyRing


async def noticed(
    store: Store, keys: KeyRing, ids: Ids, clock: Clock, *, home: Path, head_file: Path
) -> Gate:
    """Look at a store that was just opened; the gate that comes back knows whether this copy may act.

    A store without a generation (new, or of an older release) becomes the live one. One that stands in
    another place than where it was made live, or lacks what its signed head has seen, is made dormant for
    everybody. A home that knows more than the store keeps that to itself: it may be the home that is wrong.
    """
    generations, place = Generations(keys), await store.place()
    known = await anyio.to_thread.run_sync(read_known, home)
    mine = known if known and known.store == keys.store_id else None
    now = await generations.read(store)
    if now is None and not await generations.is_there(store):
        first = _first(keys, ids, clock, place, home)
        async with store.transaction() as tx:
            now = await _began(tx, generations, first, known=mine)
    if now is not None and now.state is State.LIVE:
        now = await _stayed(store, generations, keys, now, place=place, head_file=head_file)
    gate = Gate(store, generations, mine, home)
    await gate.look(store)
    return gate


def _first(keys: KeyRing, ids: Ids, clock: Clock, place: str, home: Path) -> Generation:
    return Generation(keys.store_id, 1, ids.new("gen"), State.LIVE, place, str(home), clock.now())


async def _began(
    tx: Transaction, generations: Generations, first: Generation, *, known: Known | None
) -> Generation | None:
    """Write the first generation; where the home has seen one before, this store is from before that."""
    if await generations.is_there(tx):  # another process was quicker
        return await generations.read(tx)
    if known:
        first = replace(first, state=State.DORMANT, reason="rolled_back")
    return await generations.write(tx, first)


async def _stayed(
    store: Store, generations: Generations, keys: KeyRing, now: Generation, *, place: str, head_file: Path
) -> Generation:
    """A live store that stands where it stood, with all that was signed, stays; another is put to sleep."""
    reason = "copied" if place != now.place else None
    if reason is None and await _was_put_back(store, keys, head_file):
        reason = "rolled_back"
    if reason is None:
        return now
    async with store.transaction() as tx:
        return await generations.change(tx, now, State.DORMANT, reason=reason)


async def _was_put_back(db: Reads, keys: KeyRing, head_file: Path) -> bool:
    """Whether the signed head outside has seen what this store lacks."""
    try:
        outside = await anyio.to_thread.run_sync(read_head, head_file)
    except IntegrityError:  # no evidence either way; whoever signs or verifies says so
        return False
    if outside is None or untrusted(outside, keys):
        return False
    return await contradiction(db, outside.head, keys) is not None
