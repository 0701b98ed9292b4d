"""Processes that stand still in a refresh, and callers who go away in the middle of one: nothing is lost."""

import signal
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path

import anyio
import anyio.lowlevel
import pytest

from tests.support.database import database
from tests.support.household import LEASE_AND_MORE, Household, household, of_person
from tests.support.scale import scaled
from tests.support.victim import Victim, victim
from tests.support.victims import at_once
from valetkey.model import SECOND, ConnectionState

pytestmark = pytest.mark.reliability
PEOPLE = scaled(3, 8)
REFRESHING = "tests.support.victims:refreshing"
A_MOMENT = 0.05
"""Seconds of real time for which the others may try while one stands still."""


@pytest.fixture(params=["sqlite", "postgres"])
async def here(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Household]:
    if request.param == "sqlite":
        async with household(tmp_path, PEOPLE) as found:
            yield found
    else:
        async with database() as url, household(tmp_path, PEOPLE, store=url) as found:
            yield found


@asynccontextmanager
async def refreshing(here: Household) -> AsyncIterator[Victim]:
    """A process that makes a call for everybody whenever it is told to."""
    async with victim(REFRESHING, people=list(range(PEOPLE)), **here.arguments) as process:
        assert await process.said() == "ready"
        yield process


async def expired_and_begun(here: Household, process: Victim) -> None:
    await here.expired()
    await process.tell("go")


async def timed(work: Callable[[], Awaitable[object]]) -> float:
    began = time.perf_counter()
    await work()
    return time.perf_counter() - began


async def whole(here: Household, process: Victim) -> float:
    """How many seconds everybody's refresh takes when nobody is in its way."""

    async def once() -> None:
        await expired_and_begun(here, process)
        assert await process.said() == ["ok"] * PEOPLE

    return min([await timed(once) for _ in range(3)])


async def stood_still(here: Household, process: Victim, after: float, for_milliseconds: int) -> list[str]:
    """Stop a process in its refreshes, let time pass, let others call; how all the calls ended."""
    await expired_and_begun(here, process)
    await anyio.sleep(after)
    process.send(signal.SIGSTOP)
    here.clock.advance(for_milliseconds)
    ended: list[str] = []

    async def others() -> None:
        ended.extend(await at_once([person.here.call for person in here.people]))

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(others)
        await anyio.sleep(A_MOMENT)
        process.send(signal.SIGCONT)
    return [*ended, *await process.said()]


async def test_a_holder_that_stands_still_for_ten_seconds_is_waited_for(here: Household) -> None:
    points = scaled(10, 200)
    with anyio.fail_after(3_600):
        async with refreshing(here) as process:
            took = await whole(here, process)
            for point in range(points):
                before = [person.grant.refreshes for person in here.people]
                ended = await stood_still(here, process, took * point / points, 10 * SECOND)
                assert ended == ["ok"] * PEOPLE * 2
                assert [person.grant.refreshes for person in here.people] == [count + 1 for count in before]
                await here.sound()
    assert not any(grant.revoked for grant in here.sandbox.strict.grants())


async def test_one_that_stands_still_for_longer_than_its_lease_costs_nothing_within_a_grace_window(
    here: Household,
) -> None:
    points = scaled(10, 200)
    here.sandbox.strict.change(reuse_grace=60)
    with anyio.fail_after(3_600):
        async with refreshing(here) as process:
            took = await whole(here, process)
            for point in range(points):
                ended = await stood_still(here, process, took * point / points, LEASE_AND_MORE)
                assert ended == ["ok"] * PEOPLE * 2
                await here.sound()
    assert not any(grant.revoked for grant in here.sandbox.strict.grants())


async def cancelled(work: Callable[[], Awaitable[object]], after: float) -> None:
    """Begin something and go away after so many seconds."""
    with anyio.move_on_after(after):
        await work()


async def test_a_caller_who_goes_away_in_a_refresh_loses_nothing(here: Household) -> None:
    points, (person, *_) = scaled(60, 2_000), here.people
    with anyio.fail_after(3_600):
        await here.expired()
        took = await timed(person.here.call)
        for point in range(points):
            await here.expired()
            before = person.grant.refreshes
            await cancelled(person.here.call, took * 1.1 * point / points)
            assert await person.next_use() == "ok"
            assert person.grant.refreshes == before + 1, "what was begun is finished, and used"
            assert not await person.behind()
    assert not any(grant.revoked for grant in here.sandbox.strict.grants())


async def test_somebody_who_goes_away_in_a_code_exchange_loses_nothing(here: Household) -> None:
    points = scaled(30, 1_000)
    with anyio.fail_after(3_600):
        took = await timed(of_person(here.here, 10_000).connect)
        for point in range(points):
            person = of_person(here.here, 20_000 + point)
            code = person.consented()
            await cancelled(partial(person.redeemed, "notes", code), took * point / points)
            await landed(here)
            found = await person.house.connections.rows.of(person.caller.principal)
            assert bool(found) == here.sandbox.strict.ledger.is_used(code), "what was redeemed is kept"
            assert all(one.state in (ConnectionState.CONFIRMING, ConnectionState.CONNECTED) for one in found)
            for one in found:
                assert (await person.held(one)).dead is None


async def landed(here: Household) -> None:
    """Wait until the house's own tasks have ended: what was begun is never left half done."""
    with anyio.fail_after(30):
        while here.here.house.ground.tasks._tasks:  # type: ignore[attr-defined]  # anyio's task group shows them to nobody
            await anyio.lowlevel.checkpoint()
