"""Whether a copy is whole: every sealed record opens, every row fits its MAC, the audit's chain holds."""

from collections.abc import AsyncIterator
from dataclasses import dataclass, field

from valetkey.audit.verify import verify
from valetkey.authserver import authorizations, codes, refresh_tokens
from valetkey.connections import registrations, rows
from valetkey.copies.opening import Copy, Progress
from valetkey.errors import IntegrityError
from valetkey.generation import rows as generations
from valetkey.grants import rows as grants
from valetkey.model import Json
from valetkey.notices import addresses
from valetkey.people import accounts, agents, passkeys, sessions
from valetkey.store import Reads, Row
from valetkey.vault.rows import BoundRows, Table
from valetkey.vault.seal import Place, Sealed

BOUND: tuple[Table, ...] = (
    accounts.PEOPLE,
    accounts.INVITATIONS,
    addresses.TABLE,
    agents.TABLE,
    authorizations.TABLE,
    codes.TABLE,
    generations.TABLE,
    grants.TABLE,
    passkeys.TABLE,
    refresh_tokens.TABLE,
    registrations.TABLE,
    rows.TABLE,
    sessions.TABLE,
)
"""Every table whose rows have a MAC: a test compares them with the schema."""

_BATCH = 500


@dataclass(slots=True)
class Check:
    """What was looked at, and what does not fit."""

    sealed: int = 0
    rows: int = 0
    events: int = 0
    head: str = ""
    problems: list[str] = field(default_factory=list)

    @property
    def whole(self) -> bool:
        return not self.problems

    def as_json(self) -> dict[str, Json]:
        return {
            "whole": self.whole,
            "sealed": self.sealed,
            "rows": self.rows,
            "events": self.events,
            "head": self.head,
            "problems": list(self.problems),
        }


async def checked(copy: Copy, progress: Progress) -> Check:
    """Open everything once. Raises StoreError where the copy cannot be read."""
    check = Check()
    if damage := await copy.store.damage():
        check.problems.append(f"it is damaged: {damage}")
    await _sealed(copy, check, progress)
    for table in BOUND:
        await _bound(copy, table, check)
    audit = await verify(
        copy.store, copy.keys, progress=lambda done, of: progress("checking the audit", done, of)
    )
    check.events, check.head = audit.events, str(audit.head)
    check.problems += [f"the audit, event {one.seq}: {one.text}" for one in audit.findings]
    return check


async def _sealed(copy: Copy, check: Check, progress: Progress) -> None:
    of = await count(copy.store, "sealed")
    async for row in _sealed_rows(copy.store):
        check.sealed += 1
        try:
            await _open(copy, row)
        except IntegrityError:
            check.problems.append(f"the sealed {row['purpose']} {row['id']} does not open")
        if check.sealed % _BATCH == 0 or check.sealed == of:
            progress("opening what is sealed", check.sealed, of)


async def _open(copy: Copy, row: Row) -> None:
    """Raises IntegrityError. Two bytes swapped between records are found: each is bound to its place."""
    keks = copy.keys.keks
    await keks.meet(copy.store, row["kek"])
    place = Place(row["purpose"], copy.keys.store_id, row["id"], row["version"], str(row["bound"]))
    keks.open(place, Sealed(row["kek"], row["dek"], row["content"]))


async def _sealed_rows(db: Reads) -> AsyncIterator[Row]:
    last = ("", "")
    while found := await db.all(_SEALED, *last, _BATCH):
        for row in found:
            yield row
        last = (found[-1]["purpose"], found[-1]["id"])


async def _bound(copy: Copy, table: Table, check: Check) -> None:
    found = await copy.store.all(table.select)
    good = len(BoundRows(copy.keys, table).all_good(found))
    check.rows += len(found)
    if good != len(found):
        check.problems.append(f"{len(found) - good} rows of {table.name} were changed behind our back")


async def count(db: Reads, table: str) -> int:
    """How many rows a table has."""
    row = await db.one(f"SELECT COUNT(*) AS n FROM {table}")  # noqa: S608 - a table of ours
    return int(row["n"]) if row else 0


_SEALED = "SELECT * FROM sealed WHERE (purpose, id) > ($1, $2) ORDER BY purpose, id LIMIT $3"
