"""The grant type `authorization_code` (RFC 6749 section 4.1.3): a code, for its session's first tokens."""

from valetkey.authserver.asking import Client, Form
from valetkey.authserver.bearer import bearer
from valetkey.authserver.codes import Codes
from valetkey.authserver.refresh_tokens import RefreshTokens
from valetkey.identity import Tokens
from valetkey.model import Clock, Json


class AuthorizationCode:
    """Answers with the first tokens of a client that a person has just signed in."""

    def __init__(self, codes: Codes, refresh_tokens: RefreshTokens, tokens: Tokens, clock: Clock) -> None:
        self._codes, self._refresh_tokens, self._tokens, self._clock = codes, refresh_tokens, tokens, clock

    async def answer(self, client: Client, form: Form) -> dict[str, Json]:
        """Raises OAuthError as `Codes.redeem` does, and `invalid_request` for what is missing."""
        redeemed = await self._codes.redeem(
            form.need("code"),
            client.agent.id,
            form.need("redirect_uri"),
            form.need("code_verifier"),
            form.get("resource"),
        )
        session, refresh_token = await self._refresh_tokens.first(redeemed)
        return {**bearer(self._tokens, self._clock, session), "refresh_token": refresh_token}
