"""One MCP endpoint over streamable HTTP: the SDK's low-level server behind our door."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from urllib.parse import urlsplit

from mcp.server.transport_security import TransportSecuritySettings
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from valetkey.identity import Identity, Tokens
from valetkey.identity.tokens import PATH, SCOPE
from valetkey.server.access import Door
from valetkey.server.build import build
from valetkey.server.callers import Callers
from valetkey.server.eras import Eras
from valetkey.server.handlers import Handlers
from valetkey.vault import KeyRing

_METADATA = "/.well-known/oauth-protected-resource"


class Endpoint:
    """The server at `/mcp`: `routes` to mount, `run` to keep open while it serves."""

    def __init__(
        self,
        handlers: Handlers,
        callers: Callers,
        identity: Identity,
        tokens: Tokens,
        keys: KeyRing,
        allowed_hosts: list[str],
    ) -> None:
        self._tokens = tokens
        server = build(handlers, callers, keys, tokens.issuer)
        security = TransportSecuritySettings(allowed_hosts=allowed_hosts, allowed_origins=[tokens.issuer])
        self._eras = Eras(server, security)
        metadata_url = f"{tokens.issuer}{_METADATA}{urlsplit(tokens.resource).path}"
        self._app = Door(self._eras, identity, metadata_url)

    @property
    def routes(self) -> list[Route]:
        """The endpoint, its metadata (RFC 9728) and the public keys of our tokens (RFC 7517)."""
        return [
            Route(PATH, endpoint=self._app),
            Route(_METADATA + PATH, endpoint=self._metadata),
            Route("/.well-known/jwks.json", endpoint=self._jwks),
        ]

    @asynccontextmanager
    async def run(self) -> AsyncIterator[None]:
        async with self._eras.run():
            yield

    async def _metadata(self, _: Request) -> JSONResponse:
        about = {
            "resource": self._tokens.resource,
            "resource_name": "Valetkey",
            "scopes_supported": [SCOPE],
            "bearer_methods_supported": ["header"],
        }
        return JSONResponse(about, headers={"Access-Control-Allow-Origin": "*"})

    async def _jwks(self, _: Request) -> JSONResponse:
        return JSONResponse(self._tokens.jwks(), headers={"Access-Control-Allow-Origin": "*"})
