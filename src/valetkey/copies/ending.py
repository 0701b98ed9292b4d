"""What an older copy must not bring back: sessions that may have ended since, agents' standing grants.

What was withdrawn after a copy was made is not known in it. So whoever had a session signs in again, and
nobody acts on a grant whose person is away.
"""

from dataclasses import dataclass

from valetkey.audit.chain import first_hash
from valetkey.audit.head import Head
from valetkey.audit.segments import begins, segment
from valetkey.audit.writer import Pending
from valetkey.copies.opening import Copy
from valetkey.grants import rows as grants
from valetkey.model import AuditEvent, Json
from valetkey.people import sessions
from valetkey.store import Transaction
from valetkey.vault.rows import BoundRows


@dataclass(frozen=True, slots=True)
class Ended:
    """How many sessions and standing grants were ended."""

    sessions: int
    grants: int


async def taken_back(
    copy: Copy, tx: Transaction, old: Head | None, facts: dict[str, Json], *, keep_standing: bool
) -> Ended:
    """Begin a segment of the audit and end what may have been withdrawn since the copy was made.

    `old` is what the chain had reached that this copy takes over from, where that is known.
    """
    await _segment(copy, tx, old, facts)
    ended = await _sessions(copy, tx)
    standing = 0 if keep_standing else await _standing(copy, tx, facts)
    if ended:
        event = AuditEvent("sessions.ended", "operator", None, None, {**facts, "sessions": ended})
        await copy.append(tx, event)
    return Ended(ended, standing)


async def stands_at(tx: Transaction, store: str) -> Head:
    """The last event of a chain."""
    row = await tx.one("SELECT seq, hash FROM audit ORDER BY seq DESC LIMIT 1")
    return Head(row["seq"], bytes(row["hash"])) if row else Head(0, first_hash(store))


async def _segment(copy: Copy, tx: Transaction, old: Head | None, facts: dict[str, Json]) -> None:
    begun = segment(copy.keys, await stands_at(tx, copy.keys.store_id), old)
    await copy.appender.append(tx, [Pending(begins(begun, facts))], first=begun.seq)


async def _sessions(copy: Copy, tx: Transaction) -> int:
    bound = BoundRows(copy.keys, sessions.TABLE)
    rows = bound.all_good(await tx.all(f"{sessions.TABLE.select} WHERE ended IS NULL"))
    for row in rows:
        await bound.change(tx, row["id"], ended=copy.clock.now())
    return len(rows)


async def _standing(copy: Copy, tx: Transaction, facts: dict[str, Json]) -> int:
    bound, now = BoundRows(copy.keys, grants.TABLE), copy.clock.now()
    rows = bound.all_good(await tx.all(f"{grants.STANDING} AND offline <> 0", now))
    for row in rows:
        await bound.change(tx, row["id"], revoked=now)
        await copy.append(tx, grants.event("grant.revoked", "operator", grants.read(row), facts))
    return len(rows)
