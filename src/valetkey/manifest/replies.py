"""What a connector's replies mean: its error map first, then the HTTP status, then the value.

The texts are written for the model that reads them. Nothing an upstream sent is ever in one.
"""

import base64
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from valetkey.errors import CallError
from valetkey.manifest.clean import parse_json
from valetkey.manifest.requests import Response
from valetkey.manifest.shape import Expression
from valetkey.model import Effect, Json, Outcome

_LONGEST_WAIT = 900.0
_LARGEST_ERROR = 65_536

_STATUSES = {
    400: Outcome.INVALID,
    401: Outcome.RECONNECT,
    403: Outcome.FORBIDDEN,
    404: Outcome.NOT_FOUND,
    408: Outcome.UNAVAILABLE,
    409: Outcome.CONFLICT,
    410: Outcome.NOT_FOUND,
    412: Outcome.CONFLICT,
    422: Outcome.INVALID,
    429: Outcome.RATE_LIMITED,
}

_TEXTS = {
    Outcome.RECONNECT: "{title} no longer accepts this connection. The person has to connect {title} again.",
    Outcome.INSUFFICIENT_SCOPE: "{title} refused: the connection lacks a scope this tool needs.",
    Outcome.INVALID: "{title} did not accept the arguments. Check them against the tool's description.",
    Outcome.NOT_FOUND: "{title} has nothing by that name or id, or this account cannot see it.",
    Outcome.FORBIDDEN: "{title} does not let this account do that.",
    Outcome.CONFLICT: "{title} refused because of the present state: read it again, then decide.",
    Outcome.RATE_LIMITED: "{title} asks to slow down. Try again {later}.",
    Outcome.UNAVAILABLE: "{title} has a problem of its own at the moment. Try again {later}.",
    Outcome.FAILED: "{title} refused and did not say why in a way this connector knows.",
    Outcome.UNKNOWN: "{title} gave no clear answer: it may have happened. Check before trying again.",
}


class Reply(Protocol):
    """An upstream's answer; header names are in lower case."""

    @property
    def status(self) -> int: ...
    @property
    def headers(self) -> Mapping[str, str]: ...
    @property
    def body(self) -> bytes: ...


@dataclass(frozen=True, slots=True)
class Replies:
    """Reads the replies of one connector, called `title` in texts."""

    title: str
    errors: tuple[tuple[Outcome, Expression], ...]

    def expired(self, reply: Reply) -> bool:
        """Say whether the token was refused, so that renewing it once is worth a try."""
        if reply.status == 401:
            return True
        if len(reply.body) > _LARGEST_ERROR or all(code is not Outcome.RECONNECT for code, _ in self.errors):
            return False
        return self._mapped(_parsed(reply)) is Outcome.RECONNECT

    def value(self, reply: Reply, response: Response, effect: Effect) -> Json:
        """Return what the reply holds. Raises CallError for one that is an error, or not as declared."""
        value = _parsed(reply)
        outcome = self._mapped(value) or _of_status(reply.status, effect)
        if outcome:
            raise self.refused(outcome, retry_after(reply))
        if response == "json" and value is _NOTHING:
            raise CallError(Outcome.FAILED, f"{self.title} answered with something that is not JSON.")
        return value if response == "json" else _unparsed(reply, response)

    def refused(self, outcome: Outcome, seconds: float | None = None) -> CallError:
        """Return the error of an outcome, with the time to wait where one is known."""
        later = f"in {seconds:.0f} seconds" if seconds is not None else "a little later"
        text = _TEXTS[outcome].format(title=self.title, later=later)
        return CallError(outcome, text, retry_after=seconds)

    def _mapped(self, value: Json) -> Outcome | None:
        if value is _NOTHING:
            return None
        return next((outcome for outcome, predicate in self.errors if predicate.holds(value)), None)


_NOTHING = object()


def _parsed(reply: Reply) -> Json:
    """Return the JSON of a reply, {} for one without content, or _NOTHING for one that is not JSON."""
    if not reply.body:
        return {} if reply.status == 204 else _NOTHING
    try:
        return parse_json(reply.body)
    except ValueError:
        return _NOTHING


def _unparsed(reply: Reply, response: Response) -> Json:
    if response == "empty":
        return {}
    if response == "text":
        return reply.body.decode(errors="replace")
    media_type = reply.headers.get("content-type", "application/octet-stream").split(";")[0]
    return {"media_type": media_type, "size": len(reply.body), "data": base64.b64encode(reply.body).decode()}


def _of_status(status: int, effect: Effect) -> Outcome | None:
    """After a server's error nobody knows whether a write happened, unless it said it did not serve (503)."""
    if 200 <= status < 300:
        return None
    if status >= 500 and status != 503 and effect is not Effect.READ:
        return Outcome.UNKNOWN
    return Outcome.UNAVAILABLE if status >= 500 else _STATUSES.get(status, Outcome.FAILED)


def retry_after(reply: Reply) -> float | None:
    """Return the seconds of a Retry-After header, capped; a date there counts as none (RFC 9110 10.2.3)."""
    value = reply.headers.get("retry-after", "").strip()
    return (
        min(float(value), _LONGEST_WAIT) if value.isascii() and value.isdigit() and len(value) < 12 else None
    )
