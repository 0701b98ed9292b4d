"""For whom a token speaks that an agent brings in exchange (RFC 8693): who, how far, how long.

What the agent then gets is decided by `authserver`.
"""

from collections.abc import Awaitable, Callable

from valetkey.identity import Identity
from valetkey.identity.identified import Subject
from valetkey.identity.tokens import Tokens
from valetkey.identity.trusted import Trusted

SubjectOf = Callable[[str], Awaitable[Subject]]
"""A subject token -> whom it speaks for. Raises Unauthenticated."""


class OurSubjects:
    """Reads our own access tokens as subject tokens."""

    def __init__(self, identity: Identity, tokens: Tokens) -> None:
        self._identity, self._tokens = identity, tokens

    async def of(self, token: str) -> Subject:
        """Return whom one of our tokens speaks for. Raises Unauthenticated."""
        resource = self._tokens.verified(
            token
        ).resource  # a token for one endpoint is as good, and stays as narrow
        found = await self._identity.of_token(token, resource)
        caller, claims = found.caller, found.claims
        return Subject(
            principal=caller.principal,
            until=claims.until * 1000,
            scopes=claims.scopes,
            resource=claims.resource,
            actor=caller.actor.client,
            chain=caller.actor.chain,
            session=caller.session,
            away=caller.away,
        )


class EverybodysSubjects:
    """Reads any subject token: ours, or one of an issuer that we trust."""

    def __init__(self, ours: OurSubjects, trusted: Trusted) -> None:
        self._ours, self._trusted = ours, trusted

    async def of(self, token: str) -> Subject:
        """Return whom a token speaks for. Raises Unauthenticated."""
        issuer = self._trusted.issuer_of(token)
        return await (self._trusted.subject_of(issuer, token) if issuer else self._ours.of(token))


__all__ = ["EverybodysSubjects", "OurSubjects", "Subject", "SubjectOf"]
