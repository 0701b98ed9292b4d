from collections.abc import Mapping
from dataclasses import dataclass, field

import pytest

from valetkey.errors import CallError
from valetkey.manifest.replies import Replies, retry_after
from valetkey.manifest.shape import Expression
from valetkey.model import Effect, Json, Outcome

REPLIES = Replies(
    "Acme",
    (
        (Outcome.RECONNECT, Expression("error == 'token_expired'")),
        (Outcome.NOT_FOUND, Expression("error == 'gone'")),
        (Outcome.FAILED, Expression("ok == `false`")),
    ),
)


@dataclass(frozen=True)
class Said:
    status: int = 200
    body: bytes = b"{}"
    headers: Mapping[str, str] = field(default_factory=dict)


def outcome(reply: Said, effect: Effect = Effect.READ) -> tuple[str, float | None]:
    with pytest.raises(CallError) as error:
        REPLIES.value(reply, "json", effect)
    assert "Acme" in error.value.text
    return error.value.outcome, error.value.retry_after


@pytest.mark.parametrize(
    ("status", "code"),
    [
        *((400, "invalid"), (401, "reconnect"), (403, "forbidden"), (404, "not_found"), (408, "unavailable")),
        *((409, "conflict"), (410, "not_found"), (412, "conflict"), (418, "failed"), (422, "invalid")),
        *((429, "rate_limited"), (500, "unavailable"), (502, "unavailable"), (503, "unavailable")),
        *((504, "unavailable"), (304, "failed")),
    ],
)
def test_a_status_is_an_outcome(status: int, code: str) -> None:
    assert outcome(Said(status)) == (code, None)


@pytest.mark.parametrize(
    ("status", "code"), [(500, "unknown"), (502, "unknown"), (504, "unknown"), (503, "unavailable")]
)
@pytest.mark.parametrize("effect", [Effect.WRITE, Effect.DESTROY])
def test_a_server_s_error_after_a_write_may_mean_it_happened(status: int, code: str, effect: Effect) -> None:
    assert outcome(Said(status), effect)[0] == code


@pytest.mark.parametrize(
    ("status", "body", "code"),
    [
        (200, b'{"ok": false, "error": "gone"}', "not_found"),
        (200, b'{"ok": false, "error": "other"}', "failed"),
        (500, b'{"error": "gone"}', "not_found"),
        (404, b'{"error": "token_expired"}', "reconnect"),
        (404, b"<html>", "not_found"),
        (200, b"<html>", "failed"),
        (200, b"", "failed"),
        (200, b"[" * 10_000, "failed"),
    ],
)
def test_the_error_map_comes_before_the_status(status: int, body: bytes, code: str) -> None:
    assert outcome(Said(status, body))[0] == code


def test_no_text_holds_what_the_upstream_said() -> None:
    for status in (200, 400, 401, 403, 404, 409, 429, 500, 502):
        for effect in Effect:
            with pytest.raises(CallError) as error:
                REPLIES.value(Said(status, b"<b>secret-canary 10.0.0.1</b>"), "json", effect)
            assert "canary" not in error.value.text
            assert error.value.__cause__ is None


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        *(("3", 3.0), (" 3 ", 3.0), ("100000000", 900.0), ("9" * 400, None), ("-1", None), ("", None)),
        *(("Sun, 06 Nov 2099 08:49:37 GMT", None), ("1.5", None), ("٣", None), ("soon", None)),
    ],
)
def test_retry_after_is_a_capped_number_of_seconds(header: str, seconds: float | None) -> None:
    reply = Said(429, headers={"retry-after": header})
    assert retry_after(reply) == seconds
    assert outcome(reply) == ("rate_limited", seconds)


@pytest.mark.parametrize(
    ("reply", "expired"),
    [
        (Said(401, b""), True),
        (Said(200, b'{"error": "token_expired"}'), True),
        (Said(200, b'{"error": "gone"}'), False),
        (Said(403, b""), False),
        (Said(200, b'{"error": "token_expired", "x": "' + b"x" * 70_000 + b'"}'), False),
    ],
)
def test_an_expired_token_is_seen_in_status_and_body(reply: Said, *, expired: bool) -> None:
    assert REPLIES.expired(reply) is expired


def test_without_a_reconnect_entry_only_the_status_counts() -> None:
    replies = Replies("Acme", ())
    assert not replies.expired(Said(200, b'{"error": "token_expired"}'))
    assert replies.expired(Said(401))


@pytest.mark.parametrize(
    ("response", "reply", "value"),
    [
        ("json", Said(200, b'{"a": [1]}'), {"a": [1]}),
        ("json", Said(204, b""), {}),
        ("empty", Said(200, b"whatever"), {}),
        ("text", Said(200, "Grüße".encode()), "Grüße"),
        ("text", Said(200, b"\xff"), "\ufffd"),
        (
            "bytes",
            Said(200, b"\x89PNG", {"content-type": "image/png; x=y"}),
            {"media_type": "image/png", "size": 4, "data": "iVBORw=="},
        ),
    ],
)
def test_a_reply_is_read_as_declared(response: str, reply: Said, value: Json) -> None:
    assert REPLIES.value(reply, response, Effect.READ) == value  # type: ignore[arg-type]  # of the parameters
