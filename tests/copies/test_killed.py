"""Backups and restores that are killed, or meet a full disk: all of it is there, or nothing has changed."""

import shutil
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.copies.breaking_off import Command
from tests.copies.machines import another_machine, backed_up, looked_over, made_live, names
from tests.support.linked import Linked
from valetkey.copies import copy_at
from valetkey.copies.checking import Check
from valetkey.generation import State
from valetkey.model import AuditEvent
from valetkey.settings import Settings

pytestmark = pytest.mark.reliability


async def test_a_backup_that_is_killed_is_there_whole_or_not_at_all_while_the_store_is_used(
    here: Linked, tmp_path: Path
) -> None:
    await here.connect()
    folder = tmp_path / "backups"
    folder.mkdir()
    file = folder / "monday.db"
    command = Command(tmp_path, folder, ("backup", str(file)))
    killed = 0
    for death in await command.deaths(few=5):
        file.unlink(missing_ok=True)
        killed += await command.killed(death)
        await here.call()
        if file.exists():
            check, now = await looked_over(here.house.ground.settings, file)
            assert (check.problems, now.state) == ([], State.DORMANT), death
            assert file.stat().st_mode & 0o777 == 0o600
    assert killed >= 3, "hardly a kill was in time: this proved nothing"
    file.unlink(missing_ok=True)
    await backed_up(here, folder / "tuesday.db")
    assert names(folder) == ["tuesday.db"], "what was killed left nothing that stays"


async def test_a_backup_onto_a_disk_that_is_full_leaves_nothing_there_and_the_store_is_used(
    here: Linked, tmp_path: Path
) -> None:
    folder = tmp_path / "backups"
    folder.mkdir()
    (tmp_path / "valetkey.toml").touch(0o600)
    command = Command(tmp_path, folder, ("backup", str(folder / "monday.db")))
    for room in (0, 4_096, (tmp_path / "store.db").stat().st_size // 2):
        ended = await command.run(room=room)
        assert (ended.code, "nothing was written" in ended.told) == (78, True), ended.told
        assert names(folder) == []
    await here.connect()
    await here.call()


@dataclass(frozen=True, slots=True)
class Crashed:
    """A home whose server was killed: part of its store is in the log beside it still. And a backup."""

    settings: Settings
    home: Path
    backup: Path
    before: Check

    def again(self) -> None:
        """The home as the crash left it."""
        shutil.rmtree(self.settings.home, ignore_errors=True)
        shutil.copytree(self.home, self.settings.home)

    @property
    def command(self) -> Command:
        return Command(self.settings.home, self.settings.home, ("restore", str(self.backup), "--replace"))

    async def is_kept(self, place: Path) -> bool:
        """Whether a store is the one that was there, with all that its log held."""
        check, now = await looked_over(self.settings, place)
        return (check, now.state) == (self.before, State.LIVE)

    async def is_restored(self) -> bool:
        check, now = await looked_over(self.settings)
        assert check.problems == []
        if (now.state, now.reason) != (State.DORMANT, "restored"):
            return False
        kept = [await self.is_kept(old) for old in self.settings.home.glob("store.replaced-*.db")]
        assert any(kept), "the old store is nowhere"
        return True


@pytest.fixture
async def crashed(here: Linked, tmp_path: Path) -> Crashed:
    settings, home = another_machine(here.house.ground.settings, tmp_path / "there"), tmp_path / "crashed"
    await here.connect()
    backup = tmp_path / "backup.db"
    await backed_up(here, backup)
    shutil.copy(backup, settings.store_file)
    await made_live(settings)
    async with copy_at(settings, settings.store_file) as copy:
        async with copy.store.transaction() as tx:
            await copy.append(tx, AuditEvent("tried", "system", None, None))
        shutil.copytree(settings.home, home)
    assert (home / "store.db-wal").stat().st_size > 0
    before, _ = await looked_over(settings)
    return Crashed(settings, home, backup, before)


async def test_a_restore_that_is_killed_has_changed_nothing_or_is_done_and_works_when_it_is_run_again(
    crashed: Crashed, tmp_path: Path
) -> None:
    crashed.again()
    command = crashed.command
    killed = 0
    for death in await command.deaths(few=5):
        crashed.again()
        killed += await command.killed(death)
        if not await crashed.is_restored():
            assert await crashed.is_kept(crashed.settings.store_file), death
            await command.succeeds()
            assert await crashed.is_restored(), death
            assert not list(crashed.settings.home.glob(".*")), "nothing of the first try is left"
    assert killed >= 3, "hardly a kill was in time: this proved nothing"


async def test_a_restore_onto_a_disk_that_is_full_changes_nothing(crashed: Crashed, tmp_path: Path) -> None:
    size, command = crashed.backup.stat().st_size, crashed.command
    for room in (0, size // 2, size):
        crashed.again()
        ended = await command.run(room=room)
        assert (ended.code in {1, 78}, "Traceback" in ended.told) == (True, False), ended.told
        assert await crashed.is_kept(crashed.settings.store_file)
        assert not list(crashed.settings.home.glob(".*"))
        assert not list(crashed.settings.home.glob("store.replaced-*"))
