"""Rows that carry authority: each as it was written, or as if it were not there."""

import pytest

from valetkey.errors import IntegrityError
from valetkey.model import AuditEvent, Principal
from valetkey.store import Row, Value
from valetkey.store.sqlite import SqliteStore
from valetkey.vault import Vault
from valetkey.vault.rows import BoundRows, Table

DOORS = Table("doors", ("id",), ("issuer", "subject", "opens", "key"))
WRITTEN: dict[str, Value] = {"id": "a", "issuer": "local", "subject": "ana", "opens": 5, "key": b"\x00\xff"}
TAMPERED: list[tuple[str, Value]] = [
    ("id", "b"),
    ("issuer", "corp"),
    ("subject", "ben"),
    ("subject", b"ana"),
    ("subject", None),
    ("opens", 6),
    ("opens", "5"),
    ("opens", None),
    ("opens", b"5"),
    ("key", b"\x00\xfe"),
    ("key", '{"bytes": "00ff"}'),
    ("key", None),
    ("mac", ""),
    ("mac", "0" * 64),
    ("mac", "é"),
    ("mac", b"\xff"),
    ("mac", 7),
    ("mac", None),
]


class Doors:
    """A table of bound rows, and what was told of those that do not fit."""

    def __init__(self, store: SqliteStore, vault: Vault) -> None:
        self.store, self.told = store, list[AuditEvent]()
        vault.keys.tell = self.told.append
        self.bound = BoundRows(vault.keys, DOORS)

    async def run(self, sql: str, *values: Value) -> None:
        async with self.store.transaction() as tx:
            await tx.run(sql, *values)

    async def insert(self, **values: Value) -> None:
        async with self.store.transaction() as tx:
            await self.bound.insert(tx, **values)

    async def change(self, key: str, **changes: Value) -> None:
        async with self.store.transaction() as tx:
            await self.bound.change(tx, key, **changes)

    async def one(self) -> Row | None:
        return self.bound.good(await self.store.one(DOORS.select))


@pytest.fixture
async def doors(store: SqliteStore, vault: Vault) -> Doors:
    made = Doors(store, vault)
    await made.run("CREATE TABLE doors (id, issuer, subject, opens, key, seen, mac)")  # of any type
    await made.insert(**WRITTEN)
    return made


async def test_a_row_is_read_as_it_was_written(doors: Doors) -> None:
    row = await doors.one()
    assert row is not None
    assert {name: row[name] for name in WRITTEN} == WRITTEN
    assert doors.told == []


@pytest.mark.parametrize(("column", "value"), TAMPERED)
async def test_a_row_that_somebody_changed_is_not_there(doors: Doors, column: str, value: Value) -> None:
    await doors.run(f"UPDATE doors SET {column} = $1", value)
    assert await doors.one() is None
    with pytest.raises(IntegrityError):
        await doors.change("b" if column == "id" else "a", opens=7)
    assert doors.bound.all_good(await doors.store.all(DOORS.select)) == []


@pytest.mark.parametrize(("column", "value"), TAMPERED)
async def test_that_it_was_good_helps_no_row_that_is_changed(doors: Doors, column: str, value: Value) -> None:
    assert await doors.one()
    await doors.run(f"UPDATE doors SET {column} = $1", value)
    assert await doors.one() is None


async def test_of_a_row_that_changes_and_changes_one_state_is_remembered(doors: Doors) -> None:
    for opens in range(50):
        await doors.change("a", opens=opens)
        assert await doors.one()
    assert len(doors.bound._known) == 1


async def test_no_column_passes_for_the_next(doors: Doors) -> None:
    await doors.run("UPDATE doors SET issuer = subject, subject = issuer")
    assert await doors.one() is None


async def test_a_row_of_another_table_does_not_fit(doors: Doors, vault: Vault) -> None:
    gates = Table("gates", DOORS.key, DOORS.columns)
    await doors.run("CREATE TABLE gates AS SELECT * FROM doors")
    assert BoundRows(vault.keys, gates).good(await doors.store.one(gates.select)) is None


async def test_a_change_of_ours_fits_and_leaves_the_rest_as_it_was(doors: Doors) -> None:
    await doors.change("a", opens=None, seen=1)
    row = await doors.one()
    assert row is not None
    assert (row["opens"], row["subject"]) == (None, "ana")


async def test_a_column_that_means_nothing_is_not_bound(doors: Doors) -> None:
    await doors.run("UPDATE doors SET seen = 8")
    assert await doors.one() is not None


async def test_what_does_not_fit_is_told_once_and_whose_it_claims_to_be(doors: Doors) -> None:
    await doors.run("UPDATE doors SET subject = 'ben'")
    for _ in range(3):
        assert await doors.one() is None
    (event,) = doors.told
    assert (event.kind, event.principal) == ("integrity", Principal("local", "ben"))
    assert event.core == {"table": "doors", "record": ["a"]}


async def test_a_row_without_its_columns_of_a_person_is_told_too(doors: Doors) -> None:
    await doors.run("UPDATE doors SET issuer = NULL")
    await doors.one()
    assert [event.principal for event in doors.told] == [None]


async def test_a_row_made_without_the_key_is_not_there(doors: Doors, store: SqliteStore) -> None:
    await doors.run("DELETE FROM doors")
    await doors.run("INSERT INTO doors VALUES ('a', 'local', 'ana', 5, NULL, NULL, $1)", "0" * 64)
    assert await doors.one() is None
