"""When a token set is renewed though nobody asks, and when it ends."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.clock import START
from valetkey.connections.schedule import ahead_at, ends_at, idle_at
from valetkey.manifest.schema_auth import Refresh
from valetkey.model import DAY, HOUR, MINUTE, SECOND, Secret, TokenSet

TOKENS = TokenSet(
    access=Secret("a"),
    refresh=Secret("r"),
    issued_at=START,
    expires_at=START + HOUR,
    scopes=frozenset(),
    origins=frozenset(),
    registration="my-notes",
    connectors=frozenset(),
    consented_at=START,
)
WITHOUT = replace(TOKENS, refresh=None)
ENDLESS = replace(TOKENS, expires_at=None)
noise = st.binary(min_size=4, max_size=4)


def middle(n: int) -> bytes:
    """Randomness that is half of all there is."""
    return b"\x80" + bytes(n - 1)


@given(noise, st.integers(10 * MINUTE, 365 * DAY))
def test_what_is_in_use_is_renewed_at_four_fifths_of_its_life_give_or_take_a_tenth(
    drawn: bytes, life: int
) -> None:
    at = ahead_at(Refresh(), replace(TOKENS, expires_at=START + life), lambda _: drawn)
    assert at is not None
    assert life * 0.719 <= at - START <= life * 0.88


@pytest.mark.parametrize(
    ("refresh", "tokens"),
    [
        (Refresh(ahead=False), TOKENS),
        (Refresh(), WITHOUT),
        (Refresh(), ENDLESS),
        (Refresh(), replace(TOKENS, expires_at=START)),
        (Refresh(), replace(TOKENS, expires_at=START + 9 * MINUTE)),
    ],
    ids=["kills calls under way", "no refresh token", "no end", "no life", "too short"],
)
def test_what_cannot_be_renewed_ahead_is_renewed_when_it_is_asked_for(
    refresh: Refresh, tokens: TokenSet
) -> None:
    assert ahead_at(refresh, tokens, middle) is None


@given(noise)
def test_what_nobody_uses_is_renewed_once_a_day_and_not_before_its_end(drawn: bytes) -> None:
    def drawing(_: int) -> bytes:
        return drawn

    at = idle_at(Refresh(), TOKENS, drawing)
    assert at is not None
    assert DAY * 0.899 <= at - START <= DAY * 1.1
    late = replace(TOKENS, expires_at=START + 60 * DAY)
    assert idle_at(Refresh(), late, drawing) == START + 60 * DAY
    soon = idle_at(Refresh(idle_expiry="30d"), late, drawing)
    assert soon is not None
    assert 13 * DAY <= soon - START <= 17 * DAY


def test_without_an_end_only_an_idle_life_is_a_reason_to_renew() -> None:
    assert idle_at(Refresh(), ENDLESS, middle) is None
    assert idle_at(Refresh(idle_expiry="90d"), ENDLESS, middle) == pytest.approx(START + 45 * DAY, abs=SECOND)
    assert idle_at(Refresh(idle_expiry="90d"), WITHOUT, middle) is None


LATER = replace(TOKENS, issued_at=START + 300 * DAY, expires_at=START + 300 * DAY + HOUR)


@pytest.mark.parametrize(
    ("refresh", "tokens", "ends"),
    [
        (Refresh(), TOKENS, None),
        (Refresh(idle_expiry="90d"), TOKENS, 90 * DAY),
        (Refresh(idle_expiry="90d"), LATER, 390 * DAY),
        (Refresh(idle_expiry="90d", absolute_expiry="365d"), LATER, 365 * DAY),
        (Refresh(absolute_expiry="365d"), replace(LATER, consented_at=None), None),
        (Refresh(idle_expiry="184d"), replace(TOKENS, refresh_until=START + 7 * DAY), 7 * DAY),
        (Refresh(), WITHOUT, None),
        (Refresh(), replace(WITHOUT, expires_at=START + 60 * DAY), 60 * DAY),
        (Refresh(), replace(WITHOUT, expires_at=None), None),
    ],
    ids=[
        "no end",
        "idle",
        "idle, counted from the last renewal",
        "absolute, counted from the consent",
        "consented nobody knows when",
        "as the provider says",
        "in an hour: not worth a word",
        "a long life without a refresh token",
        "never",
    ],
)
def test_the_end_is_the_earliest_that_is_known(refresh: Refresh, tokens: TokenSet, ends: int | None) -> None:
    assert ends_at(refresh, tokens) == (None if ends is None else START + ends)
