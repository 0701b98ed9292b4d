"""Stores that move into PostgreSQL, are restored there and backed up from there, and are killed meanwhile."""

from dataclasses import replace
from pathlib import Path

import pytest

from tests.copies.breaking_off import Command, Death
from tests.copies.machines import FACTS, another_machine, backed_up, looked_over, made_live, names, quietly
from tests.support.database import database
from tests.support.linked import Linked
from tests.support.scale import scaled
from valetkey.assemble import opened
from valetkey.copies import migrated, restored
from valetkey.copies.restore import Wish
from valetkey.errors import Dormant, StoreError, UsageError
from valetkey.generation import State
from valetkey.settings import Settings

pytestmark = pytest.mark.reliability


async def lived_in(here: Linked, home: Path) -> Settings:
    """Another machine, where a backup of the house was made the live copy."""
    there, file = another_machine(here.house.ground.settings, home), home.with_name(f"{home.name}.db")
    await backed_up(here, file)
    await restored(there, file, Wish(FACTS), quietly)
    await made_live(there)
    return there


def in_database(settings: Settings, url: str) -> Settings:
    """The same home, with a database for its store, also for whoever reads its settings."""
    file = settings.home / "valetkey.toml"
    file.touch(0o600)
    file.write_text(f'store = "{url}"\n')
    return settings.model_copy(update={"store": url})


async def acts(here: Linked, settings: Settings) -> None:
    """A call is made on a copy of the house's store. Raises Dormant."""
    async with opened(settings, clock=here.clock) as house:
        await replace(here, house=house).call()


async def test_a_move_into_a_database_that_is_killed_goes_on_and_then_one_of_the_two_acts(
    here: Linked, tmp_path: Path
) -> None:
    await here.connect()
    old = await lived_in(here, tmp_path / "old")
    before, _ = await looked_over(old)
    async with database() as url:
        command = Command(old.home, old.home, ("store", "migrate", url))
        kills, used, at = 0, False, scaled(45, 2)
        while await command.killed(Death(at, 0)):
            kills, at = kills + 1, at + scaled(10, 1)
            (_, now) = await looked_over(old)
            assert now.state in {State.LIVE, State.MOVING}
            if now.state is State.MOVING and not used:  # that is in the audit: it begins anew
                used = True
                with pytest.raises(Dormant):
                    await acts(here, old)
        assert (kills >= 2, used) == (True, True), "hardly anything was killed: this proved nothing"
        check, there = await looked_over(old, url)
        assert (check.problems, there.state, there.reason) == ([], State.DORMANT, "migrated")
        assert (check.sealed, check.rows) == (before.sealed, before.rows)
        await command.succeeds()  # killed before it could say so, it is run once more

        new = in_database(old, url)
        with pytest.raises(Dormant):
            await acts(here, new)
        ended = await Command(new.home, new.home, ("store", "activate")).succeeds()
        assert "The other copy was reached, and is retired." in ended.told
        await acts(here, new)
        assert (await looked_over(old))[1].state is State.RETIRED

        async with database(of=url) as dumped:  # as `pg_dump` and `pg_restore` make one
            third = in_database(another_machine(here.house.ground.settings, tmp_path / "third"), dumped)
            with pytest.raises(Dormant):
                await acts(here, third)
            await Command(third.home, third.home, ("store", "activate", "--other", url)).succeeds()
            await acts(here, third)
            with pytest.raises(Dormant):
                await acts(here, new)

        other = await lived_in(here, tmp_path / "other")
        with pytest.raises(UsageError, match="holds a store already"):
            await migrated(other, url, quietly, FACTS)
        await acts(here, other)


async def test_a_restore_into_a_database_that_is_killed_is_run_again_and_what_is_there_is_backed_up(
    here: Linked, tmp_path: Path
) -> None:
    await here.connect()
    file = tmp_path / "backup.db"
    await backed_up(here, file)
    async with database() as url:
        there = in_database(another_machine(here.house.ground.settings, tmp_path / "there"), url)
        command = Command(there.home, there.home, ("restore", str(file)))
        for at in range(25, 90, scaled(30, 1)):
            assert await command.killed(Death(at, 0))
        with pytest.raises(StoreError, match="being copied into this one"):
            await acts(here, there)
        await command.succeeds()
        assert not list(there.home.glob(".*")), "nothing of the first tries is left"
        check, now = await looked_over(there, url)
        assert (check.problems, now.state, now.reason) == ([], State.DORMANT, "restored")
        assert "make a new, empty database" in (await command.run()).told
        await made_live(there, url)

        async with opened(there, clock=here.clock) as house:
            used = replace(here, house=house)
            folder = tmp_path / "backups"
            folder.mkdir()
            backup = Command(there.home, folder, ("backup", str(folder / "monday.db")))
            for at in range(10, 90, scaled(50, 1)):
                assert await backup.killed(Death(at, 0))
                assert "monday.db" not in names(folder)
                await used.call()
            await backup.succeeds()
            assert names(folder) == ["monday.db"]
            back = another_machine(here.house.ground.settings, tmp_path / "back")
            await restored(back, folder / "monday.db", Wish(FACTS), quietly)
            ended = await Command(back.home, back.home, ("store", "activate")).succeeds()
            assert "The other copy was reached, and is retired." in ended.told
            await house.ground.gate.look(house.ground.store)  # as it does twice a second
            with pytest.raises(Dormant):
                await used.call()
        await acts(here, back)
