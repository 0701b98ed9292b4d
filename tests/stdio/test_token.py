"""VALETKEY_TOKEN: whom it names, for as long as its session lives, and nobody else without it."""

import os
import sqlite3
from contextlib import closing

import anyio
import pytest
from anyio.streams.text import TextReceiveStream
from mcp.client.client import Client
from mcp.client.subscriptions import SubscriptionLost
from mcp.shared.exceptions import MCPError

from tests.support.desk import Desk
from valetkey.cli.stdio import _token
from valetkey.errors import UsageError


async def minted(here: Desk) -> dict[str, str]:
    """Add Ben and mint a token for his agent: an environment to start a server in."""
    await here.run("people", "add", "ben")
    token = await here.run("tokens", "mint", "--principal", "ben", "--actor", "triage")
    return {"VALETKEY_TOKEN": token.strip()}


async def test_a_token_is_verified_on_each_request_and_its_end_leaves_the_pipe_open(here: Desk) -> None:
    async with here.client(env=await minted(here)) as agent:
        await agent.call_tool("notes.list_notes")
        assert here.rows(
            "SELECT p.name, a.name FROM access_requests r JOIN people p USING (subject)"
            " JOIN agents a ON a.id = r.actor"
        ) == [("ben", "triage")]
        ((session,),) = here.rows("SELECT id FROM sessions WHERE kind = 'token'")
        await here.run("tokens", "revoke", str(session))
        for _ in range(2):
            with pytest.raises(MCPError, match="this token's session has ended"):
                await agent.list_tools(cache_mode="bypass")
            with pytest.raises(MCPError, match="this token's session has ended"):
                await agent.call_tool("notes.list_notes")


async def listen_and_lose_the_token(here: Desk, agent: Client) -> None:
    async with agent.listen(tools_list_changed=True) as changes:
        ((session,),) = here.rows("SELECT id FROM sessions WHERE kind = 'token'")
        await here.run("tokens", "revoke", str(session))
        async for _ in changes:
            pass


async def test_a_stream_ends_with_its_token_and_the_pipe_stays_open(here: Desk) -> None:
    async with here.client(env=await minted(here)) as agent:
        with anyio.fail_after(30), pytest.raises(SubscriptionLost):
            await listen_and_lose_the_token(here, agent)
        with pytest.raises(MCPError, match="this token's session has ended"):
            await agent.list_tools(cache_mode="bypass")


async def test_a_token_works_wherever_the_server_that_it_was_minted_for_ran_last(here: Desk) -> None:
    with closing(sqlite3.connect(here.home / "store.db")) as store, store:
        store.execute("INSERT INTO meta VALUES ('public_url', 'http://localhost:9')")
    async with here.client(env=await minted(here)) as agent:
        assert (await agent.list_tools()).tools


@pytest.mark.parametrize("token", ["${VALETKEY_TOKEN}", ""])
async def test_a_token_that_is_none_is_refused_at_the_start_and_the_owner_is_not_served(
    here: Desk, token: str
) -> None:
    async with here.server({"VALETKEY_TOKEN": token}) as process:
        assert process.stdout
        assert process.stderr
        assert [part async for part in process.stdout] == []
        told = "".join([part async for part in TextReceiveStream(process.stderr)])
        assert await process.wait() == 1
    assert told.startswith("valetkey: VALETKEY_TOKEN")
    assert told.count("\n") == 1
    assert here.rows("SELECT * FROM people") == []


def test_the_token_is_taken_out_of_the_environment_that_children_get(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VALETKEY_TOKEN", "eyJ\n")
    token = _token()
    assert token is not None
    assert token.reveal() == "eyJ"
    assert "VALETKEY_TOKEN" not in os.environ
    assert _token() is None
    monkeypatch.setenv("VALETKEY_TOKEN", "")
    with pytest.raises(UsageError, match="set and empty"):
        _token()
