"""Renewing what nobody waits for: what is in use before its end, the rest often enough to live on."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import anyio
import pytest

from tests.support.clock import FakeClock
from tests.support.disk import read_only
from tests.support.linked import ANA, Linked, linked, neighbour
from valetkey.connections.ahead import AT_ONCE
from valetkey.errors import CallError
from valetkey.model import DAY, HOUR, MINUTE, SECOND, Connection
from valetkey.sandbox import Sandbox
from valetkey.store.sqlite import SqliteStore

WITHIN = 30


async def hourly(here: Linked) -> Connection:
    """A connection whose tokens last an hour."""
    here.sandbox.strict.change(lifetime=3600)
    return await here.connect()


async def renewals(here: Linked, minutes: int) -> int:
    """Let the job come round each minute for so long; how often the provider was asked for new tokens."""
    before = here.sandbox.strict.counters.requests["token"]
    for _ in range(minutes):
        here.clock.advance(1 * MINUTE)
        await due(here)
    return here.sandbox.strict.counters.requests["token"] - before


async def due(here: Linked) -> None:
    with anyio.fail_after(WITHIN):
        await here.house.connections.ahead.renew_due()


async def test_what_is_in_use_is_renewed_at_four_fifths_of_its_life(here: Linked) -> None:
    connection = await hourly(here)
    await here.call()
    assert await renewals(here, 43) == 0
    assert await renewals(here, 10) == 1
    assert (await here.held(connection)).version == 2
    assert not here.sandbox.strict.counters.api_refused
    assert await here.call()
    assert here.refreshes("notes") == {"ok": 1}


async def test_what_nobody_has_used_since_is_kept_alive_once_a_day(here: Linked) -> None:
    connection = await hourly(here)
    await here.call()
    here.clock.advance(54 * MINUTE)
    await due(here)
    here.clock.advance(20 * HOUR)
    await due(here)
    assert (await here.held(connection)).version == 2
    for _ in range(7):
        here.clock.advance(27 * HOUR)
        await due(here)
    assert here.refreshes("notes") == {"ok": 8}
    assert await here.state(connection) == ("connected", None)


async def test_it_is_one_write_a_renewal_to_know_what_is_in_use(here: Linked) -> None:
    connection = await hourly(here)
    planned = []
    for _ in range(3):
        await here.call()
        planned.append((await here.held(connection)).row["renew_at"])
    assert len(set(planned)) == 1


async def test_the_jobs_of_a_house_renew_what_is_due(here: Linked) -> None:
    await hourly(here)
    await here.call()
    here.clock.advance(54 * MINUTE)
    with anyio.fail_after(WITHIN):
        assert await here.house.jobs.once()
    assert here.refreshes("notes") == {"ok": 1}


async def test_a_grant_that_is_gone_is_noticed_though_nobody_calls_and_asked_about_once(
    here: Linked,
) -> None:
    connection = await hourly(here)
    here.sandbox.strict.revoke(ANA)
    here.clock.advance(27 * HOUR)
    assert await renewals(here, 5) == 1
    assert await here.state(connection) == ("needs_reauth", "invalid_grant")


async def test_a_provider_that_is_away_is_asked_again_in_its_own_time_and_the_token_serves_on(
    here: Linked,
) -> None:
    connection = await hourly(here)
    await here.call()
    here.sandbox.strict.faults.set("token", "server_error")
    here.clock.advance(53 * MINUTE)
    assert 1 <= await renewals(here, 5) <= 5
    assert await here.call()
    here.sandbox.strict.faults.clear()
    here.clock.advance(6 * MINUTE)
    await due(here)
    assert (await here.held(connection)).version == 2


async def test_calls_go_on_while_it_hangs_and_what_it_brings_late_is_kept(here: Linked) -> None:
    connection = await hourly(here)
    await here.call()
    here.clock.advance(54 * MINUTE)
    held = here.sandbox.strict.faults.set("token", "hold", 1)
    with anyio.fail_after(WITHIN):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(due, here)
            await held.arrived.wait()
            assert await here.call()
            tasks.cancel_scope.cancel()
        here.sandbox.strict.faults.release()
        while (await here.held(connection)).version == 1:
            await anyio.lowlevel.checkpoint()
    assert here.refreshes("notes") == {"ok": 1}


async def test_a_provider_that_hangs_keeps_no_other_from_its_renewals(here: Linked) -> None:
    await hourly(here)
    await here.call()
    await here.connect("gmail")
    await here.call("gmail")
    here.clock.advance(54 * MINUTE)
    held = here.sandbox.strict.faults.set("token", "hold", 1)
    with anyio.fail_after(WITHIN):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(due, here)
            await held.arrived.wait()
            while here.refreshes("gmail") == {}:
                await anyio.lowlevel.checkpoint()
            here.sandbox.strict.faults.release()
    assert here.refreshes("notes") == {"ok": 1}


async def test_two_processes_that_come_to_it_at_once_renew_once(here: Linked) -> None:
    await hourly(here)
    await here.call()
    here.clock.advance(54 * MINUTE)
    async with neighbour(here) as other, anyio.create_task_group() as tasks:
        for one in (here, other, here):
            tasks.start_soon(due, one)
    assert here.refreshes("notes") == {"ok": 1}


async def test_so_many_are_renewed_side_by_side_and_no_more(here: Linked) -> None:
    here.sandbox.strict.change(lifetime=3600)
    people = [here.as_person(f"person-{number}") for number in range(AT_ONCE + 8)]
    for person in people:
        await person.connect()
        await person.call()
    here.clock.advance(54 * MINUTE)
    here.sandbox.strict.faults.set("token", "slow", seconds=0.2)
    await due(here)
    assert here.refreshes("notes") == {"ok": len(people)}
    assert here.sandbox.strict.counters.most_at_once["token"] == AT_ONCE


async def test_a_set_that_does_not_open_is_looked_at_once_a_day(here: Linked) -> None:
    connection = await hourly(here)
    await here.call()
    async with here.house.ground.store.transaction() as tx:
        await tx.run("UPDATE sealed SET version = 7 WHERE id = $1", connection.token_set)
    here.clock.advance(54 * MINUTE)
    await due(here)
    sql = "SELECT renew_at FROM token_sets WHERE id = $1"
    row = await here.house.ground.store.one(sql, connection.token_set)
    assert row is not None
    assert row["renew_at"] == here.clock.now() + DAY
    assert here.refreshes("notes") == {}


@asynccontextmanager
async def github(home: Path, sandbox: Sandbox, clock: FakeClock) -> AsyncIterator[Linked]:
    """A house with a GitHub App, whose renewals end the access token before."""
    async with linked(home, sandbox, clock, "github") as opened:
        sandbox.github.change(lifetime=8 * 3600)
        yield opened
        sandbox.reset()


async def test_where_a_renewal_would_end_calls_under_way_nothing_is_renewed_before_its_end(
    served: Sandbox, turning: FakeClock, tmp_path: Path
) -> None:
    served.reset()
    async with github(tmp_path, served, turning) as here:
        connection = await here.connect("github")
        await here.call("github")
        turning.advance(8 * HOUR - 1 * SECOND)
        await due(here)
        assert here.refreshes("github") == {}
        turning.advance(20 * HOUR)  # its access token has long ended: nothing can be under way with it
        await due(here)
        assert here.refreshes("github") == {"ok": 1}
        assert await here.state(connection) == ("connected", None)


async def test_a_call_that_fails_while_it_is_renewed_is_told_when_to_come_back(here: Linked) -> None:
    await hourly(here)
    here.sandbox.strict.faults.set("token", "server_error")
    here.clock.advance(27 * HOUR)
    await due(here)
    with pytest.raises(CallError) as refused:
        await here.call()
    assert refused.value.outcome == "unavailable"
    assert refused.value.retry_after is not None


async def test_a_store_that_takes_no_plan_is_no_reason_to_keep_a_good_token_back(here: Linked) -> None:
    connection = await here.connect("gmail")
    planned = (await here.held(connection)).row["renew_at"]
    store = here.house.ground.store
    assert isinstance(store, SqliteStore)
    async with read_only(store):
        assert await here.refresher.usable(connection, here.connector("gmail"))
    assert (await here.held(connection)).row["renew_at"] == planned
    await here.refresher.usable(connection, here.connector("gmail"))
    assert (await here.held(connection)).row["renew_at"] < planned
