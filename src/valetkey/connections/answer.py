"""How a token endpoint's answer is read: strictly, errors first, whatever the status says.

Nothing of the answer's own text is kept but the error code: descriptions are written by others.
"""

import json
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import NoReturn

from valetkey.egress import Incoming
from valetkey.errors import EgressAnswerLost, OAuthRefused
from valetkey.manifest.schema_auth import OAuth2
from valetkey.manifest.shape import Expression
from valetkey.model import SECOND, Json, Secret

_TOKEN = re.compile(r"[\x21-\x7e]{1,16384}")
_CODE = re.compile(r"[A-Za-z0-9_.:-]{1,64}")
_YEAR = 365 * 24 * 3600
_LONGEST_WAIT = 15 * 60

A_PAGE = "a_page"
"""The code of a refusal that is a page for people: of something on the way, and not the token endpoint's."""


@dataclass(frozen=True, slots=True)
class Answer:
    """A good answer. `lasts` is in milliseconds, None: not told; `scopes` None: as they were asked.

    `refresh_lasts` is the life of the refresh token, where a provider says it.
    """

    access: Secret
    refresh: Secret | None
    lasts: int | None
    scopes: frozenset[str] | None
    refresh_lasts: int | None = None


def read_answer(auth: OAuth2, reply: Incoming, token_at: str | None) -> Answer:
    """Read the answer to a redemption or a refresh (RFC 6749 sections 5.1 and 5.2).

    `token_at` is the JMESPath of the object that holds the token, None where it is the answer itself.

    Raises OAuthRefused with the provider's code; EgressAnswerLost where a 2xx answer cannot be read:
    the provider may have done its part.
    """
    body = _object(reply)
    if refusal := _refusal(reply, body):
        raise refusal
    at = Expression(token_at).search(body) if token_at else body
    if not isinstance(at, Mapping):
        raise EgressAnswerLost("the token endpoint's answer has no token where the manifest says")
    access = _token(at.get("access_token"))
    if access is None:
        raise EgressAnswerLost("the token endpoint's answer holds no usable access token")
    lasts = _lasts(at.get("expires_in", auth.expires), _YEAR)
    refresh_lasts = _lasts(at.get("refresh_token_expires_in"), 10 * _YEAR) or None  # some write 0 for "never"
    scopes = _scopes(auth, at.get("scope"))
    return Answer(access, _token(at.get("refresh_token")), lasts, scopes, refresh_lasts)


def read_revoked(ok: str | None, reply: Incoming) -> None:
    """Read the answer to a revocation (RFC 7009 section 2.2). Raises OAuthRefused."""
    body = _object(reply)
    if refusal := _refusal(reply, body):
        raise refusal
    if ok and not Expression(ok).holds(body):
        raise OAuthRefused("not_confirmed", reply.status)


def _refusal(reply: Incoming, body: Mapping[str, Json]) -> OAuthRefused | None:
    error = body.get("error")
    if error or body.get("ok") is False or reply.status >= 300:
        code = error if isinstance(error, str) and _CODE.fullmatch(error) else _without_code(reply)
        return OAuthRefused(code, reply.status, _retry_after(reply))
    return None


def _without_code(reply: Incoming) -> str:
    page = "html" in reply.headers.get("content-type", "") or reply.body.lstrip().startswith(b"<")
    return A_PAGE if page else f"http_{reply.status}"


def _object(reply: Incoming) -> Mapping[str, Json]:
    """The body as a JSON object; an empty one for anything else, so that no body is ever shown."""
    try:
        body = json.loads(reply.body, object_pairs_hook=_each_once, parse_constant=_not_json)
    except (ValueError, RecursionError):
        return {}
    return body if isinstance(body, dict) else {}


def _each_once(pairs: list[tuple[str, Json]]) -> dict[str, Json]:
    """Two tokens of one name: whoever read the other one would disagree with us about what was issued."""
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError("a name comes twice")
    return found


def _not_json(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is not JSON")


def _token(value: Json) -> Secret | None:
    return Secret(value) if isinstance(value, str) and _TOKEN.fullmatch(value) else None


def _lasts(value: Json, most: int) -> int | None:
    """A life in milliseconds, clamped to `most` seconds: some send it as text, some send nonsense."""
    if isinstance(value, bool):
        return None
    try:
        seconds = float(value)
    except (TypeError, ValueError, OverflowError):
        return None
    if math.isnan(seconds):
        return None
    return int(min(max(seconds, 0), most)) * SECOND


def _scopes(auth: OAuth2, value: Json) -> frozenset[str] | None:
    if not isinstance(value, str):
        return None
    parts = re.split(rf"[\s{re.escape(auth.scope_separator)}]+", value)
    return frozenset(filter(None, parts)) or None  # an empty text says no more than none does


def _retry_after(reply: Incoming) -> float | None:
    """Seconds to wait (RFC 9110 section 10.2.3), a date counted from the answer's own; never too many."""
    text = reply.headers.get("retry-after", "")
    if text.isdecimal() and len(text) < 10:
        return min(float(text), _LONGEST_WAIT)
    try:
        until, now = (parsedate_to_datetime(when) for when in (text, reply.headers.get("date", "")))
        return min(max((until - now).total_seconds(), 0), _LONGEST_WAIT)
    except (ValueError, TypeError, OverflowError):  # junk, or a time zone in one of them alone
        return None
