"""POST /revoke (RFC 7009): a client gives a token back, and with it the session that it belongs to."""

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from valetkey.audit import Audit
from valetkey.authserver.asking import answering, given, read_form
from valetkey.authserver.authentication import ClientAuthentication
from valetkey.authserver.issued import IssuedTokens
from valetkey.errors import OAuthError
from valetkey.model import Actor, AuditEvent
from valetkey.pages import Site
from valetkey.people import Session, Sessions
from valetkey.store import Store

PATH = "/revoke"


class RevocationEndpoint:
    """Ends what a client no longer wants."""

    def __init__(
        self,
        site: Site,
        store: Store,
        authentication: ClientAuthentication,
        issued: IssuedTokens,
        sessions: Sessions,
        audit: Audit,
    ) -> None:
        self._site, self._store, self._authentication = site, store, authentication
        self._issued, self._sessions, self._audit = issued, sessions, audit

    @property
    def route(self) -> Route:
        return Route(PATH, answering(self._answer), methods=["POST"])

    async def _answer(self, request: Request) -> Response:
        """A token that means nothing here is as revoked as one that did (section 2.2)."""
        self._site.refuse_other_hosts(request)
        form = await read_form(request)
        client = await self._authentication.client(request, form)
        found = await self._issued.find(form.need("token"))
        if found and found.session.actor != client.agent.id:
            raise OAuthError("unauthorized_client", "this token was issued to another client")
        if found:
            await self._end(found.session, client.agent.id)
        return given({})

    async def _end(self, session: Session, client_id: str) -> None:
        async with self._store.transaction() as tx:
            if await self._sessions.end(tx, session.id):
                facts = {"session": session.id}
                event = AuditEvent("token.revoked", "agent", session.principal, Actor(client_id), facts)
                await self._audit.append(tx, event)
