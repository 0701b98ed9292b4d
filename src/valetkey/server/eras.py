"""Both eras of MCP at one URL: session managers over one server, chosen by what a request says of itself.

Plain JSON answers are what makes the modern era quick, and the same switch takes from the legacy era its
way back to the client: hence two. A third answers the legacy clients that accept no event stream; they have
no such way to begin with.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from mcp.server.lowlevel import Server
from mcp.server.streamable_http import MCP_SESSION_ID_HEADER, check_accept_headers
from mcp.server.streamable_http_manager import StreamableHTTPSessionManager
from mcp_types import INVALID_REQUEST
from mcp_types.version import MODERN_PROTOCOL_VERSIONS
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.types import Receive, Scope, Send

from valetkey.server.places import NoPlace, Places

_TRY_AGAIN_SECONDS = 60


class Eras:
    """An ASGI application for both eras. `run` it once, for as long as it serves."""

    def __init__(self, server: Server[object], places: Places) -> None:
        # Without the SDK's check of Host and Origin: the door makes it, and writes no header into a log.
        self._modern = StreamableHTTPSessionManager(server, json_response=True)
        self._legacy, self._plain = places.manager(server), places.manager(server, json_response=True)
        self._places = places

    @asynccontextmanager
    async def run(self) -> AsyncIterator[None]:
        async with self._modern.run(), self._legacy.run(), self._plain.run():
            yield

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await self._manager(Request(scope)).handle_request(scope, receive, send)
        except NoPlace:
            await self._no_place()(scope, receive, send)

    def _manager(self, request: Request) -> StreamableHTTPSessionManager:
        if request.headers.get("mcp-protocol-version") in MODERN_PROTOCOL_VERSIONS:
            return self._modern
        session = request.headers.get(MCP_SESSION_ID_HEADER)
        plain = self._plain.has(session) if session else _accepts_json_alone(request)
        return self._plain if plain else self._legacy

    def _no_place(self) -> JSONResponse:
        text = (
            f"The person you act for has {self._places.most} sessions open here, as many as anybody may. End "
            f"one with DELETE, or wait: one that is not used ends after {self._places.idle / 60:.0f} minutes."
        )
        error = {"code": INVALID_REQUEST, "message": text}
        body = {"jsonrpc": "2.0", "id": None, "error": error}
        return JSONResponse(body, 429, {"Retry-After": str(_TRY_AGAIN_SECONDS)})


def _accepts_json_alone(request: Request) -> bool:
    """Whether a link cannot be pushed to this client, because a push needs an event stream."""
    return check_accept_headers(request) == (True, False)
