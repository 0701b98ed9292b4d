"""Token exchange (RFC 8693): an agent that authenticates as itself brings a person's token, or names a
standing grant, and gets a token of its own to act for that person. Delegation, never impersonation.

What may be asked for is in `rfc8693_asked`; without a grant there is no token, only a link.
"""

from dataclasses import dataclass
from math import ceil

from valetkey.audit import Audit
from valetkey.authserver.asking import Client, Form
from valetkey.authserver.rfc8693_asked import ACCESS_TOKEN, GRANT, Asked, asked, behind, refuse_other_kinds
from valetkey.calls.limits import Buckets
from valetkey.errors import CallError, OAuthError, Unauthenticated
from valetkey.grants import Grants
from valetkey.identity import Tokens
from valetkey.identity.subjects import Subject, SubjectOf
from valetkey.model import MINUTE, SECOND, Actor, AuditEvent, Caller, Clock, Grant, Json
from valetkey.needs.asking import Asking
from valetkey.people import Agent, Agents, Session, Sessions
from valetkey.people.sessions import SCOPE
from valetkey.store import Store

LASTS = 10 * MINUTE
MOST = 600
"""How often an agent may exchange in a minute, and at once: each time is a session and a record."""

_ENDLESS = 1 << 62


@dataclass(slots=True)
class _Attempt:
    """What is known of an exchange so far: it is in the audit however it ends."""

    agent: Agent
    subject: Subject | None = None
    grant: Grant | None = None

    def event(self, kind: str, **facts: Json) -> AuditEvent:
        principal = self.subject.principal if self.subject else None
        actor = Actor(self.agent.id, behind(self.subject, self.agent.id) if self.subject else ())
        about = {"grant": self.grant.id if self.grant else None, **facts}
        return AuditEvent(kind, "agent", principal, actor, about)


