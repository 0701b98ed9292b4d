"""Making a copy live: who acts before and after it, what ends, and what the audit says."""

from dataclasses import replace
from pathlib import Path

import anyio
import pytest

from tests.audit.tampering import rechained, verified_after
from tests.copies.breaking_off import Command
from tests.copies.machines import FACTS, another_machine, backed_up, looked_over, quietly
from tests.support.desk import until
from tests.support.linked import Linked
from valetkey.assemble import opened, sign_head
from valetkey.audit.head import Head
from valetkey.audit.verify import verify
from valetkey.copies import Restored, copy_at, restored
from valetkey.copies.restore import Wish
from valetkey.errors import CallError, Dormant
from valetkey.generation import State
from valetkey.grants import Given
from valetkey.model import DAY, HOUR
from valetkey.settings import Settings
from valetkey.store import Reads, Transaction
from valetkey.store.sqlite import SqliteStore

ACTIVATE = ("store", "activate")


async def restored_elsewhere(
    here: Linked, home: Path, *, keep_standing: bool = False
) -> tuple[Settings, Restored]:
    """A backup that was restored on another machine, dormant."""
    there, file = another_machine(here.house.ground.settings, home), home.with_name(f"{home.name}.db")
    await backed_up(here, file)
    return there, await restored(there, file, Wish(FACTS, keep_standing=keep_standing), quietly)


async def state_of(settings: Settings) -> State:
    return (await looked_over(settings))[1].state


async def test_a_copy_is_not_used_before_it_is_made_live_and_the_other_not_after(
    here: Linked, tmp_path: Path
) -> None:
    ben = here.as_person("ben")
    await here.connect()
    bens = await ben.connect()
    there, _ = await restored_elsewhere(here, tmp_path / "there")
    gate = here.house.ground.gate
    async with opened(there, clock=here.clock) as house, anyio.create_task_group() as servers:
        servers.start_soon(gate.watch)
        servers.start_soon(house.ground.gate.watch)
        here.clock.advance(8 * HOUR)
        await ben.call()
        assert here.refreshes("notes") == {"ok": 1}
        for work in (replace(here, house=house).call, replace(ben, house=house).call):
            with pytest.raises(Dormant):
                await work()
        await house.jobs.once()
        assert here.refreshes("notes") == {"ok": 1}, "the copy that sleeps has refreshed nothing"

        ended = await Command(there.home, there.home, ACTIVATE).succeeds()
        assert "The other copy was reached, and is retired." in ended.told
        with pytest.raises(Dormant):
            await here.call()  # it was not told yet: what it would refresh is looked at in the store
        await until(lambda: gate.reason == "retired" and house.ground.gate.reason is None)
        await here.house.jobs.once()
        for work in (here.call, ben.call):
            with pytest.raises(Dormant):
                await work()
        assert here.refreshes("notes") == {"ok": 1}, "the one that was retired has refreshed nothing"

        await replace(here, house=house).call()
        assert here.refreshes("notes")["ok"] == 2
        with pytest.raises(CallError) as refused:  # Ben's token was renewed after the backup
            await replace(ben, house=house).call()
        assert refused.value.outcome == "reconnect"
        assert (await replace(ben, house=house).state(bens))[0] == "needs_reauth"
        servers.cancel_scope.cancel()


async def test_where_the_other_copy_cannot_be_reached_nobody_but_a_person_or_a_flag_says_that_it_is_gone(
    here: Linked, tmp_path: Path
) -> None:
    there, _ = await restored_elsewhere(here, tmp_path / "there")
    async with copy_at(there, there.store_file) as copy, copy.store.transaction() as tx:
        now = await copy.generations.read(tx)
        assert now
        await copy.generations.write(tx, replace(now, other=str(tmp_path / "elsewhere")))
    refused = await Command(there.home, there.home, ACTIVATE).run()
    assert (refused.code, "--yes-the-other-is-gone" in refused.told) == (1, True), refused.told
    strange = await Command(there.home, there.home, (*ACTIVATE, "--other", str(tmp_path / "no"))).run()
    assert (strange.code, "can be opened there" in strange.told) == (1, True), strange.told
    assert await state_of(there) is State.DORMANT
    await Command(there.home, there.home, (*ACTIVATE, "--yes-the-other-is-gone")).succeeds()
    assert await state_of(there) is State.LIVE


