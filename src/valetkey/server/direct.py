"""The straight way of the plainest request: one first leg of a call, whole and well formed, and its result.

The SDK reads a request and shapes an answer for everything the protocol has, which costs more than the call.
Here its own checks are run over the one form that nearly every request has; whatever is not exactly that form
goes to the SDK untouched, and so does a call that came to anything but a result, to go on from there. Both
ways give the same answer (tests/server/test_direct.py). No tool here has an argument that is also a header
(`x-mcp-header`): a manifest has no word for it.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import mcp_types as types
from mcp.server.streamable_http import check_accept_headers
from mcp.shared.inbound import InboundModernRoute, classify_inbound_request, find_duplicated_routing_header
from mcp_types import methods
from pydantic_core import to_json
from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from valetkey.model import CallId, Json
from valetkey.server.callers import Callers
from valetkey.server.handlers import Begun, Handlers, begun
from valetkey.server.presences import Presences

_CALL = "tools/call"
_MOST_BYTES = 1024 * 1024
_KNOWN = {"name", "arguments", "_meta"}


@dataclass(frozen=True, slots=True)
class Plain:
    """What is left of a request once it is known to be plain."""

    id: str | int
    name: str
    arguments: Mapping[str, Json]


class Direct:
    """Stands before the SDK's way. `stamp` is what that puts into the `_meta` of every result."""

    def __init__(
        self,
        by_sdk: ASGIApp,
        handlers: Handlers,
        callers: Callers,
        presences: Presences,
        stamp: Mapping[str, Any],
    ) -> None:
        self._by_sdk, self._handlers, self._callers, self._presences = by_sdk, handlers, callers, presences
        self._meta = {types.SERVER_INFO_META_KEY: dict(stamp)}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope)
        if not _may_be_plain(request):
            await self._by_sdk(scope, receive, send)
            return
        messages = await _received(receive)
        receive = _again(messages, receive)
        plain = _plain(b"".join(message.get("body", b"") for message in messages), request.headers)
        if plain is None:
            await self._by_sdk(scope, receive, send)
            return
        call = self._handlers.new_call()
        try:
            result = await self._performed(plain, call)
        except Exception as error:  # noqa: BLE001 - whatever it is: raised again where the SDK expects it
            await self._handed_on(Begun(call, error), scope, receive, send)
            return
        await _answer(send, plain.id, _wire(result) | {"_meta": self._meta})

    async def _performed(self, plain: Plain, call: CallId) -> dict[str, Json]:
        caller = self._callers.known()
        with self._presences.during(caller, self._callers.stands):
            return await self._handlers.perform(caller, plain.name, plain.arguments, call)

    async def _handed_on(self, what: Begun, scope: Scope, receive: Receive, send: Send) -> None:
        token = begun.set(what)
        try:
            await self._by_sdk(scope, receive, send)
        finally:
            begun.reset(token)


def _may_be_plain(request: Request) -> bool:
    """Whether it is worth reading the body: a call of known length, in JSON and for JSON."""
    headers = request.headers
    length = headers.get("content-length", "")
    return (
        request.method == "POST"
        and headers.get("mcp-method") == _CALL
        and headers.get("content-type") == "application/json"
        and check_accept_headers(request)[0]
        and length.isascii()
        and length.isdecimal()
        and int(length) <= _MOST_BYTES
        and find_duplicated_routing_header(headers.items()) is None
    )


def _plain(body: bytes, headers: Headers) -> Plain | None:
    """The request, by the SDK's own checks; None for whatever it should see itself."""
    try:
        said = json.loads(body)
        params = said["params"]
        if said.keys() != {"jsonrpc", "id", "method", "params"} or not params.keys() <= _KNOWN:
            return None
        methods.validate_client_request(_CALL, headers["mcp-protocol-version"], params)
    except (
        ValueError,
        RecursionError,
        KeyError,
        TypeError,
        AttributeError,
    ):  # ValidationError is a ValueError
        return None
    route = classify_inbound_request(said, headers=dict(headers))
    well_formed = said["jsonrpc"] == "2.0" and type(said["id"]) in {str, int} and said["method"] == _CALL
    if not well_formed or not isinstance(route, InboundModernRoute):
        return None
    return Plain(said["id"], params["name"], params.get("arguments") or {})


async def _received(receive: Receive) -> list[Message]:
    """The whole body, whose length is known to be small, or what came before its client went away."""
    messages = [await receive()]
    while messages[-1].get("more_body"):
        messages.append(await receive())
    return messages


def _again(messages: list[Message], receive: Receive) -> Receive:
    """Receives first what was received already."""
    waiting = iter(messages)

    async def received() -> Message:
        return next(waiting, None) or await receive()

    return received


def _wire(result: Mapping[str, Json]) -> dict[str, Any]:
    text = {"type": "text", "text": to_json(result).decode()}
    return {"resultType": "complete", "content": [text], "structuredContent": result, "isError": False}


async def _answer(send: Send, request_id: str | int, result: Mapping[str, Any]) -> None:
    body = to_json({"jsonrpc": "2.0", "id": request_id, "result": result})
    headers = [(b"content-length", str(len(body)).encode()), (b"content-type", b"application/json")]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": body})
