"""What tests of our authorization server's front do over and over: register, ask to be let in, say yes."""

import base64
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

import httpx2

from tests.pages.browser import Browser, Seen
from tests.support.town import PASSWORD, Town
from valetkey.model import SECOND, Json
from valetkey.people import Person

VERIFIER = "v" * 43
CHALLENGE = base64.urlsafe_b64encode(hashlib.sha256(VERIFIER.encode()).digest()).decode().rstrip("=")
BACK = "http://localhost:4000/callback"
AWAY = "https://app.example/callback"


@dataclass(slots=True)
class Front:
    """A town, somebody who lives there, and clients that come. `http` is a client without cookies."""

    town: Town
    person: Person
    browser: Browser
    http: httpx2.AsyncClient

    async def register(self, **metadata: Json) -> httpx2.Response:
        """Register; the clock goes on, so that no bound on how many a minute is met by accident."""
        self.town.clock.advance(3 * SECOND)
        return await self.http.post("/register", json={"redirect_uris": [BACK], **metadata})

    async def client(self, **metadata: Json) -> str:
        """Register and return the client's id."""
        answer = await self.register(**metadata)
        assert answer.status_code == 201, answer.text
        return str(answer.json()["client_id"])

    def asking(self, client_id: str, **changed: str | None) -> dict[str, str]:
        """What a client sends to /authorize; None leaves a parameter out."""
        asked = {
            "response_type": "code",
            "client_id": client_id,
            "redirect_uri": BACK,
            "code_challenge": CHALLENGE,
            "code_challenge_method": "S256",
            "state": "of the client",
            "resource": f"{self.town.url}/mcp",
            **changed,
        }
        return {name: value for name, value in asked.items() if value is not None}

    def path(self, client_id: str, **changed: str | None) -> str:
        return f"/authorize?{urlencode(self.asking(client_id, **changed))}"

    async def ask(self, client_id: str, **changed: str | None) -> Seen:
        """Ask to be let in, in the browser of the person; return the page they see."""
        return await self.browser.follow(await self.browser.open(self.path(client_id, **changed)))

    async def sign_in(self, browser: Browser) -> None:
        page = await browser.open("/signin")
        await browser.send(page, {"name": self.person.name, "password": PASSWORD})

    async def decide(self, page: Seen, decision: str = "allow", password: str = PASSWORD) -> Seen:
        return await self.browser.send(page, {"password": password, "decision": decision})

    async def let_in(self, client_id: str, **changed: str | None) -> dict[str, str]:
        """Let a client in; return what its redirect URI is told."""
        return told(await self.decide(await self.ask(client_id, **changed)))

    async def redeem(self, client_id: str, code: str, **changed: str) -> httpx2.Response:
        form = {
            "grant_type": "authorization_code",
            "client_id": client_id,
            "code": code,
            "redirect_uri": BACK,
            "code_verifier": VERIFIER,
            **changed,
        }
        return await self.http.post("/token", data=form)

    async def count(self, table: str, where: str = "1 = 1") -> int:
        row = await self.town.house.ground.store.one(f"SELECT count(*) AS n FROM {table} WHERE {where}")
        return int(row["n"]) if row else 0

    async def events(self, kind: str) -> list[Any]:
        """The person's audit events of a kind, oldest first."""
        return [one for one in await self.town.records(self.person) if one.kind == kind]


def told(answer: Seen, back: str = BACK) -> dict[str, str]:
    """What an answer tells the client by way of the browser; its redirect URI has to be this one."""
    assert answer.status == 303, answer.text
    location = urlsplit(answer.location)
    assert answer.location.startswith(f"{back}?"), answer.location
    return unique(parse_qsl(location.query, strict_parsing=True))


def unique(pairs: list[tuple[str, str]]) -> dict[str, str]:
    found: Mapping[str, str] = dict(pairs)
    assert len(found) == len(pairs)
    return dict(found)
