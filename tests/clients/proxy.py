"""A proxy as companies have them: whole answers, no event stream, no revision that it has not heard of."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

import httpx2
from mcp_types.version import HANDSHAKE_PROTOCOL_VERSIONS
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from tests.clients.serving import served
from valetkey.serving import listen

UNKNOWN = {"jsonrpc": "2.0", "id": None, "error": {"code": -32000, "message": "Unsupported protocol version"}}
ONWARD = ("authorization", "content-type", "mcp-protocol-version", "mcp-session-id")
BACK = ("content-type", "mcp-session-id", "retry-after")


@asynccontextmanager
async def buffering(url: str) -> AsyncIterator[str]:
    """Stand before the server at `url`; yields where."""
    listener = listen("127.0.0.1", 0)
    async with httpx2.AsyncClient(base_url=url, timeout=30, trust_env=False) as http:
        routes = [Route("/{path:path}", _Onward(http).hand_on, methods=["POST", "DELETE"])]
        async with served(Starlette(routes=routes), listener):
            yield f"http://127.0.0.1:{listener.getsockname()[1]}"


class _Onward:
    """Hands one request on, and its whole answer back."""

    def __init__(self, http: httpx2.AsyncClient) -> None:
        self._http = http

    async def hand_on(self, request: Request) -> Response:
        version = request.headers.get("mcp-protocol-version")
        if version is not None and version not in HANDSHAKE_PROTOCOL_VERSIONS:
            return JSONResponse(UNKNOWN, 400)
        headers = _some(request.headers, ONWARD) | {"accept": "application/json"}
        body = await request.body()
        reply = await self._http.request(request.method, request.url.path, content=body, headers=headers)
        return Response(reply.content, reply.status_code, _some(reply.headers, BACK))


def _some(headers: Mapping[str, str], names: tuple[str, ...]) -> dict[str, str]:
    return {name: headers[name] for name in names if name in headers}
