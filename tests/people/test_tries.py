"""Wrong tries: counted apart from the wait, reported once an hour, and not hidden by a right one."""

import pytest

from tests.support.clock import FakeClock
from valetkey.model import DAY, HOUR, MINUTE, SECOND
from valetkey.people.tries import SHOWN_FOR, Burst, Tries, joined
from valetkey.store.sqlite import SqliteStore


@pytest.fixture
def tries(store: SqliteStore, clock: FakeClock) -> Tries:
    return Tries(store, clock)


async def fail(store: SqliteStore, tries: Tries, times: int = 1) -> list[int]:
    """Give the wrong one, as often as said; return the counts that were to be reported."""
    reported: list[int] = []
    for _ in range(times):
        async with store.transaction() as tx:
            if burst := await tries.failed(tx, "ana"):
                reported.append(burst.count)
    return reported


async def test_many_wrong_ones_are_reported_once_an_hour_with_their_count(
    store: SqliteStore, tries: Tries, clock: FakeClock
) -> None:
    assert await fail(store, tries, 4) == []
    assert await fail(store, tries, 20) == [5]
    clock.advance(HOUR - 1)
    assert await fail(store, tries) == []
    clock.advance(1)
    assert await fail(store, tries, 2) == [26]


async def test_a_right_one_in_between_ends_the_wait_and_hides_nothing(
    store: SqliteStore, tries: Tries, clock: FakeClock
) -> None:
    began = clock.now()
    for _ in range(5):
        assert await tries.claim("ana") == 0
        await fail(store, tries)
    assert await tries.claim("ana") > 0
    clock.advance(MINUTE)
    async with store.transaction() as tx:
        await tries.forget(tx, "ana")
    assert await tries.claim("ana") == 0
    assert await tries.burst(store, "ana") == Burst(5, began, began)


async def test_a_day_without_a_wrong_one_begins_anew(
    store: SqliteStore, tries: Tries, clock: FakeClock
) -> None:
    await fail(store, tries, 7)
    clock.advance(DAY)
    assert await tries.burst(store, "ana"), "what was is still shown"
    await fail(store, tries)
    assert await tries.burst(store, "ana") is None
    assert await fail(store, tries, 4) == [5]


async def test_what_is_long_ago_is_shown_no_more(store: SqliteStore, tries: Tries, clock: FakeClock) -> None:
    await fail(store, tries, 5)
    clock.advance(SHOWN_FOR - 1)
    assert await tries.burst(store, "ana")
    clock.advance(1)
    assert await tries.burst(store, "ana") is None


async def test_a_few_are_nobodys_business(store: SqliteStore, tries: Tries) -> None:
    await fail(store, tries, 4)
    assert await tries.burst(store, "ana") is None


def test_what_was_tried_in_two_places_is_one() -> None:
    assert joined([None, None]) is None
    assert joined([Burst(5, 10, 20), None, Burst(6, 5 * SECOND, 6 * SECOND)]) == Burst(11, 10, 6 * SECOND)