class TokenExchange:
    """The grant type of token exchange."""

    def __init__(
        self,
        store: Store,
        audit: Audit,
        clock: Clock,
        agents: Agents,
        grants: Grants,
        sessions: Sessions,
        tokens: Tokens,
        subject_of: SubjectOf,
        asking: Asking,
    ) -> None:
        self._store, self._audit, self._clock, self._agents = store, audit, clock, agents
        self._grants, self._sessions, self._tokens = grants, sessions, tokens
        self._subject_of, self._asking = subject_of, asking
        self._buckets = Buckets(clock, per_minute=MOST, burst=MOST)

    async def answer(self, client: Client, form: Form) -> dict[str, Json]:
        """Return the token with which the client acts for the subject (RFC 8693 section 2.2.1).

        Raises OAuthError: `access_denied`, with a link, where the person has given no grant; and others.
        """
        if not client.proven:  # anybody can say that they are a public client
            raise OAuthError("unauthorized_client", "only a client that authenticates can exchange tokens")
        if seconds := self._buckets.take(client.agent.id):
            text = f"this agent exchanges too often; try again in {ceil(seconds)} seconds"
            raise OAuthError("temporarily_unavailable", text, 429)
        attempt = _Attempt(client.agent)
        try:
            return await self._exchange(attempt, form)
        except OAuthError as refused:
            await self._audit.note(attempt.event("token.refused", error=refused.error))
            raise

    async def _exchange(self, attempt: _Attempt, form: Form) -> dict[str, Json]:
        refuse_other_kinds(form)
        await self._refuse_other_actors(attempt.agent, form)
        if form.need("subject_token_type") == GRANT:
            attempt.grant = await self._standing(attempt.agent, form.need("subject_token"))
            attempt.subject = self._away(attempt.grant)
        else:
            attempt.subject = await self._brought(form.need("subject_token"))
        wanted = asked(form, attempt.subject, attempt.agent.id)
        attempt.grant = attempt.grant or await self._longest(attempt.agent, attempt.subject)
        if attempt.grant is None:
            raise await self._without_grant(attempt.agent, attempt.subject, wanted, form)
        return self._answer(await self._start(attempt, attempt.subject, attempt.grant, wanted))

    async def _refuse_other_actors(self, agent: Agent, form: Form) -> None:
        """The actor is whoever authenticated; an actor token can only say the same once more."""
        token = form.get("actor_token")
        if token and (await self._brought(token)).actor != agent.id:
            raise OAuthError("invalid_request", "`actor_token` is another agent's")

    async def _brought(self, token: str) -> Subject:
        try:
            subject = await self._subject_of(token)
        except Unauthenticated as refused:
            raise OAuthError("invalid_request", f"the token cannot be exchanged: {refused}") from None
        if subject.until <= self._clock.now():  # within what a verifier leaves for clocks that differ
            raise OAuthError("invalid_request", "the token cannot be exchanged: its time is over")
        return subject

    async def _standing(self, agent: Agent, grant_id: str) -> Grant:
        """Another agent's grant, one that has ended and one there never was are all the same to an agent."""
        own = {grant.id: grant for grant in await self._grants.of_actor(agent.id)}
        if (grant := own.get(grant_id)) is None:
            raise OAuthError("invalid_request", "you have no such grant, or it has ended")
        if not grant.offline:
            text = "this grant is not for while its person is away: ask for one at /agents/self/requests"
            raise OAuthError("access_denied", text)
        return grant

    def _away(self, grant: Grant) -> Subject:
        """The person of a standing grant, for whom nobody else vouches."""
        until = grant.until or _ENDLESS
        return Subject(grant.principal, until, (SCOPE,), self._tokens.resource, away=True)

    async def _longest(self, agent: Agent, subject: Subject) -> Grant | None:
        """The live grant that ends last; each call is still held against all of them."""
        grants = await self._grants.of_actor(agent.id)
        theirs = [
            grant
            for grant in grants
            if grant.principal == subject.principal and (grant.offline or not subject.away)
        ]
        return max(theirs, key=lambda grant: grant.until or _ENDLESS, default=None)

    async def _without_grant(self, agent: Agent, subject: Subject, wanted: Asked, form: Form) -> OAuthError:
        """The refusal with the link behind which the person can allow it: `tools`, or what reads."""
        actor = Actor(agent.id, wanted.chain)
        caller = Caller(subject.principal, actor, subject.session or "", subject.away)
        said = "this person has not allowed you anything"
        try:
            link = await self._asking.now(caller, (form.get("tools") or "").split())
        except CallError as error:
            return OAuthError("access_denied", f"{said}, and cannot be asked: {error.text}")
        text = f"{said}: give them this link, and exchange again once they have decided"
        return OAuthError("access_denied", text, error_uri=link, link=link)

    async def _start(self, attempt: _Attempt, subject: Subject, grant: Grant, wanted: Asked) -> Session:
        now = self._clock.now()
        lasts = min(LASTS, subject.until - now, (grant.until or _ENDLESS) - now)
        async with self._store.transaction() as tx:
            session = await self._sessions.start_exchanged(
                tx,
                subject.principal,
                attempt.agent.id,
                lasts,
                chain=wanted.chain,
                scopes=wanted.scopes,
                resource=wanted.resource,
                parent=subject.session,
                under=grant.id,
                away=subject.away,
            )
            await self._agents.seen(tx, attempt.agent)
            facts = {"session": session.id, "parent": subject.session, "until": session.until}
            await self._audit.append(tx, attempt.event("token.exchanged", **facts))
        return session

    def _answer(self, session: Session) -> dict[str, Json]:
        """No refresh token: the agent comes again, and is asked anew whether it still may."""
        return {
            "access_token": self._tokens.mint(session),
            "issued_token_type": ACCESS_TOKEN,
            "token_type": "Bearer",
            "expires_in": (session.until - session.created) // SECOND,
            "scope": " ".join(session.scopes),
        }
