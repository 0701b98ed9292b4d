"""How a token endpoint's answer is read, whatever it sends."""

import json
from typing import cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from valetkey.connections.answer import Answer, read_answer, read_revoked
from valetkey.egress import Incoming
from valetkey.errors import EgressAnswerLost, OAuthRefused
from valetkey.manifest.schema_auth import OAuth2
from valetkey.model import DAY, SECOND, Json

URL = "https://strict.example/strict"
YEAR = 365 * DAY


def auth(**more: Json) -> OAuth2:
    urls = {"authorize_url": f"{URL}/authorize", "token_url": f"{URL}/token"}
    return OAuth2.model_validate({"type": "oauth2", **urls, **more})


def read(body: Json, status: int = 200, *, at: str | None = None, **headers: str) -> Answer:
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    return read_answer(auth(), Incoming(status, headers, content), at)


def test_a_good_answer_is_read_whole() -> None:
    answer = read({"access_token": "a", "refresh_token": "r", "expires_in": 60, "scope": "x y"})
    assert answer.refresh is not None
    assert (answer.access.reveal(), answer.refresh.reveal()) == ("a", "r")
    assert (answer.lasts, answer.scopes) == (60 * SECOND, frozenset({"x", "y"}))


@pytest.mark.parametrize(
    ("said", "lasts"),
    [
        (3600, 3600 * SECOND),
        ("3600", 3600 * SECOND),
        (59.9, 59 * SECOND),
        (-5, 0),
        (10**30, YEAR),
        ("1e400", YEAR),
        ("soon", None),
        ("nan", None),
        (True, None),
        (None, None),
        ([3600], None),
    ],
)
def test_a_life_is_between_nothing_and_a_year_and_else_not_told(said: Json, lasts: int | None) -> None:
    assert read({"access_token": "a", "expires_in": said}).lasts == lasts


def test_a_life_that_is_not_told_is_the_manifests() -> None:
    reply = Incoming(200, {}, b'{"access_token": "a"}')
    assert read_answer(auth(expires=90), reply, None).lasts == 90 * SECOND


@pytest.mark.parametrize(
    ("said", "scopes"), [("a,b c", {"a", "b", "c"}), ("", None), (" ", None), (None, None)]
)
def test_scopes_are_split_and_none_are_as_they_were(said: Json, scopes: set[str] | None) -> None:
    reply = Incoming(200, {}, json.dumps({"access_token": "a", "scope": said}).encode())
    answer = read_answer(auth(scope_separator=","), reply, None)
    assert answer.scopes == (None if scopes is None else frozenset(scopes))


def test_the_token_is_where_the_manifest_says_and_nowhere_else() -> None:
    nested = {"ok": True, "access_token": "bot", "authed_user": {"access_token": "person"}}
    assert read(nested, at="authed_user").access.reveal() == "person"
    with pytest.raises(EgressAnswerLost):
        read({"ok": True, "access_token": "bot"}, at="authed_user")


@pytest.mark.parametrize("token", ["", "a b", "a\r\nX: 1", "é", "\ud800", "a" * 16_385, 7, None, ["a"]])
def test_a_token_that_no_header_can_hold_is_none(token: Json) -> None:
    with pytest.raises(EgressAnswerLost):
        read({"access_token": token})


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b"null",
        b"<html>",
        b'{"access_token": "a"',
        b'{"access_token": "a", "x": NaN}',
        b'{"access_token": "a", "access_token": "b"}',
        b'{"access_token": "a", "x": {"y": 1, "y": 2}}',
        b'{"access_token": "\xff"}',
        b'{"access_token": "a", "x": ' + b"[" * 50_000 + b"]" * 50_000 + b"}",
        b'{"access_token": "a", "expires_in": 1' + b"0" * 5_000 + b"}",
    ],
)
def test_what_cannot_be_read_for_certain_counts_as_lost(body: bytes) -> None:
    with pytest.raises(EgressAnswerLost):
        read(body)


@pytest.mark.parametrize(
    ("status", "body", "error"),
    [
        (200, {"error": "bad_refresh_token", "access_token": "a"}, "bad_refresh_token"),
        (200, {"ok": False, "error": "token_revoked"}, "token_revoked"),
        (200, {"ok": False, "access_token": "a"}, "http_200"),
        (200, {"error": {"message": "no"}, "access_token": "a"}, "http_200"),
        (400, {"error": "invalid_grant"}, "invalid_grant"),
        (400, {"error": "<script>"}, "http_400"),
        (400, {"error": "x" * 65}, "http_400"),
        (403, {"access_token": "a"}, "http_403"),
        (500, b"oops", "http_500"),
    ],
)
def test_an_error_is_seen_first_and_only_its_code_is_kept(status: int, body: Json, error: str) -> None:
    with pytest.raises(OAuthRefused) as caught:
        read(body, status)
    assert (caught.value.error, caught.value.status) == (error, status)


def test_an_empty_error_is_none() -> None:
    assert read({"error": "", "access_token": "a"}).access.reveal() == "a"


@pytest.mark.parametrize(
    ("sent", "seconds"),
    [
        ("7", 7),
        ("999999999", 900),
        ("9999999999", None),
        ("-1", None),
        ("Wed", None),
    ],
)
def test_retry_after_is_seconds_up_to_a_quarter_of_an_hour(sent: str, seconds: float | None) -> None:
    with pytest.raises(OAuthRefused) as caught:
        read_answer(auth(), Incoming(429, {"retry-after": sent}, b""), None)
    assert caught.value.retry_after == seconds


@pytest.mark.parametrize(
    ("status", "body", "ok", "fine"),
    [
        (200, b"", None, True),
        (200, b'{"ok": true, "revoked": true}', "ok && revoked", True),
        (200, b'{"ok": true, "revoked": false}', "ok && revoked", False),
        (200, b"", "ok && revoked", False),
        (200, b'{"ok": false, "error": "invalid_auth"}', None, False),
        (400, b'{"error": "invalid_token"}', None, False),
        (503, b"", None, False),
    ],
)
def test_a_revocation_counts_when_the_provider_says_so(
    status: int, body: bytes, ok: str | None, *, fine: bool
) -> None:
    reply = Incoming(status, {}, body)
    if fine:
        read_revoked(ok, reply)
    else:
        with pytest.raises(OAuthRefused):
            read_revoked(ok, reply)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=8,
)
names = st.sampled_from(
    ["access_token", "refresh_token", "expires_in", "scope", "error", "ok", "authed_user"]
)
bodies = st.binary() | st.dictionaries(names, json_values).map(lambda body: json.dumps(body).encode())


@given(bodies, st.integers(200, 599), st.sampled_from([None, "authed_user"]))
def test_no_answer_ends_in_anything_but_tokens_or_the_two_errors(
    body: bytes, status: int, at: str | None
) -> None:
    try:
        answer = read_answer(auth(), Incoming(status, {}, body), at)
    except (OAuthRefused, EgressAnswerLost):
        return
    assert answer.access.reveal()
    assert answer.lasts is None or 0 <= answer.lasts <= YEAR
    assert cast(object, answer.scopes) != frozenset()
