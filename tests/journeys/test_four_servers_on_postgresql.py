"""Four servers on one PostgreSQL, one of them killed every few seconds: what could be kept is kept."""

import signal
from pathlib import Path
from random import Random

import anyio
import pytest

from tests.support.database import database
from tests.support.scale import FULL, scaled
from tests.support.street import street

pytestmark = pytest.mark.reliability
SERVERS = 4
PEOPLE, KILLS, SECONDS_BETWEEN = scaled(8, 200), scaled(5, 120), scaled(1, 5)
LEASE = None if FULL else 2
"""Seconds: at small scale nobody waits half a minute for what a dead process held."""


async def test_killed_servers_lose_what_the_provider_had_answered_and_no_more(
    tmp_path: Path,
) -> None:
    chance = Random(3)
    async with database() as url:
        more = f'store = "{url}"'
        async with street(tmp_path / "home", PEOPLE, SERVERS, more=more, lease_seconds=LEASE) as here:
            async with here.calling():
                for _ in range(KILLS):
                    await anyio.sleep(SECONDS_BETWEEN)
                    await here.fleet.end(chance.choice(here.fleet.ports), signal.SIGKILL)
                    await here.fleet.start()
                await here.until_each_was_used()
            for port in list(here.fleet.ports):
                assert await here.fleet.end(port, signal.SIGTERM) == 0
            assert await here.wrong() == []
            assert await here.lost() <= KILLS
            assert here.ended["ok"] > PEOPLE * KILLS, "the agents did call meanwhile"
            assert await here.audited()


@pytest.mark.parametrize("ahead", [3_600, -3_600])
async def test_a_machine_whose_clock_is_wrong_by_an_hour_does_no_harm(tmp_path: Path, ahead: int) -> None:
    async with database() as url, street(tmp_path / "home", 3, 1, more=f'store = "{url}"') as here:
        await here.fleet.start(ahead=ahead)
        async with here.calling():
            for _ in range(scaled(1, 30)):
                await here.until_each_was_used()
        for port in list(here.fleet.ports):
            assert await here.fleet.end(port, signal.SIGTERM) == 0
        assert await here.wrong() == []
        assert set(here.ended) == {"ok"}
        assert await here.audited()
