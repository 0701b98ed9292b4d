"""Client assertions (RFC 7523 section 3, OIDC core section 9): a client proves itself with its own key.

Assertions of other issuers, about people, are another grant's business; this is about the client alone.
"""

import hashlib
import json
import warnings
from collections.abc import Iterator
from typing import Any

from joserfc import jws, jwt
from joserfc.errors import JoseError, SecurityWarning
from joserfc.jwk import Key, import_key

from valetkey.authserver.authentication import not_authenticated
from valetkey.errors import OAuthError
from valetkey.model import MINUTE, SECOND, Clock, Json
from valetkey.people import Agent, Once
from valetkey.store import Store

LONGEST_LIFE = 10 * MINUTE
_SKEW = 30 * SECOND
_LARGEST = 8 * 1024
_MOST_KEYS = 10
_LARGEST_ID = 256
_KEY_OF = {
    "Ed25519": ("OKP", "Ed25519"),  # RFC 9864: the fully specified name
    "EdDSA": ("OKP", "Ed25519"),  # what most libraries still write
    "ES256": ("EC", "P-256"),
    "RS256": ("RSA", None),
    "PS256": ("RSA", None),
}
"""Algorithms, each with the only kind of key it is checked with: a public key is never an HMAC's secret."""

ALGORITHMS = tuple(_KEY_OF)
_RSA_MODULUS = range(342, 1367)
"""Characters of a modulus of 2048 to 8192 bits: shorter is weak, longer costs us."""

_TYPES = {"jwt", "client-authentication+jwt"}
_PUBLIC = {"kty", "crv", "x", "y", "n", "e"}
_UNREADABLE = (JoseError, ValueError, TypeError, KeyError, AttributeError, RecursionError)
"""What the library raises for what somebody made up."""


class ClientAssertions:
    """Checks assertions. `audiences` are the names by which this server may be meant."""

    def __init__(self, store: Store, once: Once, clock: Clock, audiences: frozenset[str]) -> None:
        self._store, self._once, self._clock, self._audiences = store, once, clock, audiences

    def client_id(self, assertion: str) -> str:
        """Return for which client an assertion claims to be: nothing is proven yet.

        Raises OAuthError `invalid_client`.
        """
        if len(assertion) > _LARGEST:
            raise not_authenticated()
        try:
            client_id = json.loads(jws.extract_compact(assertion.encode()).payload)["sub"]
        except _UNREADABLE:
            raise not_authenticated() from None
        if not isinstance(client_id, str) or not client_id:
            raise not_authenticated()
        return client_id

    async def check(self, agent: Agent, assertion: str) -> None:
        """Raise OAuthError `invalid_client` unless an assertion is this agent's, for us, now, and the first.

        What is wrong is told to nobody but the holder of the key: the signature comes first.
        """
        claims = _signed(agent, assertion)
        if claims.get("iss") != agent.id or claims.get("sub") != agent.id:
            raise _wrong("`iss` and `sub` have to be the client's id")
        if not self._is_for_us(claims.get("aud")):
            raise _wrong("`aud` has to be this server's issuer or token endpoint, and nothing else")
        until = self._ends(claims)
        async with self._store.transaction() as tx:
            if not await self._once.first(tx, _about(agent, claims.get("jti")), until + _SKEW):
                raise _wrong("this `jti` was used before")

    def _is_for_us(self, audience: Json) -> bool:
        """An assertion that another server may accept as well could be replayed by it."""
        named = audience if isinstance(audience, list) else [audience]
        return bool(named) and all(isinstance(name, str) and name in self._audiences for name in named)

    def _ends(self, claims: dict[str, Json]) -> int:
        """Return when an assertion ends, in epoch milliseconds."""
        now, ends = self._clock.now(), _milliseconds(claims.get("exp"))
        if not now - _SKEW < ends <= now + LONGEST_LIFE + _SKEW:
            raise _wrong("`exp` has to be a time within the next ten minutes")
        for name in ("nbf", "iat"):
            if name in claims and not _milliseconds(claims[name]) <= now + _SKEW:
                raise _wrong(f"`{name}` is in the future")
        return int(ends)


def _signed(agent: Agent, assertion: str) -> dict[str, Json]:
    """Return the claims that one of an agent's keys has signed."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", SecurityWarning)  # `EdDSA` is an old name, not a weak signature
        try:
            header = jws.extract_compact(assertion.encode()).headers()
            if str(header.get("typ", "jwt")).lower() not in _TYPES:
                raise not_authenticated()
            for key in _keys(agent, header):
                if (claims := _verified(assertion, key, header["alg"])) is not None:
                    return claims
        except _UNREADABLE:
            raise not_authenticated() from None
    raise not_authenticated()


def _keys(agent: Agent, header: dict[str, Any]) -> Iterator[Key]:
    """The registered keys that a header may mean; nothing in the header is itself taken for a key."""
    if "jwks_uri" in agent.metadata and "jwks" not in agent.metadata:
        text = "this server fetches no client's keys: register them as `jwks`, not `jwks_uri`"
        raise OAuthError("invalid_client", text, 401)
    kind, kid = _KEY_OF[header["alg"]], header.get("kid")
    for jwk in agent.metadata["jwks"]["keys"][:_MOST_KEYS]:
        if (
            (jwk.get("kty"), jwk.get("crv")) == kind
            and kid in {None, jwk.get("kid")}
            and _is_for_signing(jwk)
        ):
            yield import_key({name: value for name, value in jwk.items() if name in _PUBLIC})


def _is_for_signing(jwk: dict[str, Json]) -> bool:
    return jwk.get("use", "sig") == "sig" and (jwk["kty"] != "RSA" or len(jwk["n"]) in _RSA_MODULUS)


def _verified(assertion: str, key: Key, algorithm: str) -> dict[str, Json] | None:
    try:
        return jwt.decode(assertion, key, algorithms=[algorithm]).claims
    except _UNREADABLE:
        return None


def _milliseconds(time: Json) -> float:
    """Return a NumericDate (RFC 7519 section 2) in milliseconds; for anything else what is never in time."""
    usable = isinstance(time, int | float) and not isinstance(time, bool) and abs(time) < 2**53
    return time * 1000 if usable else float("nan")


def _about(agent: Agent, jti: Json) -> str:
    """What is remembered of an assertion: ids of two clients never meet."""
    if not isinstance(jti, str) or not 0 < len(jti) <= _LARGEST_ID:
        raise _wrong(f"`jti` has to be a text of at most {_LARGEST_ID} characters")
    return hashlib.sha256(json.dumps(["client assertion", agent.id, jti]).encode()).hexdigest()


def _wrong(description: str) -> OAuthError:
    return OAuthError("invalid_client", description, 401)
