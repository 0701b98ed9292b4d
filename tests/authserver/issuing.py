"""The token side of our authorization server on a store of its own, and clients that come to it over HTTP."""

import base64
import hashlib
import secrets
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote_plus

import httpx2
from joserfc import jwt
from joserfc.jwk import ECKey, OKPKey, RSAKey
from starlette.applications import Starlette

from tests.support.clock import FakeClock
from valetkey.audit import Audit
from valetkey.authserver.asking import GrantType
from valetkey.authserver.authentication import ASSERTION_TYPE, ClientAuthentication
from valetkey.authserver.codes import Codes
from valetkey.authserver.issued import IssuedTokens
from valetkey.authserver.refresh_tokens import RefreshTokens
from valetkey.authserver.rfc6749_code import AuthorizationCode
from valetkey.authserver.rfc6749_refresh import Refresh
from valetkey.authserver.rfc6749_token import TokenEndpoint
from valetkey.authserver.rfc7009_revocation import RevocationEndpoint
from valetkey.authserver.rfc7523_assertions import ClientAssertions
from valetkey.authserver.rfc7662_introspection import IntrospectionEndpoint
from valetkey.grants import Grants
from valetkey.identity import Identity, Tokens
from valetkey.model import MINUTE, Ids, Json, Principal
from valetkey.pages import Site
from valetkey.people import Agent, Agents, Kind, Once, Session, Sessions, Tries
from valetkey.store import Store
from valetkey.vault import Vault

URL = "http://localhost:8917"
RESOURCE = f"{URL}/mcp"
REDIRECT = "http://localhost:4000/callback"
ANA = Principal("local", "per_ana")
VERIFIER = "v" * 43
Key = OKPKey | ECKey | RSAKey


@dataclass(slots=True)
class Issuing:
    """What a test walks about in. `http` is whoever comes to the endpoints."""

    store: Store
    audit: Audit
    vault: Vault
    clock: FakeClock
    agents: Agents
    sessions: Sessions
    codes: Codes
    refresh_tokens: RefreshTokens
    tokens: Tokens
    identity: Identity
    http: httpx2.AsyncClient

    async def client(
        self,
        name: str = "claude",
        *,
        kind: Kind = Kind.DYNAMIC,
        secret: str | None = None,
        **metadata: Json,
    ) -> Agent:
        """Keep a client; a public one unless its metadata say otherwise."""
        digest = self.agents.secret_digest(secret) if secret else None
        described = {"token_endpoint_auth_method": "none", **metadata}
        async with self.store.transaction() as tx:
            return await self.agents.add(tx, f"cli_{name}", name, kind, described, digest)

    async def keyed(self, key: Key, name: str = "triage", **jwk: Json) -> Agent:
        """Keep a client that proves itself with a key."""
        public = {**key.as_dict(private=False), "kid": "k1", **jwk}
        how: dict[str, Any] = {"token_endpoint_auth_method": "private_key_jwt", "jwks": {"keys": [public]}}
        return await self.client(name, **how)

    async def session(self, client: Agent, resource: str | None = RESOURCE) -> Session:
        """Start what a person's yes to a client starts."""
        more: dict[str, Any] = {"scopes": ("mcp",), "resource": resource, "label": client.name}
        async with self.store.transaction() as tx:
            return await self.sessions.start_client(tx, ANA, client.id, MINUTE, **more)

    async def code(self, client: Agent, resource: str | None = RESOURCE) -> str:
        """Make the code with which a client's browser came back."""
        session = await self.session(client, resource)
        async with self.store.transaction() as tx:
            return await self.codes.make(tx, session, REDIRECT, challenge(VERIFIER))

    async def redeem(self, code: str, **form: str) -> httpx2.Response:
        """Ask for a code's tokens as a public client does."""
        asked = {"code": code, "redirect_uri": REDIRECT, "code_verifier": VERIFIER}
        return await self.token("authorization_code", **{**asked, **form})

    async def signed_in(self, client: Agent) -> dict[str, Any]:
        """Return the first tokens of a client, as it gets them."""
        answer = await self.redeem(await self.code(client), client_id=client.id)
        assert answer.status_code == 200, answer.text
        return dict(answer.json())

    async def refresh(self, token: str, client: Agent, **form: str) -> httpx2.Response:
        return await self.token("refresh_token", refresh_token=token, client_id=client.id, **form)

    async def token(self, grant_type: str, **form: str) -> httpx2.Response:
        return await self.post("/token", {"grant_type": grant_type, **form})

    async def post(
        self, path: str, form: Mapping[str, str], headers: Mapping[str, str] | None = None
    ) -> httpx2.Response:
        return await self.http.post(path, data=form, headers=headers)

    async def lives(self, access_token: str) -> bool:
        """Whether a call with this token would be let in."""
        claims = self.tokens.verified(access_token)
        return await self.sessions.read(claims.sid) is not None

    async def kinds(self) -> list[str]:
        """The kinds of event on record, oldest first, once all that waits to be written is."""
        await self.audit.settled()
        return [row["kind"] for row in await self.store.all("SELECT kind FROM audit ORDER BY seq")]


