"""Tampering with a store behind its back: every kind of edit is found, and 1,000 random ones are."""

import random
from pathlib import Path

import anyio
import pytest

from tests.audit.tampering import Edit, is_detected, rechained, sql, verified_after
from valetkey.store import Transaction, Value
from valetkey.store.sqlite import SqliteStore
from valetkey.vault import Vault

pytestmark = pytest.mark.usefixtures("signed")

CHANGED = (
    "UPDATE audit SET core = CAST(REPLACE(CAST(core AS TEXT), 'denied', 'failed') AS BLOB) WHERE seq = 6"
)
AGAIN = (
    "INSERT INTO audit SELECT {}, at, 'x', call, issuer, subject, actor, core, hash FROM audit WHERE seq = {}"
)
SECOND, THIRD = ("(SELECT id FROM audit WHERE seq = 2)", "(SELECT id FROM audit WHERE seq = 3)")


def moved(part: str, event: str) -> str:
    return f"UPDATE sealed SET id = {event} WHERE purpose = 'audit' AND id = {part}"


EDITS: dict[str, tuple[Edit, str]] = {
    "an outcome in the core": (
        sql(CHANGED),
        "was changed",
    ),
    "a hash": (sql("UPDATE audit SET hash = zeroblob(32) WHERE seq = 3"), "does not follow"),
    "a core of another type": (sql("UPDATE audit SET core = CAST(core AS TEXT) WHERE seq = 3"), "type"),
    "the first event removed": (sql("DELETE FROM audit WHERE seq = 1"), "missing or moved"),
    "an event removed in the middle": (sql("DELETE FROM audit WHERE seq = 4"), "missing or moved"),
    "the end cut off": (sql("DELETE FROM audit WHERE seq > 6"), "was signed and is gone"),
    "the end and its checkpoint cut off": (
        sql("DELETE FROM audit WHERE seq > 4", "DELETE FROM checkpoints WHERE seq > 4"),
        "is gone",
    ),
    "everything removed": (sql("DELETE FROM audit", "DELETE FROM checkpoints"), "is gone"),
    "two events swapped": (
        sql(
            "UPDATE audit SET seq = -1 WHERE seq = 2",
            "UPDATE audit SET seq = 2 WHERE seq = 3",
            "UPDATE audit SET seq = 3 WHERE seq = -1",
        ),
        "does not follow",
    ),
    "an event put in again at the end": (
        sql(AGAIN.format("9, 'evt_again'", 3)),
        "does not follow",
    ),
    "an event hidden from every number": (
        sql("UPDATE audit SET seq = NULL WHERE seq = 8"),
        "outside the chain",
    ),
    "an event numbered by a word": (sql("UPDATE audit SET seq = 'seven' WHERE seq = 8"), "not an event"),
    "whose call it was": (sql("UPDATE audit SET subject = 'prs_ben' WHERE seq = 3"), "look-up column"),
    "which agent": (sql("UPDATE audit SET actor = 'other' WHERE seq = 3"), "look-up column"),
    "when": (sql("UPDATE audit SET at = at - 1 WHERE seq = 3"), "look-up column"),
    "what kind": (sql("UPDATE audit SET kind = 'call.asked' WHERE seq = 3"), "look-up column"),
    "which call": (sql("UPDATE audit SET call = 'call_9' WHERE seq = 3"), "look-up column"),
    "a personal part": (
        sql("UPDATE sealed SET content = zeroblob(80) WHERE purpose = 'audit'"),
        "personal part was changed",
    ),
    "a personal part bound elsewhere": (
        sql("UPDATE sealed SET bound = x'00' WHERE purpose = 'audit'"),
        "personal part was changed",
    ),
    "personal parts swapped": (
        sql(moved(SECOND, "'tmp'"), moved(THIRD, SECOND), moved("'tmp'", THIRD)),
        "another event's",
    ),
    "a checkpoint's hash": (
        sql("UPDATE checkpoints SET hash = zeroblob(32) WHERE seq = 4"),
        "checkpoint was",
    ),
    "a checkpoint's time": (sql("UPDATE checkpoints SET at = at + 1 WHERE seq = 4"), "checkpoint was"),
    "a checkpoint's key": (sql("UPDATE checkpoints SET kid = 'key_other' WHERE seq = 4"), "checkpoint was"),
    "a checkpoint's signature": (
        sql("UPDATE checkpoints SET signature = zeroblob(64) WHERE seq = 4"),
        "checkpoint was",
    ),
    "a checkpoint of other types": (
        sql("UPDATE checkpoints SET hash = 'x', signature = 'y'"),
        "checkpoint was",
    ),
    "the first checkpoint removed": (
        sql("DELETE FROM checkpoints WHERE seq = 4"),
        "the one before it removed",
    ),
    "the last checkpoint removed": (sql("DELETE FROM checkpoints WHERE seq = 8"), "the store has lost"),
    "a sealed token removed": (sql("DELETE FROM sealed WHERE purpose = 'token'"), "no event says"),
    "a sealed token changed": (
        sql("UPDATE sealed SET content = x'00' WHERE purpose = 'token'"),
        "last recorded",
    ),
    "a call opened twice": (
        sql(
            "DROP INDEX audit_of_call",
            "INSERT INTO audit SELECT 0, 'evt_0', at, kind, call, issuer, subject, actor, core, hash "
            "FROM audit WHERE seq = 7",
        ),
        "sent twice",
    ),
    "a call ended well that was never opened": (
        sql("UPDATE audit SET kind = 'call.asked' WHERE seq = 7"),
        "never opened",
    ),
}


