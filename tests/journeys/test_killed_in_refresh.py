"""kill -9 at any point of a refresh: what is lost is what nobody could have kept, and no more."""

import time
from collections.abc import AsyncIterator
from pathlib import Path

import anyio
import pytest

from tests.support.database import database
from tests.support.household import LEASE_AND_MORE, Household, household
from tests.support.moments import moments
from tests.support.scale import scaled
from tests.support.victim import Victim, victim
from valetkey.audit.verify import verify

pytestmark = pytest.mark.reliability
PEOPLE = scaled(4, 8)
POINTS = {"sqlite": scaled(30, 500), "postgres": scaled(12, 500)}
REFRESHING = "tests.support.victims:refreshing"
PATIENCE = 3_600


@pytest.fixture(params=["sqlite", "postgres"])
async def here(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[tuple[Household, int]]:
    """A household on each store, and how many kills it has to stand."""
    points = POINTS[request.param]
    if request.param == "sqlite":
        async with household(tmp_path, PEOPLE) as found:
            yield found, points
    else:
        async with database() as url, household(tmp_path, PEOPLE, store=url) as found:
            yield found, points


async def begun(here: Household, process: Victim) -> None:
    """Let everybody's token expire, and a process make a call for each of them."""
    assert await process.said() == "ready"
    await here.expired()
    await process.tell("go")


async def whole(here: Household) -> float:
    """How many seconds it takes when nobody is killed."""
    async with victim(REFRESHING, people=list(range(PEOPLE)), **here.arguments) as process:
        await begun(here, process)
        assert await process.said() == ["ok"] * PEOPLE
        began = time.perf_counter()
        await here.expired()
        await process.tell("go")
        assert await process.said() == ["ok"] * PEOPLE
        return time.perf_counter() - began


async def killed(here: Household, after: float) -> None:
    """Kill a process so many seconds after everybody's refresh began."""
    async with victim(REFRESHING, people=list(range(PEOPLE)), **here.arguments) as process:
        await begun(here, process)
        await anyio.sleep(after)
        process.kill()
        await process.gone()
    await here.quiet()


async def test_a_provider_with_a_grace_window_loses_nothing(here: tuple[Household, int]) -> None:
    home, points = here
    home.sandbox.strict.change(reuse_grace=60)
    with anyio.fail_after(PATIENCE):
        behind = list[bool]()
        for moment in moments(await whole(home), points, lambda: any(behind)):
            await killed(home, moment)
            behind.extend([await person.behind() for person in home.people])
            home.clock.advance(LEASE_AND_MORE)
            assert [await person.next_use() for person in home.people] == ["ok"] * PEOPLE
            await home.sound()
    assert any(behind), "no kill fell between the provider's answer and our commit: this proved nothing"
    assert not any(grant.revoked for grant in home.sandbox.strict.grants())
    assert (await verify(home.here.house.ground.store, home.here.house.ground.keys)).ok


async def test_a_strict_provider_loses_what_it_had_answered_and_nothing_else(
    here: tuple[Household, int],
) -> None:
    home, points = here
    with anyio.fail_after(PATIENCE):
        lost = list[bool]()
        for moment in moments(await whole(home), points, lambda: any(lost)):
            await killed(home, moment)
            behind = [await person.behind() for person in home.people]
            home.clock.advance(LEASE_AND_MORE)
            for number, person in enumerate(home.people):
                assert await person.next_use() == ("reconnect" if behind[number] else "ok")
                state, reason = await person.here.state(person.connection)
                expected = ("needs_reauth", "refresh_answer_lost") if behind[number] else ("connected", None)
                assert (state, reason) == expected
            await home.sound()
            for number in (n for n, was in enumerate(behind) if was):
                home.people[number] = await home.moves_in(number)
            lost.extend(behind)
    assert any(lost), "no kill fell between the provider's answer and our commit: this proved nothing"
    assert (await verify(home.here.house.ground.store, home.here.house.ground.keys)).ok
