"""The jobs: one process does them, and what fails stops nothing else."""

from collections.abc import AsyncIterator

import anyio
import pytest

from tests.support.town import NOTES, Town, town
from valetkey.demo.person import PersonWithBrowser
from valetkey.jobs import EVERY_SECONDS
from valetkey.model import DAY, HOUR, MINUTE, SECOND, ConnectionState


@pytest.fixture(scope="module")
async def here(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Town]:
    home = tmp_path_factory.mktemp("home")
    async with town(home, more=NOTES, clients=("notes",), hold=0.02) as opened:
        yield opened


async def test_one_process_does_them_while_it_holds_the_lease(here: Town) -> None:
    assert await here.house.jobs.once()
    async with here.another() as there:
        assert not await there.house.jobs.once()
        assert await here.house.jobs.once(), "who has it keeps it"
        here.clock.advance((EVERY_SECONDS + 16) * SECOND)
        assert await there.house.jobs.once(), "who was not heard of for so long has lost it"
        assert not await here.house.jobs.once()
        here.clock.advance((EVERY_SECONDS + 16) * SECOND)


async def test_one_connection_that_cannot_be_given_back_does_not_keep_the_others(
    here: Town, caplog: pytest.LogCaptureFixture
) -> None:
    people = [await here.newcomer() for _ in range(3)]
    for person in people:
        async with PersonWithBrowser() as browser:
            await here.setting_out(browser, person)
            await browser.submit(account="ana@example.com", decision="allow")
    here.clock.advance(11 * MINUTE)
    store = here.house.ground.store
    async with store.transaction() as tx:
        await tx.run(_STUCK.format(subject=people[0].subject))
    assert await here.house.jobs.once()
    states = [(await here.house.connections.rows.of(person.principal))[0].state for person in people]
    assert states == [ConnectionState.CONFIRMING, ConnectionState.REVOKED, ConnectionState.REVOKED]
    assert "tried again" in caplog.text
    async with store.transaction() as tx:
        await tx.run("DROP TRIGGER stuck")
    assert await here.house.jobs.once()
    (given_back,) = await here.house.connections.rows.of(people[0].principal)
    assert given_back.state is ConnectionState.REVOKED


async def test_a_provider_that_hangs_holds_up_no_round_for_each_of_its_people(here: Town) -> None:
    """Twenty seconds each, one after the other: meanwhile this server would pass for one that is ill."""
    for _ in range(3):
        async with PersonWithBrowser() as browser:
            await here.setting_out(browser, await here.newcomer())
            await browser.submit(account="ana@example.com", decision="allow")
    here.clock.advance(11 * MINUTE)
    held = [here.sandbox.strict.faults.set("revoke", "hold", 1) for _ in range(3)]
    with anyio.fail_after(15):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(here.house.jobs.once)
            for one in held:
                await one.arrived.wait()
            here.sandbox.strict.faults.release()


async def test_one_provider_that_cannot_be_told_does_not_keep_the_others(here: Town) -> None:
    people = [await here.newcomer() for _ in range(3)]
    for person in people:
        await here.connected(person, "notes.list_notes")
    connections = [(await here.house.connections.rows.of(person.principal))[0] for person in people]
    for connection in connections:
        await here.house.connections.revocation.leave(connection, "person")
    store = here.house.ground.store
    async with store.transaction() as tx:
        await tx.run(_UNTELLABLE.format(connection=connections[0].id))
    await here.house.connections.revocation.retry()
    waiting = await store.all("SELECT connection FROM give_backs")
    assert [row["connection"] for row in waiting] == [connections[0].id]
    async with store.transaction() as tx:
        await tx.run("DROP TRIGGER untellable")
    here.clock.advance(2 * HOUR)
    await here.house.connections.revocation.retry()
    assert not await store.all("SELECT connection FROM give_backs")


_UNTELLABLE = """
CREATE TRIGGER untellable BEFORE DELETE ON give_backs WHEN OLD.connection = '{connection}'
BEGIN SELECT RAISE(ABORT, 'untellable'); END"""
_STUCK = """
CREATE TRIGGER stuck BEFORE UPDATE ON connections WHEN OLD.subject = '{subject}'
BEGIN SELECT RAISE(ABORT, 'stuck'); END"""


async def test_what_nobody_needs_any_more_is_swept(here: Town) -> None:
    store, accounts = here.house.ground.store, here.house.accounts
    await accounts.sign_in("nobody", "wrong")
    assert await store.one("SELECT 1 FROM failures")
    here.clock.advance(7 * DAY)
    assert await here.house.jobs.once()
    assert await store.one("SELECT 1 FROM failures") is None
