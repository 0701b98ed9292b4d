"""Two people, two agents, four servers: whose answer it is never depends on who asks where or when.

A small share of what `make truth` does a hundred thousand times.
"""

from collections.abc import AsyncIterator
from pathlib import Path

import anyio
import pytest

from tests.support.database import database
from tests.support.reckoning import reckoned
from tests.support.truth import AGENTS, SERVERS, truth

SECONDS = 90


@pytest.fixture(params=["sqlite", "postgres"])
async def store(request: pytest.FixtureRequest) -> AsyncIterator[tuple[str, int]]:
    """The setting of the store that the servers share, and how many calls to make."""
    if request.param == "sqlite":
        yield "", 1_000
    else:
        async with database() as url:
            yield f'store = "{url}"', 400


async def test_every_answer_is_the_right_person_s(tmp_path: Path, store: tuple[str, int]) -> None:
    setting, calls = store
    with anyio.fail_after(200):
        async with truth(tmp_path / "home", more=setting) as found:
            await found.go(calls, SECONDS)
        result, tally = await reckoned(found), found.tally
    assert result.wrong == []
    assert tally.calls == calls
    assert len(tally.answers) == len(found.people) * len(AGENTS) * len(found.steps), "each for each"
    assert {"not_connected", "not_granted"} <= tally.asked.keys()
    assert tally.legs, "some waited until their person had answered"
    assert len(found.balancer.sent) == SERVERS
    assert all(result.refreshes.values())
