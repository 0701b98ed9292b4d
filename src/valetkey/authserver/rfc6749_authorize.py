"""/authorize (RFC 6749 section 3.1): a client asks to be let in, and a person decides it on our own page.

Every consent is a new one, for one client, and takes the person's proof that they are there.
"""

from dataclasses import dataclass
from urllib.parse import urlsplit

from starlette.responses import Response
from starlette.routing import Route

from valetkey.audit import Audit
from valetkey.authserver.asked import SCOPES, Asked, Parameters, asked, redirect_uri
from valetkey.authserver.authorizations import Authorizations
from valetkey.authserver.clients import Clients
from valetkey.authserver.codes import LASTS as CODE_LASTS
from valetkey.authserver.codes import Codes
from valetkey.authserver.redirects import fits, on_this_computer, place
from valetkey.authserver.refresh_tokens import AT_MOST, IDLE
from valetkey.errors import OAuthError, PageError
from valetkey.model import Actor, AuditEvent, Principal
from valetkey.pages import Form, Pages, Visit
from valetkey.pages.proof import Proof, Wrong
from valetkey.pages.returning import sign_in_first
from valetkey.people import Agent, Kind, Session, Sessions
from valetkey.store import Store, Transaction

PATH = "/authorize"
_LONGEST_QUERY = 8 * 1024
_NOTHING_WRONG = Wrong(200, "")


@dataclass(frozen=True, slots=True)
class _Hearing:
    """A request before a person who is signed in."""

    visit: Visit
    session: Session
    id: str
    asked: Asked
    until: int
    client: Agent


