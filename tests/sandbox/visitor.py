"""A browser and an OAuth client in one, for these tests alone: plain requests, nothing of the product's."""

import base64
import hashlib
from dataclasses import dataclass, field
from html.parser import HTMLParser
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx2

from valetkey.sandbox import GITHUB_CLIENT, GOOGLE_CLIENT, SLACK_CLIENT, STRICT_CLIENT

MAIL = "https://www.googleapis.com/auth/gmail."
READ, SEND, MODIFY = MAIL + "readonly", MAIL + "send", MAIL + "modify"
SLACK_SCOPES = "channels:read,groups:read,channels:history,groups:history,chat:write,search:read,users:read"
VERIFIER = "a-verifier-of-at-least-forty-three-characters"


def challenge(verifier: str) -> str:
    digest = hashlib.sha256(verifier.encode()).digest()
    return base64.urlsafe_b64encode(digest).decode().rstrip("=")


@dataclass
class Site:
    """Where a provider's endpoints are, and a request that its authorization endpoint accepts."""

    authorize: str
    token: str
    secret: dict[str, str]
    query: dict[str, str]

    @property
    def redirect_uri(self) -> str:
        return self.query["redirect_uri"]


def google() -> Site:
    client = {"client_id": GOOGLE_CLIENT.id, "client_secret": GOOGLE_CLIENT.secret}
    query = {
        "client_id": GOOGLE_CLIENT.id,
        "redirect_uri": "http://localhost:8917/callback/google",
        "response_type": "code",
        "scope": f"{READ} {SEND}",
        "state": "a state",
        "access_type": "offline",
        "prompt": "consent",
    }
    return Site("/o/oauth2/v2/auth", "/token", client, query)


def github() -> Site:
    client = {"client_id": GITHUB_CLIENT.id, "client_secret": GITHUB_CLIENT.secret}
    query = {
        "client_id": GITHUB_CLIENT.id,
        "redirect_uri": "http://localhost:8917/callback/github",
        "response_type": "code",
        "scope": "repo,notifications",
        "state": "a state",
    }
    return Site("/login/oauth/authorize", "/login/oauth/access_token", client, query)


def slack() -> Site:
    client = {"client_id": SLACK_CLIENT.id, "client_secret": SLACK_CLIENT.secret}
    query = {
        "client_id": SLACK_CLIENT.id,
        "redirect_uri": "http://localhost:8917/callback/slack",
        "response_type": "code",
        "user_scope": SLACK_SCOPES,
        "state": "a state",
    }
    return Site("/oauth/v2/authorize", "/api/oauth.v2.access", client, query)


def strict() -> Site:
    client = {"client_id": STRICT_CLIENT.id, "client_secret": STRICT_CLIENT.secret}
    query = {
        "client_id": STRICT_CLIENT.id,
        "redirect_uri": "http://localhost:8917/callback/strict",
        "response_type": "code",
        "scope": "notes.read notes.write",
        "state": "a state",
        "code_challenge": challenge(VERIFIER),
        "code_challenge_method": "S256",
    }
    return Site("/strict/authorize", "/strict/token", client, query)


class Form(HTMLParser):
    """What a consent page would submit as it stands: its ticked boxes, and its words."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.fields: dict[str, list[str]] = {}
        self.text = ""
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        if tag == "input" and "checked" in given:
            self.fields.setdefault(str(given["name"]), []).append(str(given["value"]))

    def handle_data(self, data: str) -> None:
        self.text += data


@dataclass
class Visitor:
    """Sends requests; says nothing about what should come back."""

    http: httpx2.AsyncClient
    headers: dict[str, str] = field(default_factory=dict)

    async def page(self, site: Site, **changed: str | None) -> httpx2.Response:
        return await self.http.get(site.authorize, params=_without_none(site.query | changed))

    async def decide(self, site: Site, form: dict[str, Any], **changed: str | None) -> httpx2.Response:
        return await self.http.post(site.authorize, params=_without_none(site.query | changed), data=form)

    async def allow(self, site: Site, account: str, **changed: str | None) -> dict[str, str]:
        """Open the page, submit its form as it stands for this account; return the callback's query."""
        fields = Form((await self.page(site, **changed)).text).fields
        answer = await self.decide(site, fields | {"account": account, "decision": "allow"}, **changed)
        return query_of(answer)

    async def token(self, site: Site, **form: str | None) -> httpx2.Response:
        return await self.http.post(site.token, data=_without_none(site.secret | form))

    async def redeem(self, site: Site, code: str, /, **form: str | None) -> httpx2.Response:
        basis: dict[str, str | None] = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": site.redirect_uri,
            "code_verifier": VERIFIER if "code_challenge" in site.query else None,
        }
        return await self.token(site, **basis | form)

    async def refresh(self, site: Site, token: str, **form: str | None) -> httpx2.Response:
        return await self.token(site, grant_type="refresh_token", refresh_token=token, **form)

    async def connect(self, site: Site, account: str, **changed: str | None) -> dict[str, Any]:
        """Go all the way; return the token set, and send its access token from here on."""
        code = (await self.allow(site, account, **changed))["code"]
        answer = (await self.redeem(site, code)).json()
        tokens: dict[str, Any] = answer.get("authed_user", answer)
        self.headers = bearer(tokens)
        return tokens

    async def get(self, path: str, **query: Any) -> httpx2.Response:
        return await self.http.get(path, params=query, headers=self.headers)

    async def post(self, path: str, body: Any) -> httpx2.Response:
        return await self.http.post(path, json=body, headers=self.headers)


def bearer(tokens: dict[str, Any]) -> dict[str, str]:
    return {"Authorization": f"Bearer {tokens['access_token']}"}


def query_of(answer: httpx2.Response) -> dict[str, str]:
    """The query of a redirect, every parameter once."""
    pairs = parse_qs(urlsplit(answer.headers["location"]).query, strict_parsing=True)
    assert all(len(values) == 1 for values in pairs.values())
    return {name: values[0] for name, values in pairs.items()}


def _without_none(pairs: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in pairs.items() if value is not None}
