"""What the endpoints of our authorization server share: a client that asks, its form, and the answers.

A body is a form (RFC 6749 appendix B) of which every parameter comes at most once (section 3.2).
"""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Protocol
from urllib.parse import parse_qsl

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from valetkey.errors import OAuthError, PageError
from valetkey.model import Json
from valetkey.people import Agent

LARGEST = 64 * 1024
"""Bytes of a request's body."""

_NOT_KEPT = {"Cache-Control": "no-store", "Pragma": "no-cache"}
_MOST = 50


@dataclass(frozen=True, slots=True)
class Client:
    """The client that asks. `proven`: it authenticated; a public one has only said which it is."""

    agent: Agent
    proven: bool


class Form:
    """The parameters of a request to an endpoint."""

    def __init__(self, parameters: Mapping[str, str]) -> None:
        self._parameters = parameters

    def get(self, name: str) -> str | None:
        """Return a parameter; without a value it counts as left out (RFC 6749 section 3.2)."""
        return self._parameters.get(name) or None

    def need(self, name: str) -> str:
        """Raises OAuthError `invalid_request` where a parameter is missing."""
        if (value := self.get(name)) is None:
            raise OAuthError("invalid_request", f"`{name}` is missing")
        return value


class GrantType(Protocol):
    """One way to get a token (RFC 6749 section 4)."""

    async def answer(self, client: Client, form: Form) -> dict[str, Json]:
        """Return the answer with the token (RFC 6749 section 5.1). Raises OAuthError."""
        ...


async def read_form(request: Request) -> Form:
    """Read a request's form. Raises OAuthError `invalid_request`."""
    if (
        request.headers.get("content-type", "").partition(";")[0].strip()
        != "application/x-www-form-urlencoded"
    ):
        raise OAuthError("invalid_request", "send the parameters as application/x-www-form-urlencoded")
    body = await read_body(request)
    try:
        pairs = parse_qsl(body.decode(), keep_blank_values=True, max_num_fields=_MOST, errors="strict")
    except ValueError:
        raise OAuthError("invalid_request", "the form cannot be read") from None
    if len({name for name, _ in pairs}) != len(pairs):
        raise OAuthError("invalid_request", "a parameter came twice")
    return Form(dict(pairs))


async def read_body(request: Request) -> bytes:
    """Read a request's body. Raises OAuthError `invalid_request` where it is too large."""
    body = bytearray()
    async for piece in request.stream():
        body += piece
        if len(body) > LARGEST:
            raise OAuthError("invalid_request", f"the body has more than {LARGEST} bytes", 413)
    return bytes(body)


def answering(handler: Callable[[Request], Awaitable[Response]]) -> Callable[[Request], Awaitable[Response]]:
    """Return the endpoint of a handler: what it raises on purpose becomes the answer RFC 6749 gives it."""

    async def endpoint(request: Request) -> Response:
        try:
            return await handler(request)
        except OAuthError as refused:
            return refusal(refused)
        except PageError as refused:  # a name that is not ours, too many tries
            return refusal(OAuthError("invalid_request", refused.text, refused.status))

    return endpoint


def given(body: Mapping[str, Json], status: int = 200) -> JSONResponse:
    """Return an answer that nobody may keep (RFC 6749 section 5.1)."""
    return JSONResponse(dict(body), status, _NOT_KEPT)


def refusal(refused: OAuthError) -> JSONResponse:
    """Return the answer of a refusal (RFC 6749 section 5.2)."""
    body = {"error": refused.error, "error_description": refused.description, **refused.more}
    headers = {"WWW-Authenticate": 'Basic realm="valetkey"'} if refused.status == 401 else {}
    return JSONResponse(body, refused.status, {**_NOT_KEPT, **headers})
