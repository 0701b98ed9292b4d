"""Two people, two agents, four servers: whose answer it is never depends on who asks where or when.

A small share of what `make truth` does a hundred thousand times.
"""

from pathlib import Path

import anyio

from tests.support.reckoning import reckoned
from tests.support.truth import AGENTS, SERVERS, truth

CALLS, SECONDS = 1_000, 90


async def test_every_answer_is_the_right_person_s(tmp_path: Path) -> None:
    with anyio.fail_after(200):
        async with truth(tmp_path / "home") as found:
            await found.go(CALLS, SECONDS)
        result, tally = await reckoned(found), found.tally
    assert result.wrong == []
    assert tally.calls == CALLS
    assert len(tally.answers) == len(found.people) * len(AGENTS) * len(found.steps), "each for each"
    assert {"not_connected", "not_granted"} <= tally.asked.keys()
    assert tally.legs, "some waited until their person had answered"
    assert len(found.balancer.sent) == SERVERS
    assert all(result.refreshes.values())
