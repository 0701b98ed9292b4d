"""For whom a token speaks that an agent brings in exchange (RFC 8693): who, how far, how long.

What the agent then gets is decided by `authserver`.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from valetkey.identity import Identity
from valetkey.identity.tokens import Tokens
from valetkey.model import Principal

SubjectOf = Callable[[str], Awaitable["Subject"]]
"""A subject token -> whom it speaks for. Raises Unauthenticated."""


@dataclass(frozen=True, slots=True)
class Subject:
    """What a subject token says. `until` is in epoch milliseconds, `resource` the endpoint it opens.

    `actor` is the client that it was issued to, with the `chain` behind that (nearest first). `session` is
    ours behind it, with which everything got for it ends. `may_act` is the only agent that may exchange it
    (section 4.4); None: any that is authenticated.
    """

    principal: Principal
    until: int
    scopes: tuple[str, ...]
    resource: str
    actor: str | None = None
    chain: tuple[str, ...] = ()
    session: str | None = None
    may_act: str | None = None


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
        )
