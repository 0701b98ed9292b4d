"""Enterprise-managed authorization: an issuer we trust says that a client may come for a person (ID-JAG).

The grant type `jwt-bearer` (RFC 7523 section 2.1) with an assertion of draft-ietf-oauth-identity-assertion-
authz-grant. It lets a client in; what the client may then do, the person decides as for any other.
"""

import json

from valetkey.audit import Audit
from valetkey.authserver.asking import Client, Form
from valetkey.authserver.bearer import LASTS, bearer
from valetkey.errors import OAuthError, Unauthenticated
from valetkey.identity import Tokens
from valetkey.identity.issuers import Issuer
from valetkey.identity.naming import for_one, principal_of
from valetkey.identity.signed import unverified_issuer
from valetkey.identity.trust import Trust
from valetkey.model import MINUTE, SECOND, Actor, AuditEvent, Clock, Json, Principal
from valetkey.people import Once, Session, Sessions
from valetkey.people.sessions import SCOPE
from valetkey.store import Store

JWT_BEARER = "urn:ietf:params:oauth:grant-type:jwt-bearer"
PROFILE = "urn:ietf:params:oauth:grant-profile:id-jag"
_TYPE = frozenset({"oauth-id-jag+jwt"})
_LONGEST = 10 * MINUTE
"""How far away an assertion's end may be: it is for now, and only its `jti` is remembered so long."""


class IdentityAssertion:
    """The grant type of identity assertions. `resources` are our MCP endpoints."""

    def __init__(
        self,
        store: Store,
        audit: Audit,
        clock: Clock,
        once: Once,
        sessions: Sessions,
        tokens: Tokens,
        trust: Trust,
    ) -> None:
        self._store, self._audit, self._clock, self._once = store, audit, clock, once
        self._sessions, self._tokens, self._trust = sessions, tokens, trust

    async def answer(self, client: Client, form: Form) -> dict[str, Json]:
        """Return a token with which the client acts for the person of an assertion; no refresh token.

        Raises OAuthError: `invalid_grant` for an assertion that is not good, or not for this client.
        """
        if (
            not client.proven
        ):  # an assertion is for one client, and anybody can say that they are a public one
            raise OAuthError("unauthorized_client", "only a client that authenticates can bring an ID-JAG")
        try:
            issuer = self._issuer(form.need("assertion"))
            claims = await self._claims(issuer, client, form)
            principal = principal_of(issuer, claims)
        except Unauthenticated as refused:
            raise self._refusal(refused) from None
        session = await self._started(issuer, principal, client, form, claims)
        return bearer(self._tokens, self._clock, session)

    def _issuer(self, assertion: str) -> Issuer:
        issuer = self._trust.issuers.of_url(unverified_issuer(assertion) or "")
        if issuer is None or not issuer.rules.id_jag:
            raise Unauthenticated("the issuer of this assertion is none that we take assertions of")
        return issuer

    async def _claims(self, issuer: Issuer, client: Client, form: Form) -> dict[str, Json]:
        """What an assertion says that is for us, for this client, and for now (sections 4.3 and 4.4.1)."""
        claims = await self._trust.signed.claims(issuer, form.need("assertion"), _TYPE)
        if not for_one(claims, self._tokens.issuer):
            raise Unauthenticated("this assertion is for another authorization server")
        if claims.get("client_id") != client.agent.id:
            raise Unauthenticated("this assertion is for another client")
        if claims["exp"] * SECOND > self._clock.now() + _LONGEST or "iat" not in claims:
            raise Unauthenticated("this assertion does not say since when it is good, or lasts too long")
        return claims

    async def _started(
        self, issuer: Issuer, principal: Principal, client: Client, form: Form, claims: dict[str, Json]
    ) -> Session:
        scopes, resource, jti = _scopes(form, claims), self._resource(form, claims), _jti(claims)
        name = claims["name"] if isinstance(claims.get("name"), str) else None
        await self._trust.vouched.met(principal, name)
        until = (claims["exp"] + issuer.rules.skew) * SECOND
        async with self._store.transaction() as tx:
            if not await self._once.first(tx, json.dumps(["id-jag", issuer.key, jti]), until):
                raise OAuthError("invalid_grant", "this assertion was used already")
            more = {"resource": resource, "label": f"let in by {issuer.key}"}
            agent = client.agent.id
            session = await self._sessions.start_client(tx, principal, agent, LASTS, scopes=scopes, **more)
            facts = {"session": session.id, "issuer": issuer.key, "until": session.until}
            await self._audit.append(tx, AuditEvent("client.let_in", "agent", principal, Actor(agent), facts))
        return session

    def _resource(self, form: Form, claims: dict[str, Json]) -> str:
        """The MCP endpoint that an assertion is for; a request may repeat it, and not change it."""
        resource = claims.get("resource")
        if not isinstance(resource, str) or not self._tokens.reaches(self._tokens.resource, resource):
            raise OAuthError("invalid_target", "the assertion's `resource` is no MCP endpoint of this server")
        if form.get("resource") not in {None, resource}:
            raise OAuthError("invalid_target", "`resource` is not the one that the assertion is for")
        return resource

    def _refusal(self, refused: Unauthenticated) -> OAuthError:
        if refused.status == 503:
            return OAuthError("temporarily_unavailable", str(refused), 503)
        return OAuthError("invalid_grant", str(refused))


def _scopes(form: Form, claims: dict[str, Json]) -> tuple[str, ...]:
    """What both the issuer and the client want, of what there is. Raises OAuthError `invalid_scope`."""
    allowed = set(str(claims.get("scope") or SCOPE).split()) & {SCOPE}
    wanted = set((form.get("scope") or SCOPE).split())
    if not wanted <= allowed:
        raise OAuthError("invalid_scope", f"an assertion can let a client do `{SCOPE}` where it says so")
    return tuple(wanted)


def _jti(claims: dict[str, Json]) -> str:
    jti = claims.get("jti")
    if not isinstance(jti, str) or not 0 < len(jti) <= 512:
        raise OAuthError("invalid_grant", "the assertion has no `jti`, so that it could come twice")
    return jti