class AuthorizeEndpoint:
    """Puts clients before people.

    `resources` are the URLs of our MCP endpoints, `usual` is one of them. `most`: clients of one person.
    """

    def __init__(
        self,
        store: Store,
        sessions: Sessions,
        clients: Clients,
        authorizations: Authorizations,
        codes: Codes,
        audit: Audit,
        proof: Proof,
        *,
        issuer: str,
        resources: frozenset[str],
        usual: str,
        most: int,
    ) -> None:
        self._store, self._sessions, self._clients = store, sessions, clients
        self._authorizations, self._codes = authorizations, codes
        self._audit, self._proof = audit, proof
        self._issuer, self._resources, self._usual, self._most = issuer, resources, usual, most

    def routes(self, pages: Pages) -> list[Route]:
        return [
            pages.route(PATH, get=self._ask),
            pages.route(f"{PATH}/{{authorization}}", get=self._show, post=self._answer),
        ]

    async def _ask(self, visit: Visit) -> Response:
        """Check a request and let it wait for its person."""
        parameters = _parameters(visit)
        try:
            client = await self._clients.client(parameters.need("client_id"))
            back_to = redirect_uri(parameters, client)
        except OAuthError as refused:  # not to be sent anywhere: whoever made this address chose where to
            raise _unknown(refused) from None
        try:
            request = asked(parameters, client, back_to, self._resources, self._usual)
        except OAuthError as refused:
            nowhere = Asked(client.id, back_to, parameters.state(), "", "")
            return visit.see(nowhere.answer(self._issuer, **_told(refused)))
        return visit.see(f"{PATH}/{await self._authorizations.keep(request)}")

    async def _show(self, visit: Visit) -> Response:
        if visit.session is None:
            return sign_in_first(visit, visit.request.url.path)
        return await self._page(await self._heard(visit, visit.session), _NOTHING_WRONG)

    async def _answer(self, visit: Visit, form: Form) -> Response:
        if visit.session is None:
            return sign_in_first(visit, visit.request.url.path)
        hearing = await self._heard(visit, visit.session)
        if form.one("decision") != "allow":
            return await self._declined(hearing)
        if wrong := await self._proof.wrong(hearing.session, form, hearing.id):
            return await self._page(hearing, wrong)
        return await self._allowed(hearing)

    async def _heard(self, visit: Visit, session: Session) -> _Hearing:
        """Read the request, and its client anew: it may have changed, or been suspended, since it asked."""
        authorization = visit.request.path_params["authorization"]
        request, until = await self._authorizations.get(self._store, authorization)
        try:
            client = await self._clients.client(request.client)
        except OAuthError as refused:
            raise _unknown(refused) from None
        if client.suspended is not None or not fits(
            request.redirect_uri, client.metadata.get("redirect_uris", ())
        ):
            raise _unknown(OAuthError("invalid_client", "this client is no longer what it was when it asked"))
        return _Hearing(visit, session, authorization, request, until, client)

    async def _page(self, hearing: _Hearing, wrong: Wrong) -> Response:
        return hearing.visit.page(
            "authorize.html",
            status=wrong.status,
            form_to=[hearing.asked.redirect_uri],
            client=hearing.client,
            vouched_by=urlsplit(hearing.client.id).netloc if hearing.client.kind is Kind.DOCUMENT else "",
            place=place(hearing.asked.redirect_uri),
            here=on_this_computer(hearing.asked.redirect_uri),
            resource=hearing.asked.resource,
            idle=IDLE,
            at_most=AT_MOST,
            until=hearing.until,
            wrong_proof=wrong.text,
            ways=await self._proof.ways(hearing.session, hearing.id),
        )

    async def _allowed(self, hearing: _Hearing) -> Response:
        """Sign the client in, and send the browser back to it with a code.

        Until its client redeems the code, the session lives no longer than that.
        """
        asked, principal = hearing.asked, hearing.session.principal
        async with self._store.transaction() as tx:
            await self._authorizations.take(tx, hearing.id)
            await self._clients.let_in(tx, hearing.client)
            session = await self._sessions.start_client(
                tx,
                principal,
                asked.client,
                CODE_LASTS,
                scopes=SCOPES,
                resource=asked.resource,
                label=place(asked.redirect_uri),
            )
            await self._make_room(tx, principal)
            code = await self._codes.make(tx, session, asked.redirect_uri, asked.challenge)
            await self._audit.append(tx, _event("client.signed_in", hearing, session=session.id))
        return hearing.visit.see(asked.answer(self._issuer, code=code))

    async def _make_room(self, tx: Transaction, principal: Principal) -> None:
        """End the oldest where a person has more clients signed in than anybody may."""
        live = await self._sessions.of(tx, principal)
        for session in [one for one in live if one.kind == "client"][self._most :]:
            await self._sessions.end(tx, session.id)
            actor, facts = Actor(session.actor or ""), {"session": session.id, "kind": session.kind}
            await self._audit.append(tx, AuditEvent("session.ended", "system", principal, actor, facts))

    async def _declined(self, hearing: _Hearing) -> Response:
        async with self._store.transaction() as tx:
            await self._authorizations.take(tx, hearing.id)
            await self._audit.append(tx, _event("client.declined", hearing))
        told = _told(OAuthError("access_denied", "the person said no"))
        return hearing.visit.see(hearing.asked.answer(self._issuer, **told))


def _parameters(visit: Visit) -> Parameters:
    if len(visit.request.url.query) > _LONGEST_QUERY:
        raise _unknown(OAuthError("invalid_request", "the request is too long"))
    return Parameters(visit.request.query_params.multi_items())


def _unknown(refused: OAuthError) -> PageError:
    text = f"Nothing was shared with it. What its developer needs to know: {refused.description}."
    return PageError(400, "This application cannot be let in", text)


def _told(refused: OAuthError) -> dict[str, str]:
    """What a client is told (RFC 6749 section 4.1.2.1)."""
    return {"error": refused.error, "error_description": refused.description}


def _event(kind: str, hearing: _Hearing, **more: str) -> AuditEvent:
    asked = hearing.asked
    facts = {"redirect": place(asked.redirect_uri), "resource": asked.resource, **more}
    return AuditEvent(kind, "person", hearing.session.principal, Actor(asked.client), facts)
