"""Posted forms: read whole or refused, from a form's own encoding alone, no larger than a page needs."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from urllib.parse import parse_qs

import anyio
from starlette.requests import ClientDisconnect, Request

from valetkey.errors import PageError

LARGEST = 64 * 1024
SLOWEST = 30.0
"""Seconds a browser may take to send a form."""
_MOST_FIELDS = 500


@dataclass(frozen=True, slots=True)
class Form:
    """What was filled in."""

    fields: Mapping[str, Sequence[str]]

    def one(self, name: str) -> str:
        """Return the first value of a field, empty where there is none."""
        return self.fields.get(name, [""])[0]

    def all(self, name: str) -> frozenset[str]:
        """Return every value of a field: the ticked boxes of that name."""
        return frozenset(self.fields.get(name, ()))


async def read_form(request: Request) -> Form:
    """Raises PageError: 415 not a form, 413 too large, 408 too slow, 400 not readable."""
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != "application/x-www-form-urlencoded":
        raise PageError(415, "This is not a form", "Use the form on the page.")
    try:
        with anyio.fail_after(SLOWEST):
            return _parsed(await _body(request))
    except TimeoutError:
        raise PageError(408, "The form took too long to arrive", "Try again.") from None
    except ClientDisconnect:
        raise PageError(400, "The form did not arrive", "Try again.") from None


async def _body(request: Request) -> bytes:
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > LARGEST:
            raise PageError(413, "The form is too large", "Write less, and try again.")
    return bytes(body)


def _parsed(body: bytes) -> Form:
    try:
        text = body.decode("ascii")
        return Form(parse_qs(text, keep_blank_values=True, errors="strict", max_num_fields=_MOST_FIELDS))
    except ValueError:
        raise PageError(400, "The form cannot be read", "Go back to the page and try again.") from None
