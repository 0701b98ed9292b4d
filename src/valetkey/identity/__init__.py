"""A request's credential -> the `Caller` it names. Only the credential counts: never an argument,
a session id, a header a caller can set, or what a client says of itself.
"""

from dataclasses import dataclass

from valetkey.errors import Unauthenticated
from valetkey.grants import Grants
from valetkey.identity.tokens import Claims, Tokens
from valetkey.model import Actor, Caller, Principal
from valetkey.people import Session, Sessions


@dataclass(frozen=True, slots=True)
class Identified:
    """A caller, and the facts of the token that named them."""

    caller: Caller
    claims: Claims


class Identity:
    """Verifies credentials."""

    def __init__(self, tokens: Tokens, sessions: Sessions, grants: Grants) -> None:
        self._tokens, self._sessions, self._grants = tokens, sessions, grants

    async def of_token(self, token: str, resource: str | None = None) -> Identified:
        """Return who a bearer token speaks for at the endpoint `resource`; without one, everywhere.

        Raises Unauthenticated 401, or 403 without a person.
        """
        claims = await self._tokens.known(token)
        if not self._tokens.opens(claims, resource or self._tokens.resource):
            raise Unauthenticated("this token is for another endpoint")
        session = await self.session(claims.sid)
        if not _agree(session, claims):
            raise Unauthenticated("this token does not agree with its session")
        return Identified(Caller(session.principal, Actor(claims.client, claims.chain), session.id), claims)

    async def session(self, session_id: str) -> Session:
        """Return the session behind a token, read now.

        Raises Unauthenticated: it has ended, or its grant, or one of those that it was got in exchange for.
        """
        session = await self._sessions.read(session_id)
        if session is None or (session.under and not await self._grants.lives(session.under)):
            raise Unauthenticated("this token's session has ended")
        if session.kind == "exchanged" and session.parent:
            await self.session(session.parent)  # three deep at most
        return session


def _agree(session: Session, claims: Claims) -> bool:
    """Whether the row and the signature say the same: neither alone decides who is calling."""
    said = Principal(claims.issuer, claims.subject)
    return (session.principal, session.actor, session.chain) == (said, claims.client, claims.chain)


__all__ = ["Claims", "Identified", "Identity", "Tokens"]
