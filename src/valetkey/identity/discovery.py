"""What an issuer publishes: its metadata (RFC 8414, OpenID Connect Discovery) and its keys (RFC 7517).

Fetched through egress, believed only about the issuer that the operator named, and kept for a while.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import NoReturn

from joserfc.errors import JoseError
from joserfc.jwk import ECKey, KeySet, OKPKey, RSAKey

from valetkey.egress import Egress, Incoming, Limits, Outgoing, origin_of
from valetkey.errors import EgressError, EgressRefused, IssuerFailed
from valetkey.identity.issuers import Issuer
from valetkey.identity.kept import Kept
from valetkey.model import Clock, Json

LIMITS = Limits(seconds=5, bytes=256 * 1024)
_MOST_KEYS = 64
_KINDS: Mapping[str, type[RSAKey | ECKey | OKPKey]] = {"RSA": RSAKey, "EC": ECKey, "OKP": OKPKey}
_PUBLIC = frozenset({"kty", "kid", "alg", "use", "key_ops", "n", "e", "crv", "x", "y"})
_SHORTEST_MODULUS = 342  # base64 digits of 2048 bits


@dataclass(frozen=True, slots=True)
class Metadata:
    """What we use of an issuer's metadata.

    `sends_iss`: its callbacks carry `iss` (RFC 9207). `pkce`: it does not say that it cannot do S256.
    """

    jwks: str
    authorize: str | None
    token: str | None
    introspect: str | None
    userinfo: str | None
    sends_iss: bool
    pkce: bool
    found_at: str


class Discovery:
    """Knows what issuers publish."""

    def __init__(self, egress: Egress, clock: Clock) -> None:
        self._egress, self._clock = egress, clock
        self._metadata: dict[str, Kept[Metadata]] = {}
        self._keys: dict[str, Kept[KeySet]] = {}

    async def metadata(self, issuer: Issuer) -> Metadata:
        """Raises IssuerFailed."""
        kept = self._metadata.setdefault(issuer.key, Kept(self._clock, lambda: self._discover(issuer)))
        return await kept.get()

    async def keys(self, issuer: Issuer) -> KeySet:
        """The public keys that an issuer signs with. Raises IssuerFailed."""
        return await self._kept_keys(issuer).get()

    async def newer_keys(self, issuer: Issuer) -> KeySet:
        """The same for a token of a key we do not know: fetched anew, if not a moment ago."""
        return await self._kept_keys(issuer).renewed()

    def _kept_keys(self, issuer: Issuer) -> Kept[KeySet]:
        return self._keys.setdefault(issuer.key, Kept(self._clock, lambda: self._fetch_keys(issuer)))

    async def _discover(self, issuer: Issuer) -> Metadata:
        places = _places(issuer.url)
        for place in places:
            reply = await self._get(place)
            if reply.status == 200:
                return _metadata(issuer, read_object(reply, place), place)
        raise IssuerFailed(f"{issuer.key} publishes no metadata at {' or '.join(places)}")

    async def _fetch_keys(self, issuer: Issuer) -> KeySet:
        url = (await self.metadata(issuer)).jwks
        reply = await self._get(url)
        if reply.status != 200:
            raise IssuerFailed(f"{url} answered with {reply.status}")
        return _key_set(read_object(reply, url), url)

    async def _get(self, url: str) -> Incoming:
        try:
            request = Outgoing("GET", url, (("Accept", "application/json"),))
            return await self._egress.send(request, origins=frozenset({origin_of(url)}), limits=LIMITS)
        except EgressError as error:
            raise IssuerFailed(str(error)) from None


def read_object(reply: Incoming, url: str) -> dict[str, Json]:
    """Read a JSON object in which nothing comes twice. Raises IssuerFailed; what it holds is never shown."""
    try:
        body = json.loads(reply.body, object_pairs_hook=_each_once, parse_constant=_refused)
    except (ValueError, RecursionError):
        body = None
    if not isinstance(body, dict):
        raise IssuerFailed(f"{url} answered with something that is no JSON object")
    return body


def _each_once(pairs: list[tuple[str, Json]]) -> dict[str, Json]:
    if len(found := dict(pairs)) < len(pairs):
        raise ValueError("a name comes twice")
    return found


def _refused(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is not JSON")


def _places(url: str) -> list[str]:
    """Where metadata may be: OpenID Connect Discovery section 4 appends, RFC 8414 section 3.1 inserts."""
    origin, base = origin_of(url), url.rstrip("/")
    path = base.removeprefix(origin)
    return [
        f"{base}/.well-known/openid-configuration",
        f"{origin}/.well-known/oauth-authorization-server{path}",
    ]


def _metadata(issuer: Issuer, body: Mapping[str, Json], place: str) -> Metadata:
    if body.get("issuer") != issuer.url:  # to the letter (RFC 8414 section 3.3): else it speaks for another
        raise IssuerFailed(f"{place} is the metadata of another issuer than {issuer.url}")
    jwks = _endpoint(body, "jwks_uri", place)
    if jwks is None:
        raise IssuerFailed(f"{place} names no jwks_uri")
    return Metadata(
        jwks=jwks,
        authorize=_endpoint(body, "authorization_endpoint", place),
        token=_endpoint(body, "token_endpoint", place),
        introspect=_endpoint(body, "introspection_endpoint", place),
        userinfo=_endpoint(body, "userinfo_endpoint", place),
        sends_iss=body.get("authorization_response_iss_parameter_supported") is True,
        pkce=_binds_codes(body.get("code_challenge_methods_supported")),
        found_at=place,
    )


def _binds_codes(methods: Json) -> bool:
    """Whether an issuer may do PKCE with S256: several of those that do say nothing of it (RFC 8414)."""
    return methods is None or (isinstance(methods, list) and "S256" in methods)


def _endpoint(body: Mapping[str, Json], name: str, place: str) -> str | None:
    """An endpoint, if it is one that requests may go to: https, no address, no dots, nothing hidden."""
    url = body.get(name)
    if url is None:
        return None
    try:
        origin_of(url if isinstance(url, str) else "")
    except EgressRefused as refused:
        raise IssuerFailed(f"{place}: {name} cannot be used: {refused}") from None
    return str(url)


def _key_set(body: Mapping[str, Json], url: str) -> KeySet:
    published = body.get("keys")
    if not isinstance(published, list) or len(published) > _MOST_KEYS:
        raise IssuerFailed(f"{url} answered with no list of keys, or with more than {_MOST_KEYS}")
    found = [key for one in published if (key := _key(one)) is not None]
    if not found:
        raise IssuerFailed(f"{url} has no key that signatures can be checked with")
    return KeySet([*found])


def _key(jwk: Json) -> RSAKey | ECKey | OKPKey | None:
    """One public key for signatures; None for any other, which is none of our business."""
    kind = _KINDS.get(str(jwk.get("kty"))) if isinstance(jwk, dict) else None
    if kind is None or jwk.get("use", "sig") != "sig" or not _long_enough(jwk):
        return None
    try:
        return kind.import_key({name: value for name, value in jwk.items() if name in _PUBLIC})
    except (JoseError, ValueError, TypeError, KeyError):
        return None


def _long_enough(jwk: Mapping[str, Json]) -> bool:
    return jwk["kty"] != "RSA" or len(str(jwk.get("n", ""))) >= _SHORTEST_MODULUS
