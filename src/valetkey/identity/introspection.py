"""Asking an issuer about a token (RFC 7662), where the operator wants that: for opaque tokens the only way.

An answer is used for one second: a token that was revoked stops at once, for one request a second and token.
"""

import hashlib

from valetkey.egress import Egress
from valetkey.errors import IssuerFailed, Unauthenticated
from valetkey.identity.asking import posted
from valetkey.identity.client_secrets import ClientSecrets
from valetkey.identity.discovery import Discovery
from valetkey.identity.issuers import Issuer
from valetkey.identity.signed import LONGEST
from valetkey.model import SECOND, Clock, Json

_USED_FOR = SECOND
_MOST = 1024
_Answer = tuple[int, dict[str, Json]]


class Introspection:
    """Asks, and remembers for a second."""

    def __init__(self, discovery: Discovery, secrets: ClientSecrets, egress: Egress, clock: Clock) -> None:
        self._discovery, self._secrets, self._egress, self._clock = discovery, secrets, egress, clock
        self._answers: dict[bytes, _Answer] = {}

    async def claims(self, issuer: Issuer, token: str) -> dict[str, Json]:
        """Return what an issuer says of a token of its own that is active.

        Raises Unauthenticated: 401, or 503 while the issuer cannot be asked.
        """
        if not token.isascii() or len(token) > LONGEST:
            raise Unauthenticated("this is no token")
        try:
            answer = await self._answer(issuer, token)
        except IssuerFailed:
            raise Unauthenticated("the issuer of this token cannot be asked about it now", 503) from None
        if answer.get("active") is not True or answer.get("iss", issuer.url) != issuer.url:
            raise Unauthenticated("this token is not valid here, or no longer")
        return {**answer, "exp": _until(answer, self._clock.now() // SECOND - issuer.rules.skew)}

    async def _answer(self, issuer: Issuer, token: str) -> dict[str, Json]:
        about, asked = hashlib.sha256(token.encode()).digest(), self._clock.now()
        known = self._answers.get(about)
        if known and 0 <= asked - known[0] < _USED_FOR:
            return known[1]
        answer = await self._ask(issuer, token)
        if len(self._answers) >= _MOST:
            self._answers.clear()
        self._answers[about] = (asked, answer)
        return answer

    async def _ask(self, issuer: Issuer, token: str) -> dict[str, Json]:
        url = (await self._discovery.metadata(issuer)).introspect
        if url is None or issuer.rules.introspection is None:
            raise IssuerFailed(f"{issuer.key} publishes no introspection_endpoint")
        client_id = issuer.rules.introspection.client_id
        secret = await self._secrets.need(issuer, client_id)
        form = {"token": token, "token_type_hint": "access_token"}
        return await posted(self._egress, url, form, client_id, secret)


def _until(answer: dict[str, Json], now: int) -> int:
    """When a token ends, in epoch seconds. One without an end, or past it, is none that we take."""
    until = answer.get("exp")
    if isinstance(until, bool) or not isinstance(until, int) or not now < until < 1 << 40:
        raise Unauthenticated("the issuer of this token does not say when it ends, or it has ended")
    return until
