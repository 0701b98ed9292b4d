"""Leases: one holder at a time, until its time is over, whatever the clocks do."""

import pytest

from tests.support.clock import FakeClock
from valetkey.model import HOUR, SECOND
from valetkey.store import Store
from valetkey.store.leases import LONGEST, Leases

LASTS = 15 * SECOND


@pytest.fixture
def one(store: Store, clock: FakeClock) -> Leases:
    return Leases(store, clock, "one")


@pytest.fixture
def two(store: Store, clock: FakeClock) -> Leases:
    return Leases(store, clock, "two")


async def test_a_name_is_held_by_one_and_seen_by_all(one: Leases, two: Leases) -> None:
    assert not await two.held("jobs")
    assert await one.take("jobs", LASTS)
    assert not await two.take("jobs", LASTS)
    assert await one.held("jobs")
    assert await two.held("jobs")
    assert await two.take("pages", LASTS), "another name is another lease"


async def test_a_holder_keeps_its_name_for_as_long_as_it_says_so(
    one: Leases, two: Leases, clock: FakeClock
) -> None:
    for _ in range(3):
        assert await one.take("jobs", LASTS)
        clock.advance(LASTS)
        assert not await two.take("jobs", LASTS)
    clock.advance(1)
    assert not await two.held("jobs")
    assert await two.take("jobs", LASTS)
    assert not await one.take("jobs", LASTS), "it came too late"


async def test_a_name_is_let_go_of_by_its_holder_alone(one: Leases, two: Leases) -> None:
    assert await one.take("jobs", LASTS)
    await two.let_go("jobs")
    assert await one.held("jobs")
    await one.let_go("jobs")
    assert not await one.held("jobs")
    assert await two.take("jobs", LASTS)


async def test_a_lease_from_a_clock_that_was_set_back_is_not_waited_out(
    one: Leases, two: Leases, clock: FakeClock
) -> None:
    assert await one.take("jobs", LASTS)
    clock.advance(-HOUR)
    assert not await two.held("jobs")
    assert await two.take("jobs", LASTS)
    assert not await one.take("jobs", LASTS)


async def test_clocks_that_differ_by_a_little_do_not_share_a_name(
    store: Store, one: Leases, clock: FakeClock
) -> None:
    slow = Leases(store, FakeClock(clock.now() - LONGEST + LASTS), "slow")
    assert await one.take("jobs", LASTS)
    assert not await slow.take("jobs", LASTS)
    assert await slow.held("jobs")


async def test_a_lease_that_nobody_would_believe_is_not_written(one: Leases) -> None:
    with pytest.raises(AssertionError):
        await one.take("jobs", LONGEST + 1)
