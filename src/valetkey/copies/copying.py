"""Copying one store's rows into another, a batch at a time: killed anywhere, it goes on where it was.

What is done is kept in the target, in the transaction that did it. Whether nobody writes meanwhile is seen to
by the caller: an embedded store is used alone, a database is read as of one moment.
"""

import json
from dataclasses import dataclass, field

from valetkey.assemble.ground import COPYING
from valetkey.copies.checking import count
from valetkey.copies.opening import Progress
from valetkey.copies.tables import Copied, summed, tables
from valetkey.errors import StoreError, UsageError
from valetkey.model import Json
from valetkey.store import Reads, Store, Transaction, Value

BATCH = 500
_OF_ITS_OWN = ("schema", COPYING)
"""What of `meta` is each store's own."""


@dataclass(slots=True)
class Done:
    """How far a copy has come. `move` names it: what another one began is not gone on with."""

    move: str
    table: str | None = None
    after: list[Value] = field(default_factory=list)
    tables: list[str] = field(default_factory=list)

    def as_json(self) -> Json:
        return {"move": self.move, "table": self.table, "after": self.after, "tables": self.tables}


async def copied(source: Reads, target: Store, embedded: Reads, move: str, progress: Progress) -> None:
    """Copy everything that is not each store's own, and compare. `embedded` is the one of the two that is.

    Raises UsageError where the target holds something else; StoreError where the two differ in the end.
    """
    all_tables = await tables(embedded)
    done, of = await _begun(source, target, move, all_tables), 0
    for table in all_tables:
        of += await count(source, table.name)
    so_far = 0
    for table in all_tables:
        if table.name not in done.tables:
            await _table(source, target, table, done)
        so_far += await count(target, table.name)
        progress("copying", so_far, of)
    async with target.transaction() as tx:
        await _meta(source, tx)
    await _compared(source, target, all_tables, progress)


async def finished(tx: Transaction) -> None:
    """Say, in the transaction that makes it so, that a copy is complete."""
    await tx.run("DELETE FROM meta WHERE key = $1", COPYING)


def restoring(made: str) -> str:
    """The name of a copy that is another one each time: it begins anew over what the last one left."""
    return f"{_RESTORING}{made}"


async def begun_before(target: Reads, move: str) -> Done | None:
    """How far this very copy has come. Raises UsageError where the target holds something else."""
    row = await target.one(_DONE, COPYING)
    done = Done(**json.loads(row["value"])) if row else None
    if done is None and await target.one("SELECT 1 FROM keks LIMIT 1"):
        raise UsageError("the target holds a store already; make a new, empty database for this one")
    if done is None or done.move == move:
        return done
    if done.move.startswith(_RESTORING) and move.startswith(_RESTORING):
        return None
    raise UsageError("the target holds the beginning of another copy; make a new, empty database")


async def _begun(source: Reads, target: Store, move: str, all_tables: list[Copied]) -> Done:
    before = await begun_before(target, move)
    if before and await _fits(source, target, all_tables, before):
        return before
    async with target.transaction() as tx:
        await begun_before(tx, move)
        for table in reversed(all_tables):  # a schema can come with rows of its own
            await tx.run(f"DELETE FROM {table.name}")  # noqa: S608 - a name of ours
        await _write(tx, Done(move))
    return Done(move)


async def _fits(source: Reads, target: Reads, all_tables: list[Copied], done: Done) -> bool:
    """Whether what was copied before is still so: a store that is moving can be written to in between."""
    for table in all_tables:
        there = await summed(target, table, BATCH)
        most = None if table.name in done.tables else there.rows
        if there != await summed(source, table, BATCH, most):
            return False
    return True


async def _table(source: Reads, target: Store, table: Copied, done: Done) -> None:
    after = done.after if done.table == table.name else []
    while rows := await source.all(table.page(after, BATCH), *after):
        after = [rows[-1][name] for name in table.order]
        done.table, done.after = table.name, after
        async with target.transaction() as tx:
            await tx.many(table.insert, [table.values(row) for row in rows])
            await _kept(tx, done)
    done.tables, done.table, done.after = [*done.tables, table.name], None, []
    async with target.transaction() as tx:
        await _kept(tx, done)


async def _kept(tx: Transaction, done: Done) -> None:
    """Raises UsageError where another copy was begun in this one's place."""
    row = await tx.one(_DONE, COPYING)
    if row is None or json.loads(row["value"])["move"] != done.move:
        raise UsageError("another copy into the target was begun meanwhile; this one was given up")
    await _write(tx, done)


async def _write(tx: Transaction, done: Done) -> None:
    await tx.run(_META, COPYING, json.dumps(done.as_json()))


async def _meta(source: Reads, tx: Transaction) -> None:
    for row in await source.all("SELECT key, value FROM meta"):
        if row["key"] not in _OF_ITS_OWN:
            await tx.run(_META, row["key"], row["value"])


async def _compared(source: Reads, target: Reads, all_tables: list[Copied], progress: Progress) -> None:
    for number, table in enumerate(all_tables, 1):
        if await summed(source, table, BATCH) != await summed(target, table, BATCH):
            raise StoreError(f"the copies differ in {table.name}; nothing was changed over to the new one")
        progress("comparing", number, len(all_tables))


_RESTORING = "restoring "
_DONE = "SELECT value FROM meta WHERE key = $1"
_META = "INSERT INTO meta VALUES ($1, $2) ON CONFLICT (key) DO UPDATE SET value = excluded.value"
