"""One person's part of the record, a page at a time: nothing here can be asked about anybody else."""

from collections.abc import Callable
from dataclasses import dataclass

from valetkey.audit.read import AuditRecord, firsts, joined
from valetkey.model import Principal
from valetkey.store import Reads
from valetkey.vault import Vault

LOOKS_AT = 2_000
"""How many records are looked at for one page: a rare one further back is found by asking for the next."""

_END = 2**63 - 1
_MINE = " AND a.issuer = $2 AND a.subject = $3"


@dataclass(frozen=True, slots=True)
class Page:
    """Records, newest first. `before` is where the next page begins; None: that was all there is."""

    records: list[AuditRecord]
    before: str | None


async def page(
    db: Reads,
    vault: Vault,
    principal: Principal,
    fits: Callable[[AuditRecord], bool],
    *,
    before: str | None = None,
    limit: int = 25,
) -> Page | None:
    """Return the newest of a principal's records that fit, from before the record `before`.

    None when that is no record of theirs. Raises IntegrityError when an event cannot be read.
    """
    who = (principal.issuer, principal.subject)
    at = _END if before is None else await _place(db, who, before)
    found: list[AuditRecord] = []
    looked, last = 0, before
    while at is not None and looked < LOOKS_AT:
        rows = await db.all(firsts(_MINE), at, *who)
        for record in await joined(db, vault, rows):
            if len(found) == limit:
                return Page(found, last)
            last = record.id
            found += [record] if fits(record) else []
        if not rows:
            return Page(found, None)
        at, looked = rows[-1]["seq"], looked + len(rows)
    return None if at is None else Page(found, last)


async def acted(db: Reads, principal: Principal) -> list[str]:
    """Return the actors that the record of a principal knows."""
    rows = await db.all(_ACTORS, principal.issuer, principal.subject)
    return [row["actor"] for row in rows]


async def last_call(db: Reads, principal: Principal, actor: str) -> int | None:
    """Return when an actor last called something for a principal, in milliseconds."""
    rows = await db.all(_LAST, principal.issuer, principal.subject, actor)
    return rows[0]["at"] if rows else None


async def _place(db: Reads, who: tuple[str, str], record: str) -> int | None:
    row = await db.one(_FIRST, *who, record)
    return row["seq"] if row else None


_FIRST = """
SELECT min(seq) AS seq FROM audit WHERE (call = $3 OR id = $3) AND issuer = $1 AND subject = $2"""
_ACTORS = """
SELECT DISTINCT actor FROM audit WHERE issuer = $1 AND subject = $2 AND actor IS NOT NULL ORDER BY actor"""
_LAST = """
SELECT at FROM audit WHERE issuer = $1 AND subject = $2 AND actor = $3 AND call IS NOT NULL
ORDER BY seq DESC LIMIT 1"""
