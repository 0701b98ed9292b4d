"""Both eras of MCP at one URL: two session managers over one server, chosen by a request's header.

Plain JSON answers are what makes the modern era quick, and the same switch takes from the legacy era
its way back to the client: hence two.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from mcp.server.lowlevel import Server
from mcp.server.streamable_http_manager import StreamableHTTPASGIApp, StreamableHTTPSessionManager
from mcp.server.transport_security import TransportSecuritySettings
from mcp_types.version import MODERN_PROTOCOL_VERSIONS
from starlette.datastructures import Headers
from starlette.types import Receive, Scope, Send


class Eras:
    """An ASGI application for both eras. `run` it once, for as long as it serves."""

    def __init__(self, server: Server[object], security: TransportSecuritySettings) -> None:
        self._modern = StreamableHTTPSessionManager(server, json_response=True, security_settings=security)
        self._legacy = StreamableHTTPSessionManager(server, security_settings=security)
        self._to_modern, self._to_legacy = map(StreamableHTTPASGIApp, (self._modern, self._legacy))

    @asynccontextmanager
    async def run(self) -> AsyncIterator[None]:
        async with self._modern.run(), self._legacy.run():
            yield

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        version = Headers(scope=scope).get("mcp-protocol-version")
        era = self._to_modern if version in MODERN_PROTOCOL_VERSIONS else self._to_legacy
        await era(scope, receive, send)
