"""A provider that does not answer is asked by one at a time, until it does."""

import anyio
import pytest

from tests.support.clock import FakeClock
from valetkey.connections.circuit import Circuits
from valetkey.model import HOUR, MINUTE, SECOND

NAME = "my-notes"


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def circuits(clock: FakeClock) -> Circuits:
    return Circuits(clock, bytes)  # no jitter: each wait is the shortest


def wait(circuits: Circuits) -> int:
    with circuits.asking(NAME) as waits:
        return waits


def fail(circuits: Circuits, times: int = 5, retry_after: float | None = None) -> None:
    for _ in range(times):
        with circuits.asking(NAME):
            circuits.failed(NAME, retry_after)


def test_four_failures_are_nobody_s_and_the_fifth_is_the_provider_s(circuits: Circuits) -> None:
    fail(circuits, 4)
    assert wait(circuits) == 0
    fail(circuits, 1)
    assert wait(circuits) == 1 * SECOND


def test_an_answer_in_between_begins_the_count_anew(circuits: Circuits) -> None:
    fail(circuits, 4)
    circuits.answered(NAME)
    fail(circuits, 4)
    assert wait(circuits) == 0


def test_one_asks_again_and_the_others_wait_for_what_it_hears(circuits: Circuits, clock: FakeClock) -> None:
    fail(circuits)
    clock.advance(1 * SECOND)
    with circuits.asking(NAME) as mine:
        assert mine == 0
        assert [wait(circuits), wait(circuits)] == [1 * SECOND] * 2
        circuits.answered(NAME)
    assert wait(circuits) == 0


@pytest.mark.parametrize("well", [True, False])
async def test_whoever_comes_while_one_asks_alone_waits_for_what_it_hears(
    circuits: Circuits,
    clock: FakeClock,
    well: bool,
) -> None:
    heard: list[int] = []

    async def come() -> None:
        assert await circuits.heard(NAME)
        heard.append(wait(circuits))

    fail(circuits)
    clock.advance(1 * SECOND)
    with anyio.fail_after(10):
        async with anyio.create_task_group() as tasks:
            with circuits.asking(NAME):
                for _ in range(3):
                    tasks.start_soon(come)
                await anyio.wait_all_tasks_blocked()
                assert heard == []
                circuits.answered(NAME) if well else circuits.failed(NAME, None)
    assert heard == [0 if well else SECOND] * 3
    assert not await circuits.heard(NAME), "nobody asks now"


async def test_it_is_waited_for_no_longer_than_a_request_may_take(
    circuits: Circuits, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("valetkey.connections.circuit.HARD_SECONDS", 0.01)
    fail(circuits)
    clock.advance(1 * SECOND)
    with anyio.fail_after(10), circuits.asking(NAME):
        assert not await circuits.heard(NAME)
        assert wait(circuits) == 1 * SECOND


def test_whoever_asked_and_never_told_leaves_the_turn_to_the_next(
    circuits: Circuits, clock: FakeClock
) -> None:
    fail(circuits)
    clock.advance(1 * SECOND)
    assert [wait(circuits), wait(circuits)] == [0, 0]


def test_what_was_sent_before_it_opened_does_not_make_it_worse(circuits: Circuits, clock: FakeClock) -> None:
    fail(circuits)
    for _ in range(59):  # of one crowd
        circuits.failed(NAME, None)
    clock.advance(1 * SECOND)
    assert wait(circuits) == 0


def test_each_try_in_vain_makes_the_next_wait_longer_up_to_five_minutes(clock: FakeClock) -> None:
    circuits = Circuits(clock, lambda n: b"\xff" * n)
    fail(circuits)
    waits = []
    for _ in range(10):
        waits.append(wait(circuits))
        clock.advance(waits[-1])
        fail(circuits, 1)
    assert waits == sorted(waits)
    assert 5 * MINUTE <= waits[-1] <= 5 * MINUTE + SECOND


def test_the_time_that_a_provider_names_is_kept(circuits: Circuits) -> None:
    fail(circuits, retry_after=600)
    assert wait(circuits) == 10 * MINUTE


def test_a_registration_that_is_refused_is_news_once(circuits: Circuits, clock: FakeClock) -> None:
    with circuits.asking(NAME):
        assert circuits.refused(NAME, None)
    assert wait(circuits) == 1 * SECOND
    clock.advance(1 * SECOND)
    with circuits.asking(NAME):
        assert not circuits.refused(NAME, None)
    assert wait(circuits) == 1 * SECOND
    circuits.answered(NAME)
    assert circuits.refused(NAME, None)


def test_one_registration_s_trouble_is_no_other_s(circuits: Circuits) -> None:
    fail(circuits)
    with circuits.asking("another") as waits:
        assert waits == 0


def test_a_clock_that_is_set_back_keeps_nobody_waiting(circuits: Circuits, clock: FakeClock) -> None:
    fail(circuits, retry_after=600)
    clock.advance(-HOUR)
    assert wait(circuits) == 0
