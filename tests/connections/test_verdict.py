"""What a failed refresh means, and how long to wait after it."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from valetkey.connections.verdict import Failures, Verdict, backoff, classify
from valetkey.errors import EgressAnswerLost, EgressBadAnswer, EgressError, EgressUnreachable, OAuthRefused
from valetkey.manifest.schema_auth import Refresh
from valetkey.model import MINUTE, SECOND

REFRESH = Refresh(
    dead=("invalid_grant", "token_revoked"), operator=("bad_client_secret",), transient=("ratelimited",)
)
NOW = 1_000 * MINUTE
CLEAN = {"failures": 0, "since": None}


@pytest.mark.parametrize(
    ("error", "verdict"),
    [
        (OAuthRefused("invalid_grant", 400), Verdict.DEAD),
        (OAuthRefused("token_revoked", 200), Verdict.DEAD),
        (OAuthRefused("invalid_client", 401), Verdict.OPERATOR),
        (OAuthRefused("unauthorized_client", 400), Verdict.OPERATOR),
        (OAuthRefused("bad_client_secret", 200), Verdict.OPERATOR),
        (OAuthRefused("http_408", 408), Verdict.TRANSIENT),
        (OAuthRefused("http_425", 425), Verdict.TRANSIENT),
        (OAuthRefused("too_many_requests", 429), Verdict.TRANSIENT),
        (OAuthRefused("http_500", 500), Verdict.TRANSIENT),
        (OAuthRefused("temporarily_unavailable", 503), Verdict.TRANSIENT),
        (OAuthRefused("ratelimited", 200), Verdict.TRANSIENT),
        (OAuthRefused("temporarily_unavailable", 400), Verdict.TRANSIENT),
        (OAuthRefused("a_page", 403), Verdict.TRANSIENT),
        (OAuthRefused("http_400", 400), Verdict.SUSPICIOUS),
        (OAuthRefused("something_new", 200), Verdict.SUSPICIOUS),
        (OAuthRefused("http_200", 200), Verdict.SUSPICIOUS),
        (OAuthRefused("something_new", 403), Verdict.SUSPICIOUS),
        (OAuthRefused("invalid_grant_", 400), Verdict.SUSPICIOUS),
        (EgressUnreachable("x"), Verdict.TRANSIENT),
        (EgressAnswerLost("x"), Verdict.TRANSIENT),
        (EgressBadAnswer("x"), Verdict.TRANSIENT),
    ],
)
def test_the_first_failure(error: OAuthRefused | EgressError, verdict: Verdict) -> None:
    assert classify(REFRESH, error, CLEAN, NOW) is verdict


def outcomes(*steps: tuple[int, int]) -> list[Verdict]:
    """Refusals with a status, each so many minutes after the one before; what each of them means."""
    row: dict[str, Any] = dict(CLEAN)
    now, found = NOW, []
    for minutes, status in steps:
        now += minutes * MINUTE
        verdict = classify(REFRESH, OAuthRefused(f"http_{status}", status), row, now)
        failures = Failures.with_one_more(row, verdict, now)
        row = {"failures": failures.count, "since": failures.since}
        found.append(verdict)
    return found


def test_three_unexplained_refusals_over_ten_minutes_are_an_end() -> None:
    assert outcomes((0, 400), (5, 400), (5, 400))[-1] is Verdict.DEAD


@pytest.mark.parametrize(
    "steps",
    [
        [(0, 400), (10, 400)],
        [(0, 400), (1, 400), (1, 400), (7, 400)],
        [(0, 503), (5, 503), (5, 400)],
        [(0, 400), (5, 400), (1, 503), (5, 400), (5, 400)],
    ],
    ids=["two", "too soon", "explained before", "interrupted"],
)
def test_fewer_or_sooner_are_not(steps: list[tuple[int, int]]) -> None:
    assert Verdict.DEAD not in outcomes(*steps)


@given(st.integers(1, 10_000), st.binary(min_size=4, max_size=4))
def test_a_wait_is_between_a_second_and_five_minutes_and_one(failures: int, noise: bytes) -> None:
    assert SECOND <= backoff(failures, None, lambda _: noise) <= 5 * MINUTE + SECOND


def test_waits_grow_with_failures() -> None:
    longest = [backoff(failures, None, lambda n: b"\xff" * n) for failures in range(1, 9)]
    assert longest == sorted(set(longest))


def test_a_provider_that_names_a_time_gets_it() -> None:
    assert backoff(9, 12.0, bytes) == 12 * SECOND
