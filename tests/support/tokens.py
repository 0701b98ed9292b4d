"""Tokens signed with the server's own key and saying what it never would: what a stolen key could do."""

import base64
from collections.abc import Mapping
from typing import Any

from joserfc import jwt
from joserfc.jwk import OKPKey

from valetkey.vault import KeyRing, Purpose


def signed(keys: KeyRing, claims: Mapping[str, Any], header: Mapping[str, Any] | None = None) -> str:
    """Sign claims as the server would; `header` changes what stands in the header."""
    key = keys.server(Purpose.TOKEN_SIGNING)
    public = {"kty": "OKP", "crv": "Ed25519", "kid": key.kid, "x": b64(key.public())}
    own = OKPKey.import_key({**public, "d": b64(key.secret)})
    whole = {"alg": "Ed25519", "typ": "at+jwt", "kid": key.kid} | dict(header or {})
    return jwt.encode(whole, dict(claims), own, algorithms=["Ed25519"])


def b64(data: bytes) -> str:
    """Base64url without padding (RFC 7515 section 2)."""
    return base64.urlsafe_b64encode(data).decode().rstrip("=")
