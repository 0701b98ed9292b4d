"""The public keys with which an agent proves itself: read from the operator's file, kept as a JWK set.

What is signed with the private halves, and whether it is good, is the authorization server's business.
"""

import json
import warnings
from collections.abc import Iterable
from contextlib import suppress

from joserfc.errors import InvalidKeyTypeError, JoseError, SecurityWarning
from joserfc.jwk import ECKey, Key, OKPKey, RSAKey

from valetkey.errors import UsageError
from valetkey.model import Json

_KINDS: dict[str, type[RSAKey] | type[ECKey] | type[OKPKey]] = {"RSA": RSAKey, "EC": ECKey, "OKP": OKPKey}
_CURVES = {"P-256", "Ed25519"}  # with RSA all that a client assertion may be signed with
_MOST = 10


def jwks_of(text: str) -> dict[str, Json]:
    """Read public keys, in PEM or as a JWK or a set of them, and return the set (RFC 7517 section 5).

    A key without a name is named by its thumbprint (RFC 7638). Raises UsageError for anything else, and
    for a private key: that has to stay where the agent is.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("error", SecurityWarning)  # joserfc's word for a key that is too short
        try:
            keys = [_public(key) for key in (_of_pem(text) if "-----BEGIN" in text else _of_json(text))]
        except SecurityWarning:
            raise UsageError("this RSA key is too short; use one of 2048 bits or more") from None
    if not 1 <= len(keys) <= _MOST:
        raise UsageError(f"give between one and {_MOST} public keys")
    return {"keys": keys}


def thumbprints(jwks: Json) -> list[str]:
    """The thumbprints of a set's keys (RFC 7638), by which two people can compare them."""
    return [_KINDS[key["kty"]].import_key(dict(key)).thumbprint() for key in jwks["keys"]]


def _of_pem(text: str) -> Iterable[Key]:
    for kind in _KINDS.values():
        with suppress(InvalidKeyTypeError, ValueError):
            return [kind.import_key(text)]
    raise UsageError("this is not a public key of RSA, an elliptic curve, or Ed25519")


def _of_json(text: str) -> Iterable[Key]:
    try:
        given = json.loads(text)
        return [_of_jwk(jwk) for jwk in given.get("keys", [given])]
    except (ValueError, TypeError, AttributeError, JoseError):
        raise UsageError("this is neither a public key in PEM nor a JSON Web Key or a set of them") from None


def _of_jwk(jwk: Json) -> Key:
    kind = _KINDS.get(jwk.get("kty"))
    if kind is None or jwk.get("use", "sig") != "sig":
        raise UsageError("these keys are not all for signatures with RSA, an elliptic curve, or Ed25519")
    return kind.import_key(jwk)


def _public(key: Key) -> dict[str, Json]:
    if key.is_private:
        raise UsageError(
            "this is a private key: it stays with the agent. `openssl pkey -pubout` gives its public half"
        )
    shown = key.as_dict(private=False)
    if shown.get("crv", "P-256") not in _CURVES:
        raise UsageError(f"this key is on the curve {shown['crv']}; use one of {', '.join(sorted(_CURVES))}")
    return {**shown, "kid": shown.get("kid") or key.thumbprint(), "use": "sig"}
