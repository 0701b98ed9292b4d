"""A request's credential -> the `Caller` it names. Only the credential counts: never an argument,
a session id, a header a caller can set, or what a client says of itself.
"""

from dataclasses import dataclass

from valetkey.errors import Unauthenticated
from valetkey.identity.tokens import Claims, Tokens
from valetkey.model import Actor, Caller
from valetkey.people import LOCAL, Session, Sessions


@dataclass(frozen=True, slots=True)
class Identified:
    """A caller, and the facts of the token that named them."""

    caller: Caller
    claims: Claims


class Identity:
    """Verifies credentials."""

    def __init__(self, tokens: Tokens, sessions: Sessions) -> None:
        self._tokens, self._sessions = tokens, sessions

    async def of_token(self, token: str, resource: str | None = None) -> Identified:
        """Return who a bearer token speaks for at the endpoint `resource`; without one, everywhere.

        Raises Unauthenticated 401, or 403 without a person.
        """
        claims = self._tokens.verified(token)
        if not self._tokens.opens(claims, resource or self._tokens.resource):
            raise Unauthenticated("this token is for another endpoint")
        session = await self._sessions.read(claims.sid)
        if session is None:
            raise Unauthenticated("this token's session has ended")
        if not _agree(session, claims):
            raise Unauthenticated("this token does not agree with its session")
        return Identified(Caller(session.principal, Actor(claims.client), session.id), claims)


def _agree(session: Session, claims: Claims) -> bool:
    """Whether the row and the signature say the same: neither alone decides who is calling."""
    return (session.principal.issuer, session.principal.subject, session.actor) == (
        LOCAL,
        claims.subject,
        claims.client,
    )


__all__ = ["Claims", "Identified", "Identity", "Tokens"]
