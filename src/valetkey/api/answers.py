"""What the endpoints of the API share: a body read as JSON into a checked value, and answers in JSON."""

from collections.abc import Awaitable, Callable
from typing import TypeVar

from pydantic import BaseModel, ValidationError
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from valetkey.errors import CallError, OAuthError, PageError
from valetkey.model import Json, Outcome

LARGEST = 64 * 1024
"""Bytes of a request's body."""

Handler = Callable[[Request], Awaitable[Response]]
Body = TypeVar("Body", bound=BaseModel)
_NOT_KEPT = {"Cache-Control": "no-store"}


def answering(handler: Handler) -> Handler:
    """Return the endpoint of a handler: what it raises on purpose becomes an answer with the reason."""

    async def endpoint(request: Request) -> Response:
        try:
            return await handler(request)
        except OAuthError as refused:
            return _refusal(refused.status, refused.error, refused.description)
        except PageError as refused:  # a name that is not ours
            return _refusal(refused.status, "invalid_request", refused.text)
        except CallError as refused:
            return _refused_call(refused)

    return endpoint


def given(body: Json, status: int = 200) -> JSONResponse:
    """Return an answer that nobody may keep."""
    return JSONResponse(body, status, _NOT_KEPT)


async def read_json(request: Request, kind: type[Body]) -> Body:
    """Read a request's body. Raises OAuthError `invalid_request`."""
    body = bytearray()
    async for piece in request.stream():
        body += piece
        if len(body) > LARGEST:
            raise OAuthError("invalid_request", f"the body has more than {LARGEST} bytes", 413)
    try:
        return kind.model_validate_json(bytes(body))
    except ValidationError as wrong:
        first = wrong.errors(include_url=False, include_input=False)[0]
        place = ".".join(str(part) for part in first["loc"])
        raise OAuthError("invalid_request", f"{place}: {first['msg']}" if place else first["msg"]) from None


def _refused_call(refused: CallError) -> JSONResponse:
    if refused.outcome != Outcome.RATE_LIMITED:
        return _refusal(400, "invalid_request", refused.text)
    answer = _refusal(429, "rate_limited", refused.text)
    answer.headers["Retry-After"] = str(round(refused.retry_after or 1))
    return answer


def _refusal(status: int, error: str, description: str) -> JSONResponse:
    answer = given({"error": error, "error_description": description}, status)
    if status == 401:
        answer.headers["WWW-Authenticate"] = 'Basic realm="valetkey", Bearer realm="valetkey"'
    return answer
