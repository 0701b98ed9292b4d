"""Clients that cannot open a link for their person."""

from collections.abc import AsyncIterator, Mapping
from typing import Any

import pytest

from tests.support.town import Town, town
from tests.support.wire import Wire, text
from valetkey.people import Person

UNREAD = {"limit": 1}


@pytest.fixture(scope="module")
async def here(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Town]:
    async with town(tmp_path_factory.mktemp("home"), hold=0.02) as opened:
        yield opened


@pytest.fixture
async def ana(here: Town) -> Person:
    return await here.newcomer()


@pytest.mark.parametrize(
    "capabilities",
    [
        pytest.param({}, id="none"),
        pytest.param({"elicitation": {}}, id="an empty object means forms only"),
        pytest.param({"elicitation": {"form": {}}}, id="forms only"),
    ],
)
async def test_a_client_that_takes_no_links_gets_it_as_text_and_calls_again(
    here: Town, capabilities: Mapping[str, Any]
) -> None:
    ana = await here.newcomer()
    async with here.wire(await here.token(ana), capabilities) as agent:
        said = await agent.call("gmail.list_unread", UNREAD)
        assert said["isError"]
        link = said["_meta"]["valetkey/connect_url"]
        assert link in text(said)
        assert "gmail.list_unread again" in text(said)
        assert said["_meta"]["valetkey/outcome"] == "not_connected"
        await here.approve(link, ana.name, "ana@example.com")
        mail = await agent.call("gmail.list_unread", UNREAD)
    assert len(mail["structuredContent"]["items"]) == 1


async def test_a_session_of_the_last_revision_belongs_to_its_person(here: Town, ana: Person) -> None:
    """Whoever holds the session's id and a token of another person gets nothing (M4)."""
    ben = await here.newcomer()
    async with here.wire(await here.token(ana)) as hers, here.wire(await here.token(ben)) as his:
        session = await _initialized(hers)
        for wire, status in ((his, 404), (hers, 200)):
            headers = _legacy(wire) | {"Mcp-Session-Id": session}
            listing = {"jsonrpc": "2.0", "id": 2, "method": "tools/list"}
            assert (await wire.post(listing, headers)).status_code == status
        ended = await his.http.delete(f"{his.url}/mcp", headers=_legacy(his) | {"Mcp-Session-Id": session})
        assert ended.status_code == 404
        assert (
            await his.http.get(f"{his.url}/mcp", headers=_legacy(his) | {"Mcp-Session-Id": session})
        ).status_code == 404
        again = _legacy(hers) | {"Mcp-Session-Id": session}
        assert (
            await hers.post({"jsonrpc": "2.0", "id": 3, "method": "tools/list"}, again)
        ).status_code == 200


async def test_a_session_goes_on_under_a_new_token_of_the_same_person(here: Town, ana: Person) -> None:
    async with here.wire(await here.token(ana)) as wire:
        session = await _initialized(wire)
        wire.token = await here.token(ana)
        headers = _legacy(wire) | {"Mcp-Session-Id": session}
        listing = {"jsonrpc": "2.0", "id": 2, "method": "tools/list"}
        assert (await wire.post(listing, headers)).status_code == 200


def _legacy(wire: Wire) -> dict[str, str]:
    return {
        "Authorization": f"Bearer {wire.token}",
        "Accept": "application/json, text/event-stream",
        "MCP-Protocol-Version": "2025-11-25",
    }


async def _initialized(wire: Wire) -> str:
    params = {
        "protocolVersion": "2025-11-25",
        "capabilities": {},
        "clientInfo": {"name": "test", "version": "1"},
    }
    begin = {"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": params}
    reply = await wire.post(begin, _legacy(wire))
    session = str(reply.headers["mcp-session-id"])
    ready = {"jsonrpc": "2.0", "method": "notifications/initialized"}
    await wire.post(ready, _legacy(wire) | {"Mcp-Session-Id": session})
    return session
