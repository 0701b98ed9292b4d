"""POST /introspect (RFC 7662): whether a token is good now, told to clients that have authenticated."""

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from valetkey.authserver.asking import Client, answering, given, read_form
from valetkey.authserver.authentication import ClientAuthentication
from valetkey.authserver.issued import Issued, IssuedTokens
from valetkey.authserver.refresh_tokens import RefreshTokens
from valetkey.identity import Claims
from valetkey.identity.tokens import whose
from valetkey.model import Json
from valetkey.pages import Site
from valetkey.people import Agents
from valetkey.store import Reads

PATH = "/introspect"
_INACTIVE: dict[str, Json] = {"active": False}
"""All that is said of what is not good, whatever the reason (section 2.2)."""


class IntrospectionEndpoint:
    """Looks at tokens for those who receive them."""

    def __init__(
        self,
        site: Site,
        db: Reads,
        authentication: ClientAuthentication,
        issued: IssuedTokens,
        refresh_tokens: RefreshTokens,
        agents: Agents,
        issuer: str,
    ) -> None:
        self._site, self._db, self._authentication = site, db, authentication
        self._issued, self._refresh_tokens = issued, refresh_tokens
        self._agents, self._issuer = agents, issuer

    @property
    def route(self) -> Route:
        return Route(PATH, answering(self._answer), methods=["POST"])

    async def _answer(self, request: Request) -> Response:
        self._site.refuse_other_hosts(request)
        form = await read_form(request)
        client = await self._authentication.proven(request, form)
        token = form.need("token")
        found = await self._issued.find(token)
        if found is None or not await self._may_act(found):
            return given(_INACTIVE)
        if found.claims is None:
            return given(await self._of_refresh_token(client, found, token))
        return given(self._of_access_token(found, found.claims))

    async def _may_act(self, found: Issued) -> bool:
        """Whether the agent that a token is for may do anything now."""
        agent = await self._agents.get(self._db, found.session.actor or "")
        return agent is not None and agent.suspended is None

    async def _of_refresh_token(self, client: Client, found: Issued, token: str) -> dict[str, Json]:
        """A refresh token is nobody's business but its client's."""
        session = found.session
        if session.actor != client.agent.id or not await self._refresh_tokens.is_good(token):
            return _INACTIVE
        scope, until = " ".join(session.scopes), session.until // 1000
        return {"active": True, "client_id": session.actor, "scope": scope, "exp": until}

    def _of_access_token(self, found: Issued, claims: Claims) -> dict[str, Json]:
        return {
            "active": True,
            "token_type": "Bearer",
            "scope": " ".join(claims.scopes),
            "iss": self._issuer,
            "aud": claims.resource,
            "exp": claims.until,
            "sid": found.session.id,
            **whose(found.session),
        }
