"""The keys that the sandbox's issuers sign with: new ones on demand, old ones published until dropped."""

import base64
import hashlib
import hmac
import json
from collections.abc import Mapping

from joserfc import jws
from joserfc.jwk import ECKey

from valetkey.model import Json, Randomness

ALGORITHM = "ES256"


class IssuerKeys:
    """A signing key, and those before it that are still published."""

    def __init__(self, name: str, randomness: Randomness) -> None:
        self._name, self._randomness = name, randomness
        self.published: list[ECKey] = []
        self.rotate()

    def rotate(self, *, keep: bool = True) -> None:
        """Sign with a new key from here on; without `keep`, what older ones signed is worth nothing."""
        kid = f"{self._name}-{self._randomness(4).hex()}"
        key = ECKey.generate_key("P-256", {"kid": kid, "use": "sig", "alg": ALGORITHM})
        self.published = [key, *(self.published if keep else [])]

    def jwks(self) -> Json:
        return {"keys": [key.as_dict(private=False) for key in self.published]}

    def signed(self, claims: Mapping[str, Json], header: Mapping[str, Json]) -> str:
        """Return a JWT; `header` goes over what a good one says.

        `alg: none` leaves the signature out; `alg: HS256` takes the public key for a secret.
        """
        key = self.published[0]
        said = {"alg": ALGORITHM, "kid": key.kid, **header}
        said = {name: value for name, value in said.items() if value is not None}
        if said["alg"] != ALGORITHM:
            head = f"{_part(said)}.{_part(dict(claims))}"
            return f"{head}.{_hmac(key, head) if said['alg'] == 'HS256' else ''}"
        return jws.serialize_compact(said, json.dumps(claims).encode(), key, algorithms=[ALGORITHM])


def _hmac(key: ECKey, text: str) -> str:
    """What whoever believes a token's own `alg` would check with the published key (RFC 8725 section 2.1)."""
    return _b64(hmac.new(key.as_pem(private=False), text.encode(), hashlib.sha256).digest())


def _part(value: Json) -> str:
    return _b64(json.dumps(value).encode())


def _b64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).decode().rstrip("=")
