"""The door of the MCP endpoint: a name of ours, then a bearer token on every request, or 401 and 403 as
RFC 6750 says.

The SDK's own middleware knows no 403 for a token without a person, sends no `scope`, and writes the name
it refuses into the log as it came.
"""

from mcp.server.auth.middleware.auth_context import AuthContextMiddleware
from mcp.server.auth.middleware.bearer_auth import AuthenticatedUser
from mcp.server.auth.provider import AccessToken
from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from valetkey.audit import Audit
from valetkey.errors import NoPerson, PageError, Unauthenticated
from valetkey.identity import Identified, Identity
from valetkey.model import Actor, AuditEvent
from valetkey.pages import Site
from valetkey.people.sessions import SCOPE


class Door:
    """Lets a request through with its caller in the SDK's context, where the handlers read it."""

    def __init__(
        self, app: ASGIApp, site: Site, identity: Identity, audit: Audit, resource: str, metadata_url: str
    ) -> None:
        self._app, self._site, self._identity = AuthContextMiddleware(app), site, identity
        self._audit, self._resource, self._metadata_url = audit, resource, metadata_url

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            self._site.refuse_other_hosts(Request(scope))
            self._site.refuse_other_origins(Request(scope))
            found = await self._identity.of_token(_bearer(Headers(scope=scope)), self._resource)
            _allowed(found)
        except PageError as elsewhere:
            await PlainTextResponse(str(elsewhere), elsewhere.status)(scope, receive, send)
            return
        except Unauthenticated as refused:
            if isinstance(refused, NoPerson):
                await self._note(refused)
            await self._refusal(refused)(scope, receive, send)
            return
        through = {"headers": _trimmed(scope), "user": AuthenticatedUser(_access_token(found))}
        await self._app({**scope, **through}, receive, send)

    async def _note(self, refused: NoPerson) -> None:
        """An agent that came alone has been let in by somebody whom we trust: that is worth a record."""
        actor = Actor(refused.client) if refused.client else None
        facts = {"endpoint": self._resource, "reason": "no_person"}
        await self._audit.note(AuditEvent("caller.refused", "agent", None, actor, facts))

    def _refusal(self, refused: Unauthenticated) -> JSONResponse:
        if refused.status == 503:  # its issuer cannot be asked: on a 401 a client would throw it away
            return JSONResponse({"error": str(refused)}, 503, {"Retry-After": "10"})
        error = "invalid_token" if refused.status == 401 else "insufficient_scope"
        parts = {
            "error": error,
            "error_description": str(refused),
            "scope": SCOPE,
            "resource_metadata": self._metadata_url,
        }
        challenge = "Bearer " + ", ".join(f'{name}="{value}"' for name, value in parts.items())
        body = {"error": error, "error_description": str(refused)}
        headers = {"WWW-Authenticate": challenge, "Cache-Control": "no-store"}
        return JSONResponse(body, refused.status, headers)


def _trimmed(scope: Scope) -> list[tuple[bytes, bytes]]:
    """The headers without whitespace after a value, which is no part of it (RFC 9110 section 5.5).

    httptools leaves it there, and the SDK would refuse such a header as unlike the body.
    """
    return [(name, value.strip(b" \t")) for name, value in scope["headers"]]


def _bearer(headers: Headers) -> str:
    """The one Authorization header; a token anywhere else, such as the query, is never looked at."""
    values = headers.getlist("authorization")
    scheme, _, token = values[0].partition(" ") if len(values) == 1 else ("", "", "")
    if scheme.lower() != "bearer" or not token:
        raise Unauthenticated("a bearer token is needed")
    return token.strip()


def _allowed(found: Identified) -> None:
    if SCOPE not in found.claims.scopes:
        raise Unauthenticated("this token is not for calling tools", status=403)


def _access_token(found: Identified) -> AccessToken:
    """In the SDK's words. `iss` is the issuer's key: sessions and request state bind to the principal."""
    caller, claims = found.caller, found.claims
    return AccessToken(
        token="",  # nothing behind this door needs it, and what is not there cannot leak
        client_id=caller.actor.client,
        scopes=list(claims.scopes),
        expires_at=claims.until,
        resource=claims.resource,
        subject=caller.principal.subject,
        claims={
            "iss": caller.principal.issuer,
            "sid": caller.session,
            "chain": caller.actor.chain,
            "away": caller.away,
        },
    )
