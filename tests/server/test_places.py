"""Sessions of the legacy era: one person has so many at most, and what ends one makes room for another."""

from collections.abc import AsyncIterator
from pathlib import Path

import anyio
import httpx2
import pytest
from mcp.server.auth.middleware.auth_context import AuthContextMiddleware
from mcp.server.auth.middleware.bearer_auth import AuthenticatedUser
from mcp.server.auth.provider import AccessToken
from mcp.server.lowlevel import Server
from starlette.types import Receive, Scope, Send

from tests.support.town import Town, town
from valetkey.model import Caller
from valetkey.people import Person
from valetkey.server.eras import Eras
from valetkey.server.places import MOST, Places
from valetkey.server.presences import Presences

HELLO = {
    "jsonrpc": "2.0",
    "id": 1,
    "method": "initialize",
    "params": {
        "protocolVersion": "2025-11-25",
        "capabilities": {},
        "clientInfo": {"name": "tests", "version": "1"},
    },
}
ACCEPT = {"Accept": "application/json, text/event-stream"}


@pytest.fixture
async def here(tmp_path: Path) -> AsyncIterator[Town]:
    async with town(tmp_path) as opened:
        yield opened


class Opener:
    """Opens sessions for one person, through one agent."""

    def __init__(self, http: httpx2.AsyncClient, here: Town, token: str) -> None:
        self._http, self._url = http, here.url
        self._headers = {"Authorization": f"Bearer {token}", **ACCEPT}

    @classmethod
    async def of(cls, http: httpx2.AsyncClient, here: Town, person: Person, agent: str) -> "Opener":
        return cls(http, here, await here.token(person, agent))

    async def open(self, at: str = "/mcp") -> httpx2.Response:
        return await self._http.post(self._url + at, json=HELLO, headers=self._headers)

    async def end(self, session: str) -> None:
        headers = {**self._headers, "Mcp-Session-Id": session}
        assert (await self._http.delete(f"{self._url}/mcp", headers=headers)).status_code == 200


async def test_a_flood_of_one_person_s_sessions_keeps_nobody_else_out(here: Town) -> None:
    """All at once, by two agents, at two endpoints: it is the person who is counted (X4)."""
    ana, ben = await here.person("ana"), await here.person("ben")
    async with httpx2.AsyncClient(timeout=30, trust_env=False) as http:
        hers = [await Opener.of(http, here, ana, name) for name in ("triage", "claude")]
        opened: list[httpx2.Response] = []

        async def one(number: int) -> None:
            opened.append(await hers[number % 2].open("/mcp" if number % 3 else "/mcp/flat"))

        with anyio.fail_after(30):
            async with anyio.create_task_group() as tasks:
                for number in range(MOST + 10):
                    tasks.start_soon(one, number)
        assert sorted(reply.status_code for reply in opened) == [200] * MOST + [429] * 10
        assert (await (await Opener.of(http, here, ben, "triage")).open()).status_code == 200
        refused = next(reply for reply in opened if reply.status_code == 429)
        assert refused.headers["retry-after"] == "60"
        assert f"{MOST} sessions open" in refused.json()["error"]["message"]


async def test_a_session_that_its_client_ends_makes_room(here: Town) -> None:
    async with httpx2.AsyncClient(timeout=30, trust_env=False) as http:
        hers = await Opener.of(http, here, await here.person("ana"), "triage")
        opened = [await hers.open() for _ in range(MOST)]
        assert (await hers.open()).status_code == 429
        await hers.end(opened[7].headers["mcp-session-id"])
        assert (await hers.open()).status_code == 200
        assert (await hers.open()).status_code == 429


async def test_a_first_request_that_opens_no_session_takes_no_place(here: Town) -> None:
    async with httpx2.AsyncClient(timeout=30, trust_env=False) as http:
        hers = await Opener.of(http, here, await here.person("ana"), "triage")
        headers = {**hers._headers, "MCP-Protocol-Version": "2025-11-25"}
        listing = {"jsonrpc": "2.0", "id": 1, "method": "tools/list"}
        for _ in range(MOST + 1):
            assert (await http.post(f"{here.url}/mcp", json=listing, headers=headers)).status_code == 400
        assert (await hers.open()).status_code == 200


async def test_a_session_that_nobody_uses_makes_room_in_the_end() -> None:
    async def stands(_: Caller) -> bool:
        return True

    eras = Eras(Server("tests"), Places(Presences(), stands, most=1, idle=0.2))
    door = AuthContextMiddleware(eras)

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        claims = {"iss": "local", "chain": (), "sid": "ses_1", "away": False}
        token = AccessToken(token="", client_id="triage", scopes=[], subject="ana", claims=claims)
        await door({**scope, "user": AuthenticatedUser(token)}, receive, send)

    transport = httpx2.ASGITransport(app)
    async with eras.run(), httpx2.AsyncClient(transport=transport, base_url="http://localhost") as http:
        assert (await http.post("/mcp", json=HELLO, headers=ACCEPT)).status_code == 200
        with anyio.fail_after(20):
            while (await http.post("/mcp", json=HELLO, headers=ACCEPT)).status_code == 429:  # noqa: ASYNC110 - the SDK's own clock
                await anyio.sleep(0.05)
