"""What is known of the record that a restored copy takes over from: the furthest head that anybody has."""

from pathlib import Path

import anyio

from valetkey.assemble.ground import open_store
from valetkey.audit.checkpoint import contradiction
from valetkey.audit.head import Head, read_head, untrusted
from valetkey.copies.opening import Copy
from valetkey.errors import IntegrityError, ValetkeyError
from valetkey.store import Reads, Row

_MOST = 2**53


async def head_beside(copy: Copy) -> Head | None:
    """The signed head in the home, if it is this store's."""
    try:
        outside = await anyio.to_thread.run_sync(read_head, copy.head_file)
    except IntegrityError:
        return None
    return None if outside is None or untrusted(outside, copy.keys) else outside.head


async def agrees_with_beside(copy: Copy) -> bool:
    """Whether there is a signed head in the home, and this copy has all that it has seen."""
    beside = await head_beside(copy)
    return beside is not None and await contradiction(copy.store, beside, copy.keys) is None


async def head_in(db: Reads, store: str) -> Head | None:
    """Where the chain of a store stands, if it is a copy of `store`."""
    whose = await db.one("SELECT value FROM meta WHERE key = 'store'")
    row = await db.one("SELECT seq, hash FROM audit ORDER BY seq DESC LIMIT 1")
    return _head(row) if row and whose and whose["value"] == store else None


def _head(row: Row) -> Head | None:
    """What a store says that is not trusted: nobody makes the numbers run out that follow it."""
    seq, digest = row["seq"], row["hash"]
    good = isinstance(seq, int) and 0 < seq < _MOST and isinstance(digest, bytes)
    return Head(seq, digest) if good else None


async def head_at(place: Path, store: str) -> Head | None:
    """The same of a file; None, too, for one that cannot be read."""
    try:
        opened = await open_store(place)
    except ValetkeyError:
        return None
    try:
        return await head_in(opened, store)
    except ValetkeyError:
        return None
    finally:
        await opened.aclose()


def furthest(*heads: Head | None) -> Head | None:
    """The one with the highest number."""
    return max((head for head in heads if head), key=lambda head: head.seq, default=None)


async def put_aside_if_strange(copy: Copy) -> None:
    """A head of another store, or one that is none, would keep this one's from ever being signed."""
    try:
        outside = await anyio.to_thread.run_sync(read_head, copy.head_file)
        strange = outside is not None and bool(untrusted(outside, copy.keys))
    except IntegrityError:
        strange = True
    if strange:
        copy.head_file.replace(copy.head_file.with_name(f"{copy.head_file.name}.{copy.clock.now()}"))
