"""JWTs that an issuer signed: believed only with a key it publishes, an algorithm we allow, and in time.

What a token is for, and whom it names, is for those who ask.
"""

import base64
import json
from collections.abc import Mapping

from joserfc import jwt
from joserfc.errors import InvalidKeyIdError, JoseError
from joserfc.jwk import KeySet

from valetkey.errors import IssuerFailed, Unauthenticated
from valetkey.identity.discovery import Discovery
from valetkey.identity.issuers import Issuer
from valetkey.model import Clock, Json

LONGEST = 16 * 1024
_FOREVER = 366 * 24 * 3600


class Signed:
    """Verifies what issuers sign."""

    def __init__(self, discovery: Discovery, clock: Clock) -> None:
        self._discovery, self._clock = discovery, clock

    async def claims(self, issuer: Issuer, token: str, types: frozenset[str]) -> dict[str, Json]:
        """Return what a JWT of this issuer says, whose `typ` is one of `types` ("" for none).

        Raises Unauthenticated: 401, or 503 while the issuer's keys cannot be had.
        """
        try:
            found = await self._decoded(issuer, token)
            registry = _registry(issuer, self._clock.now() // 1000)
            registry.validate(found.claims)
            found.claims["exp"] = _end(found.claims, self._clock.now() // 1000)
        except (JoseError, ValueError, TypeError, KeyError, ArithmeticError, RecursionError):
            raise Unauthenticated("this token is not valid here, or no longer") from None
        if _type(found.header) not in types:
            raise Unauthenticated("this is not the kind of token that is taken here")
        return found.claims

    async def _decoded(self, issuer: Issuer, token: str) -> jwt.Token:
        if len(token) > LONGEST:
            raise ValueError("too long to be a token")
        try:
            try:
                return _decode(issuer, token, await self._discovery.keys(issuer))
            except InvalidKeyIdError:  # it may have begun to sign with a new one
                return _decode(issuer, token, await self._discovery.newer_keys(issuer))
        except IssuerFailed:
            raise Unauthenticated("the issuer of this token cannot be asked for its keys now", 503) from None


def _decode(issuer: Issuer, token: str, keys: KeySet) -> jwt.Token:
    return jwt.decode(token, keys, algorithms=list(issuer.rules.algorithms))


def _registry(issuer: Issuer, now: int) -> jwt.JWTClaimsRegistry:
    return jwt.JWTClaimsRegistry(
        now=now,
        leeway=issuer.rules.skew,
        iss={"essential": True, "value": issuer.url},
        exp={"essential": True},
    )


def _end(claims: Mapping[str, Json], now: int) -> int:
    """When a token ends, in epoch seconds: a whole number, and not so far away that no clock shows it."""
    return min(int(claims["exp"]), now + _FOREVER)


def _type(header: Mapping[str, Json]) -> str:
    """A JWT's `typ` in its short form (RFC 7515 section 4.1.9)."""
    return str(header.get("typ") or "").lower().removeprefix("application/")


def unverified_issuer(token: str) -> str | None:
    """Return the `iss` that a token claims to be of; it only says whose keys to try. None: no JWT."""
    parts = token.split(".") if len(token) <= LONGEST else []
    if len(parts) != 3:
        return None
    try:
        claims = json.loads(base64.urlsafe_b64decode(parts[1] + "=" * (-len(parts[1]) % 4)))
        return str(claims["iss"])
    except (ValueError, TypeError, KeyError, RecursionError):
        return None
