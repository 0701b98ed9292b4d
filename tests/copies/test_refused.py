"""What is no backup, or not for this home, and what stands in its way there: nothing is changed, or lost."""

import os
import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import anyio
import pytest

from tests.copies.machines import (
    FACTS,
    another_machine,
    backed_up,
    contents,
    looked_over,
    names,
    quietly,
)
from tests.support import releases
from tests.support.linked import Linked
from valetkey.copies import back_up, copy_at, restored
from valetkey.copies.opening import of_ground
from valetkey.copies.restore import Wish
from valetkey.errors import IntegrityError, KeyFileError, StoreError, UsageError, ValetkeyError
from valetkey.generation import State
from valetkey.model import AuditEvent
from valetkey.settings import load
from valetkey.store.sqlite import SqliteStore


def changed(sql: str, *values: str | bytes) -> Callable[[Path], None]:
    def change(file: Path) -> None:
        with closing(sqlite3.connect(file, isolation_level=None)) as connection:
            connection.execute(sql, values).close()

    return change


def cut(file: Path) -> None:
    os.truncate(file, file.stat().st_size // 2)


def overwritten(file: Path) -> None:
    """All but its first page."""
    with file.open("r+b") as opened:
        opened.seek(4_096)
        opened.write(os.urandom(file.stat().st_size - 4_096))


def unread(file: Path) -> None:
    """A page of a table whose rows are nobody's secret and have no MAC."""
    with closing(sqlite3.connect(file)) as connection:
        (root,) = connection.execute("SELECT rootpage FROM sqlite_master WHERE name = 'leases'").fetchone()
    with file.open("r+b") as opened:
        opened.seek((root - 1) * 4_096)
        opened.write(os.urandom(4_096))


def of_somebody_else(file: Path) -> None:
    file.unlink()
    changed("CREATE TABLE meta (key TEXT, value TEXT)")(file)


def empty(file: Path) -> None:
    file.write_bytes(b"")


def in_use(file: Path) -> None:
    file.with_name(f"{file.name}-wal").write_bytes(b"some of it is here")


BAD: dict[str, tuple[Callable[[Path], None], type[ValetkeyError], str]] = {
    "a sealed record": (
        changed("UPDATE sealed SET version = 9 WHERE purpose = 'token'"),
        IntegrityError,
        "not whole",
    ),
    "a row": (changed("UPDATE agents SET name = 'other'"), IntegrityError, "not whole"),
    "an event": (changed("DELETE FROM audit WHERE seq = 2"), IntegrityError, "not whole"),
    "a newer schema": (
        changed("UPDATE meta SET value = 99 WHERE key = 'schema'"),
        StoreError,
        "newer Valetkey",
    ),
    "half a copy": (changed("INSERT INTO meta VALUES ('copying', '{}')"), StoreError, "is being copied"),
    "cut off": (cut, StoreError, "damaged"),
    "overwritten": (overwritten, StoreError, "damaged"),
    "a page that is not read": (unread, IntegrityError, "not whole"),
    "another program's": (of_somebody_else, UsageError, "no backup of Valetkey"),
    "empty": (empty, UsageError, "no backup of Valetkey"),
    "a store in use": (in_use, UsageError, "valetkey backup"),
}


async def test_what_is_no_backup_or_a_damaged_one_changes_nothing(here: Linked, tmp_path: Path) -> None:
    await here.connect()
    good = tmp_path / "good.db"
    await backed_up(here, good)
    there = another_machine(here.house.ground.settings, tmp_path / "there")
    await restored(there, good, Wish(FACTS), quietly)
    before = contents(there.home)
    for name, (harm, error, text) in BAD.items():
        (tmp_path / name).mkdir()
        bad = Path(shutil.copy(good, tmp_path / name))
        harm(bad)
        with pytest.raises(error, match=text):
            await restored(there, bad, Wish(FACTS, replace=True), quietly)
        assert contents(there.home) == before, name


async def test_a_backup_for_another_key_changes_nothing(here: Linked, tmp_path: Path) -> None:
    file, there = tmp_path / "backup.db", another_machine(here.house.ground.settings, tmp_path / "there")
    await backed_up(here, file)
    key = there.key_file
    for wrong in (b"A" * 43 + b"=", None):
        key.unlink()
        if wrong:
            key.touch(0o600)
            key.write_bytes(wrong)
        before = contents(there.home)
        with pytest.raises(KeyFileError):
            await restored(there, file, Wish(FACTS), quietly)
        assert contents(there.home) == before


async def test_a_backup_that_is_damaged_is_restored_where_that_is_wanted(
    here: Linked, tmp_path: Path
) -> None:
    await here.connect()
    file, there = tmp_path / "backup.db", another_machine(here.house.ground.settings, tmp_path / "there")
    await backed_up(here, file)
    changed("UPDATE agents SET name = 'other'")(file)
    done = await restored(there, file, Wish(FACTS, accept_damage=True), quietly)
    assert done.check.problems == ["1 rows of agents were changed behind our back"]
    check, now = await looked_over(there)
    assert now.state is State.DORMANT
    assert check.problems[0] in done.check.problems


async def test_a_store_that_this_program_cannot_open_is_kept_aside_with_the_log_beside_it(
    here: Linked, tmp_path: Path
) -> None:
    """Of a newer program whose server was killed: what is in the log is nowhere else."""
    file, there = tmp_path / "backup.db", another_machine(here.house.ground.settings, tmp_path / "there")
    await backed_up(here, file)
    shutil.copy(file, tmp_path / "newer.db")
    async with copy_at(there, tmp_path / "newer.db") as copy:
        async with copy.store.transaction() as tx:
            await tx.run("UPDATE meta SET value = 99 WHERE key = 'schema'")
        for more in ("", "-wal"):
            shutil.copy(f"{tmp_path / 'newer.db'}{more}", f"{there.store_file}{more}")
    there.store_file.chmod(0o640)
    done = await restored(there, file, Wish(FACTS, replace=True), quietly)
    assert (await looked_over(there))[1].state is State.DORMANT
    assert done.aside
    assert not [name for name in names(there.home) if name.endswith("-wal")], "it is one file now"
    with closing(sqlite3.connect(done.aside)) as kept:
        assert kept.execute("SELECT value FROM meta WHERE key = 'schema'").fetchall() == [("99",)]


async def test_the_log_of_a_store_that_is_gone_is_not_taken_for_the_restored_ones(
    here: Linked, tmp_path: Path
) -> None:
    """Whoever removes `store.db` and not what is beside it, and then restores."""
    file, there = tmp_path / "backup.db", another_machine(here.house.ground.settings, tmp_path / "there")
    await backed_up(here, file)
    shutil.copy(file, there.store_file)
    async with copy_at(there, there.store_file) as copy:
        for _ in range(5):
            async with copy.store.transaction() as tx:
                await copy.append(tx, AuditEvent("tried", "system", None, None))
        log = Path(shutil.copy(f"{there.store_file}-wal", tmp_path / "log"))
    there.store_file.unlink()
    shutil.move(log, f"{there.store_file}-wal")
    await restored(there, file, Wish(FACTS), quietly)
    async with copy_at(there, there.store_file) as copy:
        kinds = [row["kind"] for row in await copy.store.all("SELECT kind FROM audit ORDER BY seq")]
    assert kinds[-1] == "store.restored"
    assert "tried" not in kinds


async def test_a_name_that_is_taken_meanwhile_is_not_written_over(here: Linked, tmp_path: Path) -> None:
    folder = tmp_path / "backups"
    folder.mkdir()
    file = folder / "monday.db"

    def somebody_is_quicker(_: str, __: int, ___: int) -> None:
        file.write_text("mine")

    with pytest.raises(UsageError, match="is not overwritten"):
        await back_up(of_ground(here.house.ground), file, somebody_is_quicker, FACTS)
    assert (names(folder), file.read_text()) == (["monday.db"], "mine")


async def test_of_two_backups_to_one_name_one_is_made_whole(here: Linked, tmp_path: Path) -> None:
    folder = tmp_path / "backups"
    folder.mkdir()
    made: list[str] = []

    async def one() -> None:
        try:
            await backed_up(here, folder / "monday.db")
            made.append("made")
        except UsageError:
            made.append("refused")

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(one)
        tasks.start_soon(one)
    assert sorted(made) == ["made", "refused"]
    assert names(folder) == ["monday.db"]
    assert (await looked_over(here.house.ground.settings, folder / "monday.db"))[0].problems == []


async def test_a_restore_beside_a_server_is_refused(here: Linked, tmp_path: Path) -> None:
    file = tmp_path / "backup.db"
    await backed_up(here, file)
    with pytest.raises(UsageError, match="is used by another process"):
        await restored(here.house.ground.settings, file, Wish(FACTS, replace=True), quietly)


async def test_a_record_that_somebody_made_end_at_the_last_number_there_is_does_not_end_the_new_one(
    here: Linked, tmp_path: Path
) -> None:
    file, there = tmp_path / "backup.db", another_machine(here.house.ground.settings, tmp_path / "there")
    await backed_up(here, file)
    shutil.copy(file, there.store_file)
    changed(f"UPDATE audit SET seq = {2**63 - 1} WHERE seq = 1")(there.store_file)
    done = await restored(there, file, Wish(FACTS, replace=True), quietly)
    assert done.old is None
    assert (await looked_over(there))[0].problems == []


async def test_a_store_of_the_first_release_is_restored(tmp_path: Path) -> None:
    file, home = tmp_path / "backup.db", tmp_path / "home"
    with releases.program_of("0.1.0"):
        store = await SqliteStore.open(file)
        await releases.fill(store, "0.1.0")
        await store.aclose()
    releases.beside("0.1.0", home)
    there = load(home)
    await restored(there, file, Wish(FACTS), quietly)
    check, now = await looked_over(there)
    assert (check.problems, now.state) == ([], State.DORMANT)
