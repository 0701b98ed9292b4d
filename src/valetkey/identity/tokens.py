"""Our own access tokens: JWTs in RFC 9068's profile, signed with Ed25519 by the server's own key.

A token is half of a credential; the other half is its session's row, which `Identity` reads.
"""

import base64
import hashlib
import re
from dataclasses import dataclass

import anyio
from joserfc import jwt
from joserfc.errors import InvalidKeyIdError, JoseError
from joserfc.jwk import KeySet, OKPKey

from valetkey.errors import NoPerson, Unauthenticated
from valetkey.model import SECOND, Clock, Json
from valetkey.people import LOCAL, Session
from valetkey.store import Reads
from valetkey.vault import KeyRing, Purpose, ServerKey

_ALGORITHM = "Ed25519"  # RFC 9864: the fully specified name
_TYPE = "at+jwt"
_LONGEST = 8 * 1024
_SKEW_SECONDS = 5
_RENEWED_EVERY = SECOND
"""So that tokens with made-up keys cost the store next to nothing."""

_REMEMBERED = 1024
"""How many verified tokens are remembered, by their digests, until they end."""

_PEOPLE_OF = "vk_iss"
"""Our claim for the key of the issuer that vouches for `sub`; without it, `sub` is one of our own people."""

PATH = "/mcp"
"""Where the resource that our tokens are for stands, under the public URL."""


@dataclass(frozen=True, slots=True)
class Claims:
    """What a verified token says. `until` is epoch seconds; `resource` is the MCP endpoint it is for.

    `chain` is who stands behind the client that acts, nearest first (RFC 8693 section 4.1). `issuer` is
    the key of the issuer whose person `subject` is.
    """

    subject: str
    client: str
    sid: str
    scopes: tuple[str, ...]
    resource: str
    until: int
    chain: tuple[str, ...] = ()
    issuer: str = LOCAL


class _UnknownKey(Unauthenticated):
    """A token is signed by a key that this process does not know, or not yet."""


