"""Ids that sort by time, and a Secret that nothing shows but `reveal`."""

import copy
import json
import logging
import pickle
import uuid
from collections.abc import Callable
from dataclasses import FrozenInstanceError, replace

import pytest

from tests.support.clock import FakeClock
from valetkey.model import Actor, Caller, Ids, Principal, Secret, SystemClock, TokenSet

CANARY = "xoxp-canary-7d1"


def test_an_id_is_its_prefix_and_a_version_7_uuid_of_the_present_time(clock: FakeClock) -> None:
    prefix, _, digits = Ids(clock).new("con").partition("_")
    value = uuid.UUID(digits)
    assert (prefix, len(digits), value.version, value.variant) == ("con", 32, 7, uuid.RFC_4122)
    assert value.int >> 80 == clock.now()


@pytest.mark.parametrize("byte", [0x00, 0xFF])
def test_randomness_at_its_extremes_does_not_spill_over_version_and_variant(
    clock: FakeClock, byte: int
) -> None:
    value = uuid.UUID(Ids(clock, lambda n: bytes([byte]) * n).new("x")[2:])
    assert (value.version, value.variant, value.int >> 80) == (7, uuid.RFC_4122, clock.now())


def test_ids_sort_by_the_time_they_were_made(clock: FakeClock) -> None:
    ids, made = Ids(clock), []
    for step in (1, 1, 998, 60_000, 10**9):
        clock.advance(step)
        made.append(ids.new("con"))
    assert made == sorted(made)


def test_ids_of_one_millisecond_differ(ids: Ids) -> None:
    assert len({ids.new("con") for _ in range(2_000)}) == 2_000


def test_the_systems_clock_counts_milliseconds() -> None:
    assert 1_600_000_000_000 < SystemClock().now() < 4_000_000_000_000


def logged(secret: Secret) -> str:
    return logging.LogRecord("x", logging.INFO, "f", 1, "token %s %r", (secret, [secret]), None).getMessage()


SHOWN: dict[str, Callable[[Secret], str]] = {
    "repr": repr,
    "str": str,
    "format": format,
    "f-string": lambda secret: f"{secret} {secret!r} {secret!s:>50}",
    "format with a width": lambda secret: f"{secret:>50}",
    "percent": lambda secret: "%s %r" % (secret, secret),  # noqa: UP031 - the old way to format is a way to leak
    "in a list": lambda secret: str([secret]),
    "in a token set": lambda secret: repr(replace(token_set(secret), refresh=secret)),
    "in an exception": lambda secret: repr(ValueError(secret)) + str(ValueError(secret)),
    "in a log record": logged,
}


def token_set(secret: Secret) -> TokenSet:
    return TokenSet(
        access=secret,
        refresh=None,
        issued_at=0,
        expires_at=None,
        scopes=frozenset(),
        origins=frozenset({"https://slack.com"}),
        registration="my-slack",
        connectors=frozenset({"slack"}),
    )


@pytest.mark.parametrize("show", SHOWN.values(), ids=SHOWN)
def test_a_secret_shows_only_stars(show: Callable[[Secret], str]) -> None:
    assert CANARY not in show(Secret(CANARY))
    assert "***" in show(Secret(CANARY))


@pytest.mark.parametrize("take", [json.dumps, pickle.dumps, copy.copy, copy.deepcopy, hash, dict, list, vars])
def test_a_secret_cannot_be_carried_away(take: Callable[[Secret], object]) -> None:
    with pytest.raises(TypeError) as caught:
        take(Secret(CANARY))
    assert CANARY not in str(caught.value)


def test_a_secret_is_compared_by_what_it_holds() -> None:
    one, other = Secret(CANARY), Secret(CANARY + "!")
    assert one == Secret(CANARY)
    assert one != other
    assert one != CANARY  # a plain string is no Secret
    assert Secret("ü") == Secret("ü")
    assert (bool(one), bool(Secret(""))) == (True, False)


def test_a_secret_is_revealed_on_request() -> None:
    assert Secret(CANARY).reveal() == CANARY


def test_two_issuers_with_the_same_subject_are_two_people() -> None:
    assert Principal("local", "1") != Principal("corp", "1")
    assert len({Principal("a", "b:c"), Principal("a:b", "c"), Principal("a", "b:c")}) == 2


def test_a_caller_cannot_be_changed() -> None:
    caller = Caller(Principal("local", "ana"), Actor("claude"), "ses_1")
    with pytest.raises(FrozenInstanceError):
        caller.session = "ses_2"  # type: ignore[misc]  # that it is refused is the point