@pytest.mark.reliability
async def test_an_activation_that_is_killed_leaves_one_live_copy_at_most_and_is_run_again(
    here: Linked, tmp_path: Path
) -> None:
    there, _ = await restored_elsewhere(here, tmp_path / "there")
    command, old = Command(there.home, tmp_path, ACTIVATE), here.house.ground.settings
    before = [(await looked_over(settings))[1] for settings in (old, there)]
    killed = 0
    for death in await command.deaths(few=5):
        for settings, now in zip((old, there), before, strict=True):
            async with copy_at(settings, settings.store_file) as copy, copy.store.transaction() as tx:
                await copy.generations.write(tx, now)
            (settings.home / "generation").unlink(missing_ok=True)
        killed += await command.killed(death)
        states = [await state_of(settings) for settings in (old, there)]
        assert states != [State.LIVE, State.LIVE], death
        await command.succeeds()
        assert [await state_of(settings) for settings in (old, there)] == [State.RETIRED, State.LIVE]
    assert killed >= 3, "hardly a kill was in time: this proved nothing"


@pytest.mark.parametrize("kept", [False, True])
async def test_sessions_and_standing_grants_end_with_a_restore(
    here: Linked, tmp_path: Path, kept: bool
) -> None:
    connection, house = await here.connect(), here.house
    who, actor = here.caller.principal, here.caller.actor.client
    async with house.ground.store.transaction() as tx:
        await house.sessions.start_token(tx, who, actor, DAY)
        await house.sessions.start_browser(tx, who)
        given = Given(frozenset({"notes.list_notes"}), frozenset(), None, offline=True)
        await house.grants.give(tx, who, actor, [connection.id], given)
    there, done = await restored_elsewhere(here, tmp_path / "there", keep_standing=kept)
    assert (done.ended.sessions, done.ended.grants) == (2, 0 if kept else 1)
    async with copy_at(there, there.store_file) as copy:
        assert await _left(house.ground.store) == (2, 1)
        assert await _left(copy.store) == (0, 1 if kept else 0)
        found = await verify(copy.store, copy.keys)
    assert found.ok, found.findings


async def _left(db: Reads) -> tuple[int, int]:
    """How many sessions and standing grants a store has."""
    sessions = await db.all("SELECT id FROM sessions WHERE ended IS NULL")
    grants = await db.all("SELECT id FROM grants WHERE offline <> 0 AND revoked IS NULL")
    return len(sessions), len(grants)


async def test_the_record_goes_on_in_a_segment_that_names_the_end_of_the_old_one(
    here: Linked, tmp_path: Path
) -> None:
    """Restored over the store that had gone on: what it had recorded since is not here, and that is said."""
    await here.connect()
    there, _ = await restored_elsewhere(here, tmp_path / "there")
    await Command(there.home, there.home, ACTIVATE).succeeds()
    async with opened(there, clock=here.clock) as house:
        await replace(here, house=house).call()
        await sign_head(house.ground)
    lost = Head.parse((await looked_over(there))[0].head)
    done = await restored(there, tmp_path / "there.db", Wish(FACTS, replace=True), quietly)
    assert done.old == lost
    await Command(there.home, there.home, ACTIVATE).succeeds()
    (tmp_path / "anchor").write_text(str(lost))
    ended = await Command(
        there.home, there.home, ("audit", "verify", "--anchor", str(tmp_path / "anchor"))
    ).succeeds()
    assert f"this head was noted before the store was restored (event {lost.seq + 1})" in ended.told
    assert f"to {lost.seq} of the old record are not in this store" in ended.told

    async def another_end(tx: Transaction) -> None:
        """What somebody without the key would write, who has cut something off and calls it restored."""
        row = await tx.one("SELECT core FROM audit WHERE seq = $1", lost.seq + 1)
        assert row
        core = row["core"].replace(str(lost).encode(), f"{lost.seq}:{'00' * 32}".encode())
        assert core != row["core"]
        await tx.run("DELETE FROM checkpoints")
        await tx.run("UPDATE audit SET core = $1 WHERE seq = $2", core, lost.seq + 1)
        await rechained(tx, copy.keys.store_id)

    async with copy_at(there, there.store_file) as copy:
        assert isinstance(copy.store, SqliteStore)
        found = await verified_after(copy.store, copy.vault, None, another_end)
    assert "claims that the store was restored here, and its signature does not fit" in str(found.findings)
