"""The grant type `refresh_token` (RFC 6749 section 6): the next access token, and the next refresh token."""

from dataclasses import replace

from valetkey.authserver.asking import Client, Form
from valetkey.authserver.bearer import bearer, narrowed
from valetkey.authserver.refresh_tokens import RefreshTokens, refused
from valetkey.identity import Tokens
from valetkey.model import Clock, Json


class Refresh:
    """Answers with the next tokens of a session."""

    def __init__(self, refresh_tokens: RefreshTokens, tokens: Tokens, clock: Clock) -> None:
        self._refresh_tokens, self._tokens, self._clock = refresh_tokens, tokens, clock

    async def answer(self, client: Client, form: Form) -> dict[str, Json]:
        """Raises OAuthError: `invalid_grant`; `invalid_scope`, `invalid_target`, which use nothing up."""
        token = form.need("refresh_token")
        session = await self._refresh_tokens.session(token)
        if session is None or session.actor != client.agent.id:
            raise refused()
        asked = narrowed(self._tokens, session, form)
        lasting, successor = await self._refresh_tokens.rotate(session, token)
        now = replace(asked, until=lasting.until)
        return {**bearer(self._tokens, self._clock, now), "refresh_token": successor}
