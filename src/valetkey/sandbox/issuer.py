"""An issuer of the sandbox: a company's sign-in, which vouches for people. What it issues, without HTTP.

Subjects differ from client to client where a client wants that (pairwise); `oid` and `tid` never do.
"""

import hashlib
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from valetkey.errors import UsageError
from valetkey.model import SECOND, Clock, Json, Randomness
from valetkey.sandbox.issuer_keys import IssuerKeys
from valetkey.sandbox.issuer_twists import ID_TOKEN, METADATA, TWISTS
from valetkey.sandbox.ledger import Marks
from valetkey.sandbox.people import Person, find_person
from valetkey.sandbox.provider import Client, Provider, ProviderKind
from valetkey.sandbox.rules import Rules

LASTS, CODE_LASTS, ASSERTION_LASTS = 600, 60, 300
"""Seconds that a token, a code and an ID-JAG are good for."""

PAGES = Client("valetkey-pages", "corp-sandbox-secret")
CLIENTS = (
    PAGES,
    Client("assistant", "", "Assistant"),
    Client("notes-agent", "notes-sandbox-secret", "Notes"),
)
"""Clients known at every issuer of the sandbox; without a secret it is a public one."""


@dataclass(frozen=True, slots=True)
class Login:
    """Somebody who signed in for a client, `at` epoch seconds, with what the client asked for."""

    person: Person
    client: Client
    at: int
    redirect_uri: str
    scopes: frozenset[str]
    challenge: str | None = None
    nonce: str | None = None
    resource: str | None = None


@dataclass(slots=True)
class _Kept:
    claims: dict[str, Json]
    live: bool = True


@dataclass(slots=True)
class Books:
    """What an issuer has done since the last reset. `asked` counts requests by endpoint."""

    asked: Counter[str] = field(default_factory=Counter)
    codes: dict[str, tuple[Login, int]] = field(default_factory=dict)
    tokens: dict[str, _Kept] = field(default_factory=dict)
    twists: set[str] = field(default_factory=set)
    subjects: dict[str, str] = field(default_factory=dict)
    pairwise: bool = False


class Issuer:
    """One issuer. `books.subjects` gives a person (by e-mail) another `sub`; `twist` makes it go wrong."""

    def __init__(self, name: str, url: str, clock: Clock, randomness: Randomness) -> None:
        self.name, self.url, self._clock, self._randomness = name, url, clock, randomness
        marks = Marks(code=f"{name}-code-", access=f"{name}-at-", refresh=f"{name}-rt-")
        kind = ProviderKind(name, url, PAGES, Rules(), marks, {"error": "temporarily_unavailable"})
        self.provider = Provider(kind, clock, randomness)
        self.keys, self.books = IssuerKeys(name, randomness), Books()

    def reset(self) -> None:
        """Forget everything that was issued and switched; the keys are new ones, too."""
        self.keys, self.books = IssuerKeys(self.name, self._randomness), Books()

    def twist(self, *names: str) -> None:
        """Go wrong in these ways, and in no others, from here on. Raises UsageError."""
        if unknown := set(names) - TWISTS:
            raise UsageError(f"no such twist: {', '.join(sorted(unknown))}")
        self.books.twists = set(names)

    def now(self) -> int:
        return self._clock.now() // SECOND

    def client(self, client_id: str) -> Client | None:
        return next((one for one in CLIENTS if one.id == client_id), None)

    def subject(self, person: Person, client_id: str) -> str:
        """A person's `sub` for a client."""
        fixed = self.books.subjects.get(person.email, f"{self.name}-{person.handle}")
        return _digest(fixed, client_id)[:32] if self.books.pairwise else fixed

    def metadata(self) -> Json:
        """OpenID Connect Discovery section 3 and RFC 8414 section 2, in one."""
        said: dict[str, Json] = {
            "issuer": self.url,
            "authorization_endpoint": f"{self.url}/authorize",
            "token_endpoint": f"{self.url}/token",
            "introspection_endpoint": f"{self.url}/introspect",
            "userinfo_endpoint": f"{self.url}/userinfo",
            "jwks_uri": f"{self.url}/jwks",
            "response_types_supported": ["code"],
            "subject_types_supported": ["public", "pairwise"],
            "id_token_signing_alg_values_supported": ["ES256"],
            "code_challenge_methods_supported": ["S256"],
            "authorization_response_iss_parameter_supported": True,
        }
        for name in self.books.twists & METADATA.keys():
            said |= METADATA[name]
        return said

    def code(self, login: Login) -> str:
        """Return a code for a login, good once and for a minute."""
        code = f"{self.name}-code-{self._randomness(16).hex()}"
        self.books.codes[code] = (login, self.now() + CODE_LASTS)
        return code

    def access_token(
        self,
        email: str,
        audience: str | Iterable[str],
        client: str = "assistant",
        *,
        header: Mapping[str, Json] | None = None,
        opaque: bool = False,
        **claims: Json,
    ) -> str:
        """Return an access token (RFC 9068), or an opaque one; `claims` replace, and None leaves one out."""
        person = _person(email)
        body = self._about(person, client) | {"aud": audience, "client_id": client, "scope": "mcp", **claims}
        return self._issued(body, {"typ": "at+jwt", **(header or {})}, opaque=opaque)

    def id_token(self, login: Login) -> str:
        """Return the ID token of a login, with what is twisted now twisted."""
        claims = self._about(login.person, login.client.id)
        claims |= {"aud": login.client.id, "nonce": login.nonce, "auth_time": login.at}
        claims = {name: value for name, value in claims.items() if value is not None}
        header: dict[str, Json] = {"typ": "JWT"}
        for name in self.books.twists & ID_TOKEN.keys():
            ID_TOKEN[name](header, claims)
        return self._issued(claims, header)

    def id_jag(self, email: str, client: str, audience: str, resource: str, **claims: Json) -> str:
        """Return an identity assertion for a client at another authorization server."""
        header = claims.pop("header", {})
        body = self._about(_person(email), client)
        body |= {"aud": audience, "resource": resource, "client_id": client, "scope": "mcp"}
        body |= {"exp": self.now() + ASSERTION_LASTS, **claims}
        return self._issued(body, {"typ": "oauth-id-jag+jwt", **header})

    def revoke(self, token: str) -> None:
        """Let a token be active no more: who asks about it is told so."""
        self.books.tokens[token].live = False

    def active(self, token: str) -> dict[str, Json] | None:
        """Return what a token of ours says while it is good."""
        kept = self.books.tokens.get(token)
        if kept is None or not kept.live or kept.claims.get("exp", 0) <= self.now():
            return None
        return kept.claims

    def _about(self, person: Person, client: str) -> dict[str, Json]:
        now = self.now()
        times = {"iat": now, "exp": now + LASTS, "jti": self._randomness(8).hex()}
        same_everywhere = {"tid": self.name, "oid": f"oid-{person.handle}", "name": person.name}
        return {"iss": self.url, "sub": self.subject(person, client), **times, **same_everywhere}

    def _issued(self, claims: dict[str, Json], header: dict[str, Json], *, opaque: bool = False) -> str:
        said = {name: value for name, value in claims.items() if value is not None}
        token = f"{self.name}-at-{self._randomness(24).hex()}" if opaque else self.keys.signed(said, header)
        self.books.tokens[token] = _Kept(said)
        return token


def _person(email: str) -> Person:
    if (person := find_person(email)) is None:
        raise UsageError(f"nobody here has the address {email}")
    return person


def _digest(*parts: str) -> str:
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()
