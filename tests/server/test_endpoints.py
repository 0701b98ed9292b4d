"""Endpoints that show some of the tools, under names their clients can take."""

import re
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.support.town import Town, settings_for, town
from tests.support.wire import text
from valetkey.assemble import opened
from valetkey.errors import SettingsError
from valetkey.identity import Tokens
from valetkey.people import Person
from valetkey.server.changes import Changes
from valetkey.serving import endpoints_of

READERS = '[endpoints.readers]\nconnectors = ["gmail"]\neffects = ["read"]\n'


@pytest.fixture(scope="module")
async def here(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Town]:
    async with town(tmp_path_factory.mktemp("home"), more=READERS, hold=0.02) as opened:
        yield opened


@pytest.fixture
async def ana(here: Town) -> Person:
    return await here.newcomer()


async def _names(here: Town, ana: Person, at: str) -> list[str]:
    async with here.client(await here.token(ana), at=at) as agent:
        return [tool.name for tool in (await agent.list_tools()).tools]


async def test_the_whole_server_is_listed_with_dots(here: Town, ana: Person) -> None:
    names = await _names(here, ana, "/mcp")
    assert {"gmail.list_unread", "slack.post_message"} <= set(names)
    assert names == sorted(names)


async def test_the_flat_endpoint_lists_the_same_tools_without_dots(here: Town, ana: Person) -> None:
    dotted = await _names(here, ana, "/mcp")
    assert await _names(here, ana, "/mcp/flat") == [name.replace(".", "_") for name in dotted]


@pytest.mark.parametrize("at", ["/mcp", "/mcp/flat"])
@pytest.mark.parametrize("name", ["gmail.list_unread", "gmail_list_unread"])
async def test_either_spelling_can_be_called_anywhere(here: Town, ana: Person, at: str, name: str) -> None:
    async with here.client(await here.token(ana), at=at) as agent:
        said = await agent.call_tool(name, {"limit": 1})
    assert "[not_connected]" in text(said)


async def test_an_endpoint_shows_what_it_selects_and_nothing_else(here: Town, ana: Person) -> None:
    names = await _names(here, ana, "/mcp/readers")
    assert "gmail.list_unread" in names
    assert not [name for name in names if not name.startswith(("gmail.", "valetkey."))]
    assert "gmail.send_message" not in names


async def test_what_an_endpoint_does_not_show_cannot_be_called_there(here: Town, ana: Person) -> None:
    async with here.wire(await here.token(ana), at="/mcp/readers") as agent:
        answer = await agent.call("gmail.send_message", {"to": "a@example.com", "subject": "s", "text": "t"})
    assert answer["error"]["code"] == -32602


async def test_each_endpoint_has_metadata_of_its_own(here: Town) -> None:
    async with here.wire("none") as agent:
        about = await agent.http.get(f"{here.url}/.well-known/oauth-protected-resource/mcp/readers")
        refused = await agent.http.post(f"{here.url}/mcp/readers", json={})
    assert about.json()["resource"] == f"{here.url}/mcp/readers"
    assert (
        f'{here.url}/.well-known/oauth-protected-resource/mcp/readers"' in refused.headers["www-authenticate"]
    )


async def test_a_token_for_one_endpoint_opens_no_other(here: Town, ana: Person) -> None:
    async with here.house.ground.store.transaction() as tx:
        agent = await here.house.agents.named(tx, "triage")
        session = await here.house.sessions.start_token(tx, ana.principal, agent.id, 60_000)
    ground = here.house.ground
    narrow = Tokens(ground.store, ground.keys, ground.clock, here.url, f"{here.url}/mcp/readers").mint(
        session
    )
    for at, status in (("/mcp/readers", 200), ("/mcp", 401), ("/mcp/flat", 401)):
        async with here.wire(narrow, at=at) as wire:
            reply = await wire.post(wire.body("tools/list", {}), wire.headers("tools/list"))
        assert (at, reply.status_code) == (at, status)


@pytest.mark.parametrize(
    ("table", "said"),
    [
        ('[endpoints.x]\nconnectors = ["gmial"]', "no connector `gmial`"),
        ('[endpoints.x]\ntools = ["gmail.list"]', "no tool `gmail.list`"),
    ],
)
async def test_an_endpoint_that_selects_nothing_by_mistake_is_refused_at_start(
    tmp_path: Path, table: str, said: str
) -> None:
    chosen = settings_for(tmp_path, "http://127.0.0.1:4101", f"{table}\n")
    async with opened(chosen) as house:
        with pytest.raises(SettingsError, match=re.escape(said)):
            endpoints_of(house, Changes(house.ground.store, house.ground.clock))
