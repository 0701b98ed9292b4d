"""The embedded store as a file: its mode, its pragmas, what it refuses, what deleting leaves behind."""

import os
import sqlite3
import stat
from pathlib import Path

import anyio
import pytest

from valetkey.errors import StoreError
from valetkey.store.sqlite import SqliteStore

ADD = "INSERT INTO leases (name, owner, until) VALUES ($1, $2, 1)"


def modes(folder: Path) -> dict[str, int]:
    return {path.name: stat.S_IMODE(path.stat().st_mode) for path in folder.iterdir()}


async def test_the_file_and_its_log_are_readable_by_their_owner_alone(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        store = await SqliteStore.open(tmp_path / "store.db")
    finally:
        os.umask(before)
    found = modes(tmp_path)
    await store.aclose()
    assert found == {"store.db": 0o600, "store.db-wal": 0o600, "store.db-shm": 0o600}


async def test_a_store_that_others_can_read_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    path.touch()
    path.chmod(0o640)
    with pytest.raises(StoreError, match=f"chmod 600 {path}"):
        await SqliteStore.open(path)


async def test_a_link_a_folder_and_a_pipe_are_refused(tmp_path: Path) -> None:
    (tmp_path / "real.db").touch(0o600)
    (tmp_path / "link").symlink_to(tmp_path / "real.db")
    (tmp_path / "folder").mkdir()
    os.mkfifo(tmp_path / "pipe", 0o600)
    for name in ("link", "folder", "pipe"):
        with anyio.fail_after(5), pytest.raises(StoreError, match=name):
            await SqliteStore.open(tmp_path / name)


async def test_a_missing_folder_is_said_to_be_missing(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="No such file"):
        await SqliteStore.open(tmp_path / "nowhere" / "store.db")


async def test_a_file_that_is_no_store_is_refused_and_left_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    path.touch(0o600)
    path.write_bytes(b"Dear diary, " * 1000)
    with pytest.raises(StoreError, match="not a Valetkey store"):
        await SqliteStore.open(path)
    assert path.read_bytes() == b"Dear diary, " * 1000


async def test_a_damaged_store_says_so(tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    store = await SqliteStore.open(path)
    async with store.transaction() as tx:
        await tx.many(ADD, [(f"{n:05}", "x" * 200) for n in range(2000)])
    await store.aclose()
    whole = bytearray(path.read_bytes())
    for page in range(4096 * 30, len(whole), 4096):
        whole[page : page + 100] = b"\xff" * 100
    path.write_bytes(whole)
    with pytest.raises(StoreError, match="damaged; restore a backup"):
        await SqliteStore.open(path)


async def test_a_store_of_a_newer_version_is_refused_unchanged(store: SqliteStore, tmp_path: Path) -> None:
    async with store.transaction() as tx:
        await tx.run("UPDATE meta SET value = '999' WHERE key = 'schema'")
    await store.aclose()
    before = (tmp_path / "store.db").read_bytes()
    with pytest.raises(StoreError, match=r"schema 999.*use a newer Valetkey"):
        await SqliteStore.open(tmp_path / "store.db")
    assert (tmp_path / "store.db").read_bytes() == before


async def test_a_full_disk_is_told_and_writes_nothing(store: SqliteStore) -> None:
    await store._writing.all("PRAGMA max_page_count = 1")  # SQLite takes the present size
    with pytest.raises(StoreError, match="the disk is full"):
        async with store.transaction() as tx:
            await tx.many(ADD, [(str(n), "x" * 1000) for n in range(1000)])
    assert await store.all("SELECT * FROM leases") == []
    await store._writing.all("PRAGMA max_page_count = 1000000")
    async with store.transaction() as tx:
        await tx.run(ADD, "room again", "me")
    assert len(await store.all("SELECT * FROM leases")) == 1


async def test_a_write_outside_a_transaction_is_refused(store: SqliteStore) -> None:
    with pytest.raises(StoreError, match="read-only"):
        await store.run(ADD, "stray", "me")
    assert await store.all("SELECT * FROM leases") == []


async def test_a_mistake_in_sql_is_not_blamed_on_the_file(store: SqliteStore) -> None:
    with pytest.raises(sqlite3.OperationalError, match="no such table"):
        await store.all("SELECT * FROM nowhere")


async def pragma(store: SqliteStore, name: str) -> object:
    return (await store._writing.all(f"PRAGMA {name}"))[0][name]


async def test_the_pragmas_that_safety_rests_on_are_in_force(store: SqliteStore) -> None:
    expected = {"journal_mode": "wal", "secure_delete": 1, "foreign_keys": 1, "trusted_schema": 0}
    assert {name: await pragma(store, name) for name in expected} == expected


async def test_only_a_transaction_that_may_be_lost_to_a_power_cut_skips_the_sync(store: SqliteStore) -> None:
    full, normal, seen = 2, 1, []
    for durable in (True, False, False, True):
        async with store.transaction(durable=durable) as tx:
            seen += [row["synchronous"] for row in await tx.all("PRAGMA synchronous")]
    assert seen == [full, normal, normal, full]


async def test_while_another_process_writes_nothing_else_is_held_up(
    store: SqliteStore, tmp_path: Path
) -> None:
    other = sqlite3.connect(tmp_path / "store.db", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")

    async def write() -> None:
        async with store.transaction(durable=False) as tx:
            await tx.run(ADD, "waited", "me")

    with anyio.fail_after(8):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(write)
            await anyio.wait_all_tasks_blocked()
            assert await store.one("SELECT 1 FROM leases") is None  # the event loop is free
            other.execute("COMMIT")
    other.close()
    assert await store.one("SELECT name FROM leases") is not None


async def test_the_log_is_folded_into_the_file_though_no_transaction_is_durable(
    store: SqliteStore, tmp_path: Path
) -> None:
    log = tmp_path / "store.db-wal"
    for number in range(800):
        async with store.transaction(durable=False) as tx:
            await tx.many(ADD, [(f"{number} {n}", "x" * 2000) for n in range(8)])
    assert log.stat().st_size < 10_000_000  # of 25 million bytes that were written


async def _write_lightly(store: SqliteStore) -> None:
    async with store.transaction(durable=False):
        await anyio.sleep_forever()


async def test_cancelling_a_wait_for_another_process_leaves_no_open_transaction(
    store: SqliteStore, tmp_path: Path
) -> None:
    other = sqlite3.connect(tmp_path / "store.db", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with anyio.fail_after(8):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(_write_lightly, store)
            for _ in range(10):
                await anyio.lowlevel.checkpoint()
            tasks.cancel_scope.cancel()
            other.execute("ROLLBACK")
        async with store.transaction() as tx:
            await tx.run(ADD, "after", "me")
    other.close()
    assert len(await store.all("SELECT * FROM leases")) == 1


async def test_a_deleted_secret_is_nowhere_on_disk_after_erasing(store: SqliteStore, tmp_path: Path) -> None:
    canary = "canary-5f1c-" * 8
    async with store.transaction() as tx:
        await tx.many(ADD, [(str(n), canary) for n in range(500)])
    assert copies(tmp_path, canary) >= 500
    async with store.transaction() as tx:
        await tx.run("DELETE FROM leases")
    assert await store.erase_deleted()
    assert copies(tmp_path, canary) == 0


async def test_erasing_says_when_a_reader_elsewhere_is_in_the_way(store: SqliteStore, tmp_path: Path) -> None:
    """And waits for none: an export may take minutes, and nobody can write while it is waited for."""
    reader = sqlite3.connect(tmp_path / "store.db", isolation_level=None)
    reader.execute("BEGIN")
    reader.execute("SELECT * FROM leases").fetchall()
    async with store.transaction() as tx:
        await tx.run(ADD, "newer", "me")
    with anyio.fail_after(8):
        assert not await store.erase_deleted()
    assert [row["timeout"] for row in await store._writing.all("PRAGMA busy_timeout")] == [10_000]
    reader.close()
    assert await store.erase_deleted()


def copies(folder: Path, text: str) -> int:
    return sum(path.read_bytes().count(text.encode()) for path in folder.iterdir())


async def test_a_first_start_waits_for_another_ones(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "store.db"
    path.touch(0o600)
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")  # before the switch to WAL: SQLite refuses it at once

    async def the_other_ends(_seconds: float) -> None:
        other.close()

    monkeypatch.setattr(anyio, "sleep", the_other_ends)
    with anyio.fail_after(5):
        store = await SqliteStore.open(path)
        await store.aclose()
