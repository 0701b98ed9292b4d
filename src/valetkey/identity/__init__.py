"""A request's credential -> the `Caller` it names. Only the credential counts: never an argument,
a session id, a header a caller can set, or what a client says of itself.
"""

from collections.abc import Awaitable, Callable

from valetkey.errors import Unauthenticated
from valetkey.grants import Grants
from valetkey.identity.identified import Identified
from valetkey.identity.tokens import Claims, Tokens
from valetkey.identity.trusted import PREFIX, Trusted
from valetkey.model import Actor, Caller, Principal
from valetkey.people import Session, Sessions


class Identity:
    """Verifies credentials: our own tokens, and those of issuers that we trust."""

    def __init__(
        self, tokens: Tokens, sessions: Sessions, grants: Grants, trusted: Trusted | None = None
    ) -> None:
        self._tokens, self._sessions, self._grants, self._trusted = tokens, sessions, grants, trusted

    async def of_token(self, token: str, resource: str | None = None) -> Identified:
        """Return who a bearer token speaks for at the endpoint `resource`; without one, everywhere.

        Raises Unauthenticated 401, 403 without a person, 503 where another issuer cannot be asked.
        """
        found = await self._identified(token)
        if not self._tokens.opens(found.claims, resource or self._tokens.resource):
            raise Unauthenticated("this token is for another endpoint")
        return found

    async def _identified(self, token: str) -> Identified:
        if self._trusted and (issuer := self._trusted.issuer_of(token)):
            return await self._trusted.identified(issuer, token)
        claims = await self._tokens.known(token)
        session = await self.session(claims.sid)
        if not _agree(session, claims):
            raise Unauthenticated("this token does not agree with its session")
        actor = Actor(claims.client, claims.chain)
        return Identified(Caller(session.principal, actor, session.id, session.away), claims)

    async def session(self, session_id: str) -> Session:
        """Return the session behind a token, read now.

        Raises Unauthenticated: it has ended, or its grant, or one of those that it was got in exchange for.
        """
        if self._trusted and session_id.startswith(PREFIX):
            return await self._trusted.session(session_id)
        # The call that uses up a grant is answered, and what a client asks around it, too; no other is made.
        session = behind = await self._ours(session_id, self._grants.stands)
        while behind.parent:  # three deep at most
            behind = await self._ours(behind.parent, self._grants.lives)
        return session

    async def _ours(self, session_id: str, good: Callable[[str], Awaitable[bool]]) -> Session:
        session = await self._sessions.read(session_id)
        if session is None or (session.under and not await good(session.under)):
            raise Unauthenticated("this token's session has ended")
        return session


def _agree(session: Session, claims: Claims) -> bool:
    """Whether the row and the signature say the same: neither alone decides who is calling."""
    said = Principal(claims.issuer, claims.subject)
    return (session.principal, session.actor, session.chain) == (said, claims.client, claims.chain)


__all__ = ["Claims", "Identified", "Identity", "Tokens"]
