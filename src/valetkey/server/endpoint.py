"""One MCP endpoint over streamable HTTP: the SDK's low-level server behind our door."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from valetkey.audit import Audit
from valetkey.identity import Identity, Tokens
from valetkey.identity.tokens import PATH
from valetkey.pages import Site
from valetkey.people.sessions import SCOPE
from valetkey.server.access import Door
from valetkey.server.build import build
from valetkey.server.callers import Callers
from valetkey.server.changes import Changes
from valetkey.server.direct import Direct
from valetkey.server.eras import Eras
from valetkey.server.handlers import Handlers
from valetkey.server.places import Places
from valetkey.vault import KeyRing

_METADATA = "/.well-known/oauth-protected-resource"
ANYBODY = {"Access-Control-Allow-Origin": "*"}
_KEPT = {"Cache-Control": "public, max-age=300"}
"""Whoever verifies our tokens looks again by then, or when they meet a key they do not know."""


class Endpoint:
    """The server at `/mcp`, or at `/mcp/NAME`: `routes` to mount, `run` to keep open while it serves.

    `others` are the URLs of other issuers whose tokens open it.
    """

    def __init__(
        self,
        name: str,
        handlers: Handlers,
        callers: Callers,
        changes: Changes,
        places: Places,
        identity: Identity,
        tokens: Tokens,
        keys: KeyRing,
        site: Site,
        audit: Audit,
        others: Sequence[str],
    ) -> None:
        self._path = f"{PATH}/{name}" if name else PATH
        self._issuers, self.resource = [tokens.issuer, *others], tokens.issuer + self._path
        server = build(handlers, callers, changes, keys, self.resource)
        self._eras = Eras(server, places)
        direct = Direct(self._eras, handlers, callers, changes.presences, server.server_info_stamp)
        metadata_url = f"{tokens.issuer}{_METADATA}{self._path}"
        self._app = Door(direct, site, identity, audit, self.resource, metadata_url)

    @property
    def routes(self) -> list[Route]:
        """The endpoint and its metadata (RFC 9728)."""
        return [
            Route(self._path, endpoint=self._app),
            Route(_METADATA + self._path, endpoint=self._metadata),
        ]

    @asynccontextmanager
    async def run(self) -> AsyncIterator[None]:
        async with self._eras.run():
            yield

    async def _metadata(self, _: Request) -> JSONResponse:
        about = {
            "resource": self.resource,
            "resource_name": "Valetkey",
            "authorization_servers": self._issuers,
            "scopes_supported": [SCOPE],
            "bearer_methods_supported": ["header"],
        }
        return JSONResponse(about, headers=ANYBODY)


def public_keys(tokens: Tokens) -> Route:
    """The route of the public keys of our tokens (RFC 7517): also of those that another process made."""

    async def jwks(_: Request) -> JSONResponse:
        await tokens.renew()
        return JSONResponse(tokens.jwks(), headers={**ANYBODY, **_KEPT})

    return Route("/.well-known/jwks.json", endpoint=jwks)
