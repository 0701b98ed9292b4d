"""The jobs: one process does them, and what fails stops nothing else."""

from collections.abc import AsyncIterator

import pytest

from tests.support.town import NOTES, Town, town
from valetkey.demo.person import PersonWithBrowser
from valetkey.jobs import EVERY_SECONDS
from valetkey.model import DAY, MINUTE, SECOND, ConnectionState


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
