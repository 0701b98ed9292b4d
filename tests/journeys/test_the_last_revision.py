"""Clients of MCP 2025-11-25: a link is pushed to them, the call is held, they are told when it is done.

Where nothing can be pushed, because the client takes no event stream, the link is an error to retry on.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import anyio
import httpx2
import mcp_types as types
import pytest
from mcp.client.client import Client
from mcp.client.session import ElicitationFnT, IncomingMessage
from mcp.client.streamable_http import streamable_http_client
from mcp.shared.exceptions import MCPError, UrlElicitationRequiredError

from tests.support.town import Town, town
from valetkey.people import Person

UNREAD = {"limit": 1}


@pytest.fixture(scope="module")
async def here(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Town]:
    async with town(tmp_path_factory.mktemp("home"), hold=0.02) as opened:
        yield opened


@pytest.fixture
async def ana(here: Town) -> Person:
    here.links.clear()
    return await here.newcomer()


async def test_a_pushed_link_that_is_approved_completes_the_same_call(here: Town, ana: Person) -> None:
    yes = here.approving(ana.name, "ana@example.com")
    with anyio.fail_after(20):
        async with here.client(await here.token(ana), yes, mode="legacy") as agent:
            assert agent.protocol_version == "2025-11-25"
            mail = await agent.call_tool("gmail.list_unread", UNREAD)
            assert mail.structured_content is not None, mail.content
            assert len(mail.structured_content["items"]) == 1
            assert len(here.links) == 1
            assert not (await agent.call_tool("gmail.list_unread", UNREAD)).is_error
            assert len(here.links) == 1, "nobody is asked twice"


async def test_the_client_is_told_that_its_person_is_done(here: Town, ana: Person) -> None:
    told: list[str] = []

    async def heard(message: IncomingMessage) -> None:
        if isinstance(message, types.ElicitCompleteNotification):
            told.append(message.params.elicitation_id)

    yes = here.approving(ana.name, "ana@example.com")
    with anyio.fail_after(20):
        async with here.client(await here.token(ana), yes, mode="legacy", heard=heard) as agent:
            await agent.call_tool("gmail.list_unread", UNREAD)
    assert len(told) == 1
    assert (await here.house.requests.get(told[0])).state == "met"


@pytest.mark.parametrize("answer", ["accept", "cancel"])
async def test_a_link_nobody_opened_comes_as_text_in_the_end(here: Town, ana: Person, answer: str) -> None:
    with anyio.fail_after(20):
        async with here.client(await here.token(ana), here.answering(answer), mode="legacy") as agent:
            said = await agent.call_tool("gmail.list_unread", UNREAD)
            assert said.is_error
            assert said.meta is not None
            assert said.meta["valetkey/connect_url"] == here.links[0]
            await here.approve(here.links[0], ana.name, "ana@example.com")
            assert not (await agent.call_tool("gmail.list_unread", UNREAD)).is_error


async def test_a_person_who_declines_is_not_asked_further(here: Town, ana: Person) -> None:
    with anyio.fail_after(20):
        async with here.client(await here.token(ana), here.answering("decline"), mode="legacy") as agent:
            said = await agent.call_tool("gmail.list_unread", UNREAD)
    assert said.meta is not None
    assert said.meta["valetkey/outcome"] == "declined"


async def test_a_client_that_declares_no_links_gets_text(here: Town, ana: Person) -> None:
    with anyio.fail_after(20):
        async with here.client(await here.token(ana), mode="legacy") as agent:
            said = await agent.call_tool("gmail.list_unread", UNREAD)
    assert said.meta is not None
    assert said.meta["valetkey/outcome"] == "not_connected"
    assert "valetkey/connect_url" in said.meta


@asynccontextmanager
async def _without_streams(here: Town, token: str, elicited: ElicitationFnT | None) -> AsyncIterator[Client]:
    """The SDK's client behind something that lets no event stream through, and says so for it."""

    async def json_alone(request: httpx2.Request) -> None:
        request.headers["Accept"] = "application/json"

    headers, hooks = {"Authorization": f"Bearer {token}"}, {"request": [json_alone]}
    async with httpx2.AsyncClient(headers=headers, event_hooks=hooks, timeout=30, trust_env=False) as http:
        transport = streamable_http_client(f"{here.url}/mcp", http_client=http)
        async with Client(transport, elicitation_callback=elicited, mode="legacy") as client:
            yield client


async def test_where_no_link_can_be_pushed_it_is_the_error_that_says_so(here: Town, ana: Person) -> None:
    with anyio.fail_after(20):
        async with _without_streams(here, await here.token(ana), here.answering("accept")) as agent:
            with pytest.raises(MCPError) as raised:
                await agent.call_tool("gmail.list_unread", UNREAD)
            assert raised.value.error.code == types.URL_ELICITATION_REQUIRED == -32042
            (asked,) = UrlElicitationRequiredError.from_error(raised.value.error).elicitations
            assert not here.links, "nothing was pushed"
            await here.approve(asked.url, ana.name, "ana@example.com")
            mail = await agent.call_tool("gmail.list_unread", UNREAD)
    assert mail.structured_content is not None, mail.content
    assert len(mail.structured_content["items"]) == 1
    assert (await here.house.requests.get(asked.elicitation_id or "")).state == "met"


async def test_a_client_without_streams_that_declares_no_links_gets_text(here: Town, ana: Person) -> None:
    with anyio.fail_after(20):
        async with _without_streams(here, await here.token(ana), None) as agent:
            said = await agent.call_tool("gmail.list_unread", UNREAD)
    assert said.meta is not None
    assert said.meta["valetkey/outcome"] == "not_connected"