@asynccontextmanager
async def issuing(store: Store, vault: Vault, ids: Ids, clock: FakeClock) -> AsyncIterator[Issuing]:
    """Open the token side on a store."""
    keys, random, site = vault.keys, secrets.token_bytes, Site(URL)
    sessions, agents = Sessions(store, keys, ids, clock, random), Agents(keys, ids, clock, random)
    tokens = Tokens(store, keys, clock, URL, RESOURCE)
    async with Audit(store, vault, ids, clock) as audit:
        codes = Codes(store, keys, audit, sessions, clock, random)
        identity = Identity(tokens, sessions, Grants(store, keys, audit, ids, clock))
        refresh_tokens = RefreshTokens(store, vault, audit, sessions, clock, random)
        audiences = frozenset({URL, f"{URL}/token"})
        assertions = ClientAssertions(store, Once(clock), clock, audiences)
        tries = Tries(store, clock)
        authentication = ClientAuthentication(store, agents, tries, keys, audit, clock, assertions)
        issued = IssuedTokens(tokens, identity, refresh_tokens)
        kinds: dict[str, GrantType] = {
            "authorization_code": AuthorizationCode(codes, refresh_tokens, tokens, clock),
            "refresh_token": Refresh(refresh_tokens, tokens, clock),
        }
        revocation = RevocationEndpoint(site, store, authentication, issued, sessions, audit)
        introspection = IntrospectionEndpoint(
            site, store, authentication, issued, refresh_tokens, agents, URL
        )
        token = TokenEndpoint(site, authentication, tokens, kinds)
        app = Starlette(routes=[token.route, revocation.route, introspection.route])
        async with httpx2.AsyncClient(transport=httpx2.ASGITransport(app), base_url=URL) as http:
            yield Issuing(
                store, audit, vault, clock, agents, sessions, codes, refresh_tokens, tokens, identity, http
            )


def challenge(verifier: str) -> str:
    """S256 (RFC 7636 section 4.2)."""
    return base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).decode().rstrip("=")


def basic(client_id: str, secret: str) -> dict[str, str]:
    """The header of a client with a secret (RFC 6749 section 2.3.1)."""
    pair = f"{quote_plus(client_id)}:{quote_plus(secret)}"
    return {"Authorization": f"Basic {base64.b64encode(pair.encode()).decode()}"}


def assertion(
    key: Key, clock: FakeClock, client_id: str, header: Mapping[str, Json] | None = None, **changed: Json
) -> dict[str, str]:
    """The form's fields of a client with a key (RFC 7523 section 2.2); a claim of None is left out."""
    now = clock.now() // 1000
    claims = {
        "iss": client_id,
        "sub": client_id,
        "aud": f"{URL}/token",
        "jti": secrets.token_hex(8),
        "iat": now,
        "exp": now + 60,
    } | changed
    whole = {"alg": "Ed25519", "kid": "k1"} | dict(header or {})
    kept = {name: value for name, value in claims.items() if value is not None}
    signed = jwt.encode(whole, kept, key, algorithms=[whole["alg"]])
    return {"client_assertion_type": ASSERTION_TYPE, "client_assertion": signed}
