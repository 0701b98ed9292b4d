"""What each fault answers: a table of names, each a way in which a provider or a network goes wrong."""

import gzip
import json
from collections.abc import AsyncIterator, Awaitable, Callable

import anyio
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.types import Receive, Scope, Send

from valetkey.model import Json
from valetkey.sandbox.faults import Fault

Handler = Callable[[Request], Awaitable[Response]]
Misbehave = Callable[[Fault, Request, Handler], Awaitable[Response]]

ABORT = "valetkey.sandbox.abort"
"""Where `serving` leaves, in a request's ASGI scope, the function that cuts its connection."""

STATIC: dict[str, tuple[int, str, bytes]] = {
    "server_error": (500, "text/plain", b"something broke"),
    "unavailable": (503, "text/html", b"<h1>Back soon</h1>"),
    "empty_400": (400, "application/json", b""),
    "garbage": (200, "application/json", b"\x00\x9f\x92\x96 not json at all"),
    "html": (200, "text/html", b"<html><body>Sign in to the airport wireless network</body></html>"),
    "nan": (200, "application/json", b'{"access_token": NaN, "ok": NaN, "expires_in": Infinity}'),
    "huge_integer": (200, "application/json", b'{"access_token": "x", "expires_in": 1' + b"0" * 5000 + b"}"),
    "duplicate_keys": (
        200,
        "application/json",
        b'{"access_token": "one", "access_token": "two", "ok": true}',
    ),
    "deep": (200, "application/json", b"[" * 100_000),
    "bad_charset": (200, "application/json; charset=utf-8", b'{"access_token": "\xff\xfe\xfd"}'),
    "control_token": (
        200,
        "application/json",
        b'{"access_token": "a\\r\\nX-Evil: 1", "token_type": "Bearer"}',
    ),
    "big_token": (
        200,
        "application/json",
        b'{"access_token": "' + b"a" * 20_000 + b'", "token_type": "Bearer"}',
    ),
    "error_html": (
        400,
        "application/json",
        b'{"error": "invalid_grant", "error_description": "<b>\\u001b[31m\\n"}',
    ),
}


class Dropped(Response):
    """No answer at all: the connection is cut without a byte."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if ABORT not in scope:
            raise ConnectionAbortedError("the sandbox dropped this answer")
        scope[ABORT]()
        while (await receive())["type"] != "http.disconnect":
            pass


def _static(name: str) -> Misbehave:
    status, media_type, body = STATIC[name]

    async def answer(_fault: Fault, _request: Request, _handler: Handler) -> Response:
        return Response(body, status, media_type=media_type)

    return answer


async def _too_many(fault: Fault, _request: Request, _handler: Handler) -> Response:
    """A 429 in the provider's own shape; `retry_after` is sent as it is, junk too."""
    retry_after = str(fault.options.get("retry_after", 1))
    return Response(
        json.dumps(fault.options["limited"]), 429, {"Retry-After": retry_after}, "application/json"
    )


async def _slow(fault: Fault, request: Request, handler: Handler) -> Response:
    """Wait `seconds`, before the work is done or (`after`) when it is done and only the answer is late."""
    return await _around(anyio.sleep(fault.options.get("seconds", 1)), fault, request, handler)


async def _hold(fault: Fault, request: Request, handler: Handler) -> Response:
    """Like slow, but for as long as the test says: no clock decides a race."""

    async def until_released() -> None:
        fault.arrived.set()
        await fault.released.wait()

    return await _around(until_released(), fault, request, handler)


async def _around(waiting: Awaitable[None], fault: Fault, request: Request, handler: Handler) -> Response:
    if not fault.options.get("after"):
        await waiting
        return await handler(request)
    response = await handler(request)
    await waiting
    return response


async def _drop(_fault: Fault, request: Request, handler: Handler) -> Response:
    """Do the work, then cut the connection: the client cannot know that it happened."""
    await handler(request)
    return Dropped()


async def _drop_before(_fault: Fault, _request: Request, _handler: Handler) -> Response:
    return Dropped()


async def _truncated(_fault: Fault, request: Request, handler: Handler) -> Response:
    """Do the work and send half of the JSON, as if it were whole."""
    whole = bytes((await handler(request)).body)
    return Response(whole[: len(whole) // 2], media_type="application/json")


async def _redirect(fault: Fault, _request: Request, _handler: Handler) -> Response:
    target = fault.options.get("to", "https://elsewhere.example/")
    return Response(status_code=fault.options.get("status", 302), headers={"Location": target})


async def _bomb(fault: Fault, _request: Request, _handler: Handler) -> Response:
    """A small body that unpacks to `bytes` zeros, 64 MiB unless told."""
    packed = gzip.compress(bytes(fault.options.get("bytes", 64 << 20)), compresslevel=1)
    return Response(packed, headers={"Content-Encoding": "gzip"}, media_type="application/json")


async def _oversized(fault: Fault, _request: Request, _handler: Handler) -> Response:
    """A JSON string of `bytes` letters, 16 MiB unless told, without a Content-Length."""
    return StreamingResponse(_letters(fault.options.get("bytes", 16 << 20)), media_type="application/json")


async def _letters(size: int) -> AsyncIterator[bytes]:
    yield b'{"x": "'
    for _ in range(size >> 16):
        yield b"a" * (1 << 16)
    yield b'"}'


async def _drip(fault: Fault, _request: Request, _handler: Handler) -> Response:
    """One byte each `seconds`, for `bytes` bytes: no timeout between two reads ever notices."""
    options = fault.options
    drops = _drops(options.get("bytes", 1000), options.get("seconds", 0.1))
    return StreamingResponse(drops, media_type="application/json")


async def _drops(size: int, seconds: float) -> AsyncIterator[bytes]:
    for _ in range(size):
        yield b" "
        await anyio.sleep(seconds)


async def _status(fault: Fault, _request: Request, _handler: Handler) -> Response:
    """Any status, headers and JSON body."""
    body: Json = fault.options.get("body")
    content = "" if body is None else json.dumps(body)
    headers = fault.options.get("headers", {})
    return Response(content, fault.options.get("status", 500), headers, "application/json")


async def _altered(fault: Fault, request: Request, handler: Handler) -> Response:
    """Do the work, and answer with some members of the JSON set to something else, or taken away (None)."""
    response = await handler(request)
    answer = json.loads(bytes(response.body)) | fault.options.get("set", {})
    told = {name: value for name, value in answer.items() if value is not None}
    return Response(json.dumps(told), response.status_code, media_type="application/json")


async def _set_cookie(_fault: Fault, request: Request, handler: Handler) -> Response:
    response = await handler(request)
    response.set_cookie("sandbox_trap", "whoever sends this back kept a cookie jar")
    return response


HOSTILE: dict[str, Misbehave] = {
    **{name: _static(name) for name in STATIC},
    "too_many": _too_many,
    "slow": _slow,
    "hold": _hold,
    "drop": _drop,
    "drop_before": _drop_before,
    "truncated": _truncated,
    "redirect": _redirect,
    "bomb": _bomb,
    "oversized": _oversized,
    "drip": _drip,
    "status": _status,
    "altered": _altered,
    "set_cookie": _set_cookie,
}
