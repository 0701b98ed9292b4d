"""A token that a client shows, as this server knows it now: access or refresh, and its live session."""

from dataclasses import dataclass

from valetkey.authserver.refresh_tokens import RefreshTokens
from valetkey.errors import Unauthenticated
from valetkey.identity import Claims, Identity, Tokens
from valetkey.people import Session


@dataclass(frozen=True, slots=True)
class Issued:
    """A token of ours whose session lives. `claims` are an access token's; a refresh token has none."""

    session: Session
    claims: Claims | None


class IssuedTokens:
    """Recognises what this server has issued."""

    def __init__(self, tokens: Tokens, identity: Identity, refresh_tokens: RefreshTokens) -> None:
        self._tokens, self._identity, self._refresh_tokens = tokens, identity, refresh_tokens

    async def find(self, token: str) -> Issued | None:
        """Return what a token is, also a refresh token that was used; None for one that is nothing now."""
        if session := await self._refresh_tokens.session(token):
            return Issued(session, None)
        try:
            claims = await self._tokens.known(token)
            found = await self._identity.of_token(token, claims.resource)
            return Issued(await self._identity.session(found.caller.session), claims)
        except Unauthenticated:
            return None
