"""Servers that are told to stop, one after the other, while tokens are refreshed: nothing is lost."""

import signal
from pathlib import Path

import anyio
import pytest

from tests.support.scale import scaled
from tests.support.street import street

pytestmark = pytest.mark.reliability
PEOPLE, RESTARTS = scaled(6, 100), scaled(8, 200)


async def test_a_server_that_is_told_to_stop_finishes_what_it_began(tmp_path: Path) -> None:
    with anyio.fail_after(3_600):
        async with street(tmp_path / "home", PEOPLE, 2) as here:
            async with here.calling():
                for _ in range(RESTARTS):
                    await here.fleet.start()
                    oldest = here.fleet.ports[0]
                    assert await here.fleet.end(oldest, signal.SIGTERM) == 0
                await here.until_each_was_used()
            for port in list(here.fleet.ports):
                assert await here.fleet.end(port, signal.SIGTERM) == 0
            assert await here.wrong() == []
            assert await here.lost() == 0
            assert not here.ended.keys() - {"ok", "cut"}
            assert await here.audited()
