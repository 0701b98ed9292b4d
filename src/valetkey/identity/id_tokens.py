"""ID tokens: what an issuer says of a person who has just signed in there (OpenID Connect Core 3.1.3.7)."""

import hmac
from dataclasses import dataclass, replace

from valetkey.errors import Unauthenticated
from valetkey.identity.issuers import Issuer
from valetkey.identity.naming import for_one, principal_of
from valetkey.identity.signed import Signed
from valetkey.model import SECOND, Json, Principal

_TYPES = frozenset({"jwt", ""})


@dataclass(frozen=True, slots=True)
class SignedIn:
    """Somebody who signed in at an issuer. `at`: when, in milliseconds; None where it does not say.

    `subject` is the issuer's own `sub`, whatever we take a person by.
    """

    principal: Principal
    subject: str
    name: str | None
    at: int | None

    def called(self, name: str | None) -> "SignedIn":
        """The same person under a name that was told elsewhere."""
        return replace(self, name=name)


class IdTokens:
    """Reads ID tokens that were issued to us."""

    def __init__(self, signed: Signed) -> None:
        self._signed = signed

    async def read(self, issuer: Issuer, client_id: str, token: str, nonce: str) -> SignedIn:
        """Return who signed in, for this very trip. Raises Unauthenticated."""
        claims = await self._signed.claims(issuer, token, _TYPES)
        if not for_one(claims, client_id) or claims.get("azp", client_id) != client_id:
            raise Unauthenticated("this ID token is for another client")
        if not _same(claims.get("nonce"), nonce):
            raise Unauthenticated("this ID token is of another sign-in")
        principal, name, at = principal_of(issuer, claims), claims.get("name"), claims.get("auth_time")
        return SignedIn(
            principal=principal,
            subject=str(claims.get("sub")),
            name=name if isinstance(name, str) else None,
            at=at * SECOND if isinstance(at, int) and not isinstance(at, bool) else None,
        )


def _same(said: Json, nonce: str) -> bool:
    return isinstance(said, str) and hmac.compare_digest(said.encode(errors="replace"), nonce.encode())