@pytest.mark.parametrize("what", EDITS)
async def test_an_edit_is_found(store: SqliteStore, vault: Vault, head_file: Path, what: str) -> None:
    edit, text = EDITS[what]
    found = await verified_after(store, vault, head_file, edit)
    assert any(text in finding.text for finding in found.findings), found.findings


async def test_a_history_written_anew_with_fitting_hashes_is_found_by_its_checkpoints(
    store: SqliteStore, vault: Vault
) -> None:
    async def edit(tx: Transaction) -> None:
        await tx.run(CHANGED)
        await rechained(tx, vault.keys.store_id)

    found = await verified_after(store, vault, None, edit)
    assert [finding.text for finding in found.findings] == [
        "this event is not the one that was signed: the chain was written anew"
    ]


async def test_a_history_written_anew_without_checkpoints_is_found_by_the_head_outside(
    store: SqliteStore, vault: Vault, head_file: Path
) -> None:
    async def edit(tx: Transaction) -> None:
        await tx.run(CHANGED)
        await tx.run("DELETE FROM checkpoints")
        await rechained(tx, vault.keys.store_id)

    assert (await verified_after(store, vault, None, edit)).ok, "which is why there is a head outside"
    found = await verified_after(store, vault, head_file, edit)
    assert "event 8 is not the one that was recorded" in str(found.findings)


async def randomly(store: SqliteStore, chance: random.Random) -> Edit:
    """One change to one value, or one row less, anywhere the audit keeps something."""
    table, columns, rows = chance.choice(TABLES)
    (rowid,) = chance.choice([tuple(row) for row in await store.all(f"SELECT rowid FROM {table} {rows}")])
    if chance.random() < 0.1 and table != "sealed":  # a removed personal part is withheld: no fault
        return sql(f"DELETE FROM {table} WHERE rowid = {rowid}")
    column = chance.choice(columns)
    row = await store.one(f"SELECT {column} AS value FROM {table} WHERE rowid = {rowid}")
    assert row is not None
    value = changed(row["value"], chance)

    async def edit(tx: Transaction) -> None:
        await tx.run(f"UPDATE {table} SET {column} = $1 WHERE rowid = $2", value, rowid)

    return edit


def changed(value: Value, chance: random.Random) -> Value:
    """Another value, of the same kind or not, that no other row has."""
    if isinstance(value, int):
        return value + chance.choice([-1_000_000, -100, 100, 1_000_000])
    if not value:
        return chance.choice(OTHERS)
    at = chance.randrange(len(value))
    if isinstance(value, str):
        return value[:at] + "~" + value[at + 1 :]
    return value[:at] + bytes([value[at] ^ 1 << chance.randrange(8)]) + value[at + 1 :]


OTHERS: tuple[Value, ...] = (b"\xff", "x", 0)

TABLES = (
    ("audit", ("seq", "id", "at", "kind", "call", "issuer", "subject", "actor", "core", "hash"), ""),
    ("checkpoints", ("seq", "hash", "at", "kid", "signature"), ""),
    ("sealed", ("version", "bound", "dek", "content"), "WHERE purpose = 'audit'"),
    ("sealed", ("version", "content"), "WHERE purpose = 'token'"),
)


async def test_a_thousand_random_edits_are_all_found(
    store: SqliteStore, vault: Vault, head_file: Path
) -> None:
    chance = random.Random(20260101)
    missed = []
    with anyio.fail_after(120):
        for _ in range(1_000):
            edit = await randomly(store, chance)
            if not await is_detected(store, vault, head_file, edit):
                missed.append(edit)
    assert not missed
    assert not await is_detected(store, vault, head_file, sql()), "the edits were undone"
