"""A backup that is restored on another machine."""

from dataclasses import replace
from pathlib import Path

import pytest

from tests.copies.machines import FACTS, another_machine, backed_up, made_live, quietly
from tests.support.linked import Linked
from valetkey.assemble import opened
from valetkey.audit.verify import verify
from valetkey.copies import restored
from valetkey.copies.restore import Wish
from valetkey.errors import Dormant, UsageError


async def test_a_backup_of_a_house_in_use_acts_on_another_machine_once_it_is_made_live(
    here: Linked, tmp_path: Path
) -> None:
    await here.connect()
    file = tmp_path / "backup.db"
    check = await backed_up(here, file)
    assert (check.problems, file.stat().st_mode & 0o777) == ([], 0o600)
    await here.call()  # it was in use, and is

    there = another_machine(here.house.ground.settings, tmp_path / "there")
    await restored(there, file, Wish(FACTS), quietly)
    here.clock.advance(8 * 3_600_000)
    async with opened(there, clock=here.clock) as house:
        other = replace(here, house=house)
        with pytest.raises(Dormant):
            await other.call()
        await house.jobs.once()
    assert here.refreshes("notes") == {}

    await made_live(there, there.store_file)
    async with opened(there, clock=here.clock) as house:
        await replace(here, house=house).call()
        found = await verify(house.ground.store, house.ground.keys)
        assert found.ok, found.findings
    assert here.refreshes("notes") == {"ok": 1}


async def test_a_backup_is_never_written_over_and_a_store_that_is_there_is_never_replaced_unasked(
    here: Linked, tmp_path: Path
) -> None:
    file = tmp_path / "backup.db"
    await backed_up(here, file)
    before = file.read_bytes()
    with pytest.raises(UsageError):
        await backed_up(here, file)
    assert file.read_bytes() == before

    there = another_machine(here.house.ground.settings, tmp_path / "there")
    await restored(there, file, Wish(FACTS), quietly)
    before = there.store_file.read_bytes()
    with pytest.raises(UsageError):
        await restored(there, file, Wish(FACTS), quietly)
    assert there.store_file.read_bytes() == before
