"""Limits: what may come at once, what comes back with time, and nobody pays for anybody else."""

import tracemalloc
from dataclasses import replace

import pytest

from tests.support.clock import FakeClock
from valetkey.calls.limits import LONGEST_PAUSE, MOST_KEPT, Buckets, Limits
from valetkey.errors import CallError
from valetkey.model import HOUR, SECOND, Actor, Caller, Connection, ConnectionState, Outcome, Principal
from valetkey.settings import LimitsSettings

ANA, BEN = Principal("local", "ana"), Principal("local", "ben")
TRIAGE = Caller(ANA, Actor("triage"), "ses_1")
HERS = Connection("con_1", ANA, "gmail", "my-google", ConnectionState.CONNECTED, "tok_1", frozenset({"read"}))
HIS = replace(HERS, id="con_2", principal=BEN)


@pytest.fixture
def limits(clock: FakeClock) -> Limits:
    return Limits(clock, LimitsSettings(calls_per_minute=60, burst=3, provider_calls_per_minute=4))


def refused(limits: Limits, what: Caller | Connection) -> float:
    """After how many seconds it may be done again."""
    with pytest.raises(CallError) as caught:
        limits.call(what) if isinstance(what, Caller) else limits.send(what)
    assert caught.value.outcome == Outcome.RATE_LIMITED
    assert caught.value.retry_after
    return caught.value.retry_after


def test_a_burst_is_let_through_and_then_as_many_as_come_back(limits: Limits, clock: FakeClock) -> None:
    for _ in range(3):
        limits.call(TRIAGE)
    assert refused(limits, TRIAGE) == 1
    clock.advance(SECOND)
    limits.call(TRIAGE)
    assert refused(limits, TRIAGE) == 1


def test_what_was_refused_costs_nothing(limits: Limits, clock: FakeClock) -> None:
    for _ in range(3):
        limits.call(TRIAGE)
    for _ in range(100):
        refused(limits, TRIAGE)
    clock.advance(SECOND)
    limits.call(TRIAGE)


def test_no_more_than_a_burst_comes_back(limits: Limits, clock: FakeClock) -> None:
    clock.advance(HOUR)
    for _ in range(3):
        limits.call(TRIAGE)
    refused(limits, TRIAGE)


def test_a_clock_that_is_put_back_keeps_nobody_out_and_a_slow_one_lets_nobody_in(
    limits: Limits, clock: FakeClock
) -> None:
    for _ in range(3):
        limits.call(TRIAGE)
    clock.advance(-5)
    refused(limits, TRIAGE)
    clock.advance(-HOUR)
    limits.call(TRIAGE)


def test_whoever_waits_as_long_as_told_is_let_through(clock: FakeClock) -> None:
    buckets = Buckets(clock, per_minute=7, burst=2)
    for _ in range(2):
        assert buckets.take("a") == 0
    clock.advance(int(buckets.take("a") * SECOND) + 1)
    assert buckets.take("a") == 0


@pytest.mark.parametrize("other", [replace(TRIAGE, principal=BEN), replace(TRIAGE, actor=Actor("other"))])
def test_another_person_and_another_agent_have_their_own(limits: Limits, other: Caller) -> None:
    for _ in range(3):
        limits.call(TRIAGE)
    refused(limits, TRIAGE)
    limits.call(other)


def test_another_session_of_the_same_has_not(limits: Limits) -> None:
    for number in range(3):
        limits.call(replace(TRIAGE, session=f"ses_{number}"))
    refused(limits, replace(TRIAGE, session="ses_new"))


def test_the_buckets_of_a_hundred_thousand_people_take_little_memory(clock: FakeClock) -> None:
    buckets = Buckets(clock, per_minute=120, burst=60)
    tracemalloc.start()
    for number in range(100_000):
        buckets.take((Principal("local", f"person {number}"), "triage"))
    used, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert len(buckets) == MOST_KEPT
    assert used < 10_000_000


def test_one_who_goes_on_calling_is_not_forgotten(clock: FakeClock) -> None:
    buckets = Buckets(clock, per_minute=60, burst=1, most=10)
    assert buckets.take("ana") == 0
    for number in range(50):
        buckets.take(number)
        assert buckets.take("ana") == 1


def test_a_registration_is_called_so_often_and_no_more(limits: Limits, clock: FakeClock) -> None:
    for one in (HERS, HIS):
        limits.send(one)
    assert refused(limits, HERS) == 15
    limits.send(replace(HERS, registration="another"))
    clock.advance(15 * SECOND)
    limits.send(HERS)


def test_an_account_that_is_told_to_wait_waits_and_nobody_else_does(limits: Limits, clock: FakeClock) -> None:
    limits.told(HERS, 30)
    assert refused(limits, HERS) == 30
    limits.send(HIS)
    clock.advance(30 * SECOND)
    limits.send(HERS)


def test_one_person_s_two_accounts_do_not_stop_the_others(limits: Limits) -> None:
    limits.told(HERS, 30)
    limits.told(replace(HERS, id="con_3"), 30)
    limits.send(HIS)


def test_when_two_people_are_told_at_once_it_is_the_client_that_is_meant(
    limits: Limits, clock: FakeClock
) -> None:
    third = replace(HERS, id="con_3", principal=Principal("local", "cem"))
    limits.told(HERS, 30)
    limits.told(HIS, 20)
    assert refused(limits, third) == 20
    clock.advance(20 * SECOND)
    limits.send(third)
    assert refused(limits, HERS) == 10


def test_two_people_who_are_told_one_after_the_other_are_no_sign(limits: Limits, clock: FakeClock) -> None:
    limits.told(HERS, 5)
    clock.advance(6 * SECOND)
    limits.told(HIS, 5)
    limits.send(HERS)


@pytest.mark.parametrize("seconds", [1e8, 10.0**300])
def test_no_provider_keeps_anybody_out_for_a_day(limits: Limits, clock: FakeClock, seconds: float) -> None:
    limits.told(HERS, seconds)
    clock.advance(LONGEST_PAUSE)
    limits.send(HERS)


def test_a_refusal_that_names_no_time_is_none_to_heed(limits: Limits) -> None:
    limits.told(HERS, None)
    limits.send(HERS)
