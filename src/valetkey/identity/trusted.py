"""Access tokens of issuers that we trust -> the caller they name, the session they stand for, or a subject.

The `iss` that a token claims selects its issuer and nothing else. No row of ours stands behind such a token:
its session is the token itself, looked at again whenever it matters.
"""

import hashlib
from dataclasses import dataclass

from valetkey.errors import Unauthenticated
from valetkey.identity.identified import Identified, Subject
from valetkey.identity.introspection import Introspection
from valetkey.identity.issuers import Issuer, Issuers
from valetkey.identity.naming import actor_of, chain_of, client_of, for_one, principal_of
from valetkey.identity.signed import Signed, unverified_issuer
from valetkey.identity.tokens import Claims
from valetkey.model import SECOND, Actor, Caller, Clock, Json, Principal, Secret
from valetkey.people import Session
from valetkey.people.sessions import SCOPE
from valetkey.people.vouched import Vouched

PREFIX = "foreign_"
"""How the id of a session begins that is a token of another issuer: the rest is the token's digest."""

_ACCESS = frozenset({"at+jwt", "jwt", ""})  # Okta sends no `typ` at all
_REMEMBERED = 4096


@dataclass(frozen=True, slots=True)
class _Held:
    """A token that a session stands for."""

    issuer: Issuer
    token: Secret


class Trusted:
    """Reads the tokens of other issuers. `resource` is our MCP endpoint."""

    def __init__(
        self,
        issuers: Issuers,
        signed: Signed,
        introspection: Introspection,
        vouched: Vouched,
        clock: Clock,
        resource: str,
    ) -> None:
        self._issuers, self._signed, self._introspection = issuers, signed, introspection
        self._vouched, self._clock, self._resource = vouched, clock, resource
        self._held: dict[str, _Held] = {}

    def issuer_of(self, token: str) -> Issuer | None:
        """Return whose token this claims to be: where it claims nothing, the one that is asked."""
        if not self._issuers:
            return None
        url = unverified_issuer(token)
        return self._issuers.asked() if url is None else self._issuers.of_url(url)

    async def identified(self, issuer: Issuer, token: str) -> Identified:
        """Return who an issuer's access token speaks for. Raises Unauthenticated 401, 403, 503."""
        claims = await self._claims(issuer, token)
        if not for_one(claims, issuer.audience):
            raise Unauthenticated("this token is for another place")
        principal, client = principal_of(issuer, claims), client_of(claims)
        actor = Actor(actor_of(issuer, client), chain_of(issuer, client, claims.get("act")))
        await self._vouched.seen(principal, _name(claims), actor.client, client)
        session = self._hold(issuer, token)
        return Identified(
            Caller(principal, actor, session), self._read(issuer, principal, actor, session, claims)
        )

    async def session(self, session_id: str) -> Session:
        """Return the session that a token is, looking at the token again. Raises Unauthenticated."""
        held = self._held.get(session_id)
        if held is None:
            raise Unauthenticated("this token has to be shown again")
        found = await self.identified(held.issuer, held.token.reveal())
        caller, now = found.caller, self._clock.now()
        until, actor = found.claims.until * SECOND, caller.actor
        return Session(session_id, "foreign", caller.principal, actor.client, now, until, actor.chain)

    async def subject_of(self, issuer: Issuer, token: str) -> Subject:
        """Return whom a token speaks for that an agent brings in exchange. Raises Unauthenticated."""
        claims = await self._claims(issuer, token)
        if not any(for_one(claims, audience) for audience in issuer.rules.exchange_audiences):
            raise Unauthenticated("this token is for another place, where it may not be exchanged")
        principal, client = principal_of(issuer, claims), client_of(claims)
        await self._vouched.seen(principal, _name(claims), actor_of(issuer, client), client)
        return Subject(
            principal=principal,
            until=claims["exp"] * SECOND,
            scopes=(SCOPE,),
            resource=self._resource,
            actor=actor_of(issuer, client),
            chain=chain_of(issuer, client, claims.get("act")),
            may_act=_may_act(claims),
        )

    async def _claims(self, issuer: Issuer, token: str) -> dict[str, Json]:
        if issuer.rules.introspection:
            claims = await self._introspection.claims(issuer, token)
        else:
            claims = await self._signed.claims(issuer, token, _ACCESS)
        if "cnf" in claims:  # RFC 9449, RFC 8705: whoever brings it would have to prove that it is theirs
            raise Unauthenticated("this token is bound to a key, and that is not checked here")
        if "at_hash" in claims or "c_hash" in claims:
            raise Unauthenticated("this is an ID token, which opens nothing")
        return claims

    def _hold(self, issuer: Issuer, token: str) -> str:
        session = PREFIX + hashlib.sha256(token.encode()).hexdigest()[:32]
        self._held.pop(session, None)
        if len(self._held) >= _REMEMBERED:
            del self._held[next(iter(self._held))]  # the one that was not shown for longest
        self._held[session] = _Held(issuer, Secret(token))
        return session

    def _read(
        self, issuer: Issuer, principal: Principal, actor: Actor, session: str, claims: dict[str, Json]
    ) -> Claims:
        ours = issuer.audience.startswith(f"{self._resource}/")  # one endpoint of ours, and no other
        return Claims(
            subject=principal.subject,
            client=actor.client,
            sid=session,
            scopes=(SCOPE,),  # being for this server is being for its tools; grants say which
            resource=issuer.audience if ours else self._resource,
            until=claims["exp"],
            chain=actor.chain,
            issuer=principal.issuer,
        )


def _name(claims: dict[str, Json]) -> str | None:
    name = claims.get("name")
    return name if isinstance(name, str) else None


def _may_act(claims: dict[str, Json]) -> str | None:
    """The only agent that may exchange a token (RFC 8693 section 4.4). Raises Unauthenticated: unreadable."""
    if "may_act" not in claims:
        return None
    named = claims["may_act"].get("sub") if isinstance(claims["may_act"], dict) else None
    if not isinstance(named, str):
        raise Unauthenticated("this token's `may_act` cannot be read")
    return named