class Tokens:
    """Mints and verifies access tokens. `issuer` is the public URL, `resource` its MCP endpoint."""

    def __init__(self, db: Reads, keys: KeyRing, clock: Clock, issuer: str, resource: str) -> None:
        self._db, self._keys, self._clock, self.issuer, self.resource = db, keys, clock, issuer, resource
        self._accepted = _key_set(tuple(keys.all_for(Purpose.TOKEN_SIGNING)))
        self._verified: dict[bytes, Claims] = {}
        self._renewing, self._renewed = anyio.Lock(), 0

    def mint(self, session: Session, lasts: int | None = None) -> str:
        """Return a token of a session (RFC 9068 section 2).

        It lasts as long as the session, or for so many milliseconds from now where that is shorter.
        """
        key, now = self._keys.server(Purpose.TOKEN_SIGNING), self._clock.now()
        until = session.until if lasts is None else min(session.until, now + lasts)
        claims = {
            "iss": self.issuer,
            "aud": session.resource or self.resource,
            "sid": session.id,
            "jti": f"{session.id}.{now}",
            "scope": " ".join(session.scopes),
            "iat": now // 1000,
            "exp": until // 1000,
            **whose(session),
        }
        header = {"alg": _ALGORITHM, "typ": _TYPE, "kid": key.kid}
        return jwt.encode(header, claims, _private(key), algorithms=[_ALGORITHM])

    async def renew(self) -> None:
        """Read the keys again, once a second at most: another process may have made a new one."""
        async with self._renewing:
            now = self._clock.now()
            if 0 <= now - self._renewed < _RENEWED_EVERY:
                return
            await self._keys.reload(self._db, self._clock)
            self._accepted = _key_set(tuple(self._keys.all_for(Purpose.TOKEN_SIGNING)))
            self._renewed = now

    async def known(self, token: str) -> Claims:
        """Return what `verified` does, also for a token of a key that was made a moment ago, elsewhere."""
        try:
            return self.verified(token)
        except _UnknownKey:
            await self.renew()
            return self.verified(token)

    def verified(self, token: str) -> Claims:
        """Check type, signature, issuer, audience and time (RFC 9068 section 4).

        Raises Unauthenticated: 401, or 403 for a good token that names no person.
        """
        if len(token) > _LONGEST:
            raise Unauthenticated("this is not a token of this server")
        digest = hashlib.sha256(token.encode(errors="surrogatepass")).digest()
        known = self._verified.get(digest)
        if known is not None and known.until > self._clock.now() // 1000:
            return known  # its signature has not changed; whether its session lives is read on every request
        claims = self._checked(token)
        if len(self._verified) >= _REMEMBERED:
            self._verified.clear()
        self._verified[digest] = claims
        return claims

    def _checked(self, token: str) -> Claims:
        try:
            decoded = jwt.decode(token, self._accepted, algorithms=[_ALGORITHM])
            _registry(self.issuer, self._clock.now() // 1000).validate(decoded.claims)
        except InvalidKeyIdError:
            raise _UnknownKey("this token is not valid here, or no longer") from None
        except (JoseError, ValueError, TypeError, KeyError):
            raise Unauthenticated("this token is not valid here, or no longer") from None
        if decoded.header.get("typ") != _TYPE:
            raise Unauthenticated("this is not an access token")
        claims = _claims(decoded.claims)
        if not self.reaches(self.resource, claims.resource):
            raise Unauthenticated("this token is for another place")
        return claims

    def reaches(self, allowed: str, resource: str) -> bool:
        """Whether what was allowed for one endpoint goes for another: what goes for all, for each of them."""
        return resource == allowed or (
            allowed == self.resource
            and re.fullmatch(rf"{re.escape(self.resource)}/[a-z0-9-]+", resource) is not None
        )

    def opens(self, claims: Claims, resource: str) -> bool:
        """Whether a token opens an endpoint: one for `/mcp` opens all, one for `/mcp/NAME` that one."""
        return claims.resource in {self.resource, resource}

    def jwks(self) -> dict[str, Json]:
        """The public keys (RFC 7517 section 5), for anybody who wants to verify our tokens."""
        return {"keys": [_public(key) for key in self._keys.all_for(Purpose.TOKEN_SIGNING)]}


def _key_set(keys: tuple[ServerKey, ...]) -> KeySet:
    return KeySet([OKPKey.import_key({**_public(key)}) for key in keys])


def _registry(issuer: str, now: int) -> jwt.JWTClaimsRegistry:
    return jwt.JWTClaimsRegistry(
        now=now,
        leeway=_SKEW_SECONDS,
        iss={"essential": True, "value": issuer},
        aud={"essential": True},
        exp={"essential": True},
        client_id={"essential": True},
        sid={"essential": True},
    )


def _claims(claims: dict[str, Json]) -> Claims:
    subject = claims.get("sub")
    if not isinstance(subject, str) or not subject:
        raise NoPerson(str(claims["client_id"]))
    scopes = tuple(str(claims.get("scope", "")).split())
    if not isinstance(claims["aud"], str):  # an audience of several would open several doors
        raise Unauthenticated("this token is for more than one place")
    return Claims(
        subject=subject,
        client=str(claims["client_id"]),
        sid=str(claims["sid"]),
        scopes=scopes,
        resource=claims["aud"],
        until=int(claims["exp"]),
        chain=_chain(claims.get("act")),
        issuer=str(claims.get(_PEOPLE_OF, LOCAL)),
    )


def whose(session: Session) -> dict[str, Json]:
    """Return the claims that say for whom a token acts, and who it is that acts."""
    people, subject = session.principal.issuer, session.principal.subject
    issuer = {} if people == LOCAL else {_PEOPLE_OF: people}
    return {"sub": subject, **issuer, "client_id": session.actor, **_act(session)}


def _act(session: Session) -> dict[str, Json]:
    """The claim that names the agent, and those behind it, of a token that was exchanged."""
    if session.kind != "exchanged":
        return {}
    act: Json = None
    for actor in (*reversed(session.chain), session.actor):
        act = {"sub": actor} if act is None else {"sub": actor, "act": act}
    return {"act": act}


def _chain(act: Json) -> tuple[str, ...]:
    """Who stands behind the actor of an `act` claim; its own `sub` is the client that acts."""
    behind: list[str] = []
    while isinstance(act, dict) and isinstance(act := act.get("act"), dict):
        behind.append(str(act.get("sub")))
    return tuple(behind)


def _public(key: ServerKey) -> dict[str, str]:
    return {
        "kty": "OKP",
        "crv": "Ed25519",
        "kid": key.kid,
        "use": "sig",
        "alg": _ALGORITHM,
        "x": _b64(key.public()),
    }


def _private(key: ServerKey) -> OKPKey:
    return OKPKey.import_key({**_public(key), "d": _b64(key.secret)})


def _b64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).decode().rstrip("=")
