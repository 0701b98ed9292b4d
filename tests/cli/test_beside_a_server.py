"""The command line beside a running server: what another process changes holds for the very next call."""

import json
from collections.abc import AsyncIterator
from pathlib import Path

import anyio
import anyio.to_thread
import httpx2
import mcp_types as types
import pytest

from tests.cli.conftest import VALETKEY, Cli, Ran
from tests.support.clock import FakeClock
from tests.support.town import Town, town
from valetkey.model import SystemClock
from valetkey.sandbox import hosts
from valetkey.settings import FILE


class TurningClock(FakeClock):
    """The time that the command's own process has, too."""

    def now(self) -> int:
        return SystemClock().now()


class Beside:
    """A town, and the command line on its home."""

    def __init__(self, here: Town, cli: Cli, environment: dict[str, str]) -> None:
        self.town, self._cli, self._environment = here, cli, environment

    async def __call__(self, *arguments: str) -> Ran:
        """Run a command in a thread, with a store and a loop of its own."""
        return await anyio.to_thread.run_sync(self._cli, *arguments)

    async def elsewhere(self, *arguments: str) -> Ran:
        """Run a command in a process of its own."""
        ended = await anyio.run_process([VALETKEY, *arguments], env=self._environment, check=False)
        return Ran(ended.returncode, ended.stdout.decode(), ended.stderr.decode())

    async def token(self) -> str:
        minted = await self("tokens", "mint", "--principal", "ana", "--actor", "triage")
        return minted.out.strip()


@pytest.fixture
async def beside(home: Path, cli: Cli, environment: dict[str, str]) -> AsyncIterator[Beside]:
    with anyio.fail_after(90):
        cli("connectors", "list")  # makes the home
        async with town(home, clock=TurningClock()) as here:
            _send_to_sandbox(home / FILE, here.sandbox.base_url)
            await here.person("ana")
            yield Beside(here, cli, environment)


def _send_to_sandbox(settings: Path, base_url: str) -> None:
    table = "".join(f'"{origin}" = "{target}"\n' for origin, target in hosts(base_url).items())
    settings.write_text(f"[hosts]\n{table}")


async def ask(here: Town, token: str) -> types.CallToolResult:
    """Call from a client that cannot show a link."""
    async with here.client(token) as agent:
        return await agent.call_tool("gmail.list_unread", {"limit": 1})


async def connected(beside: Beside, token: str) -> None:
    async with beside.town.client(token, beside.town.approving("ana", "ana@example.com")) as agent:
        assert not (await agent.call_tool("gmail.list_unread", {"limit": 1})).is_error


async def test_a_connection_that_is_revoked_is_refused_at_the_next_call(beside: Beside) -> None:
    token = await beside.token()
    await connected(beside, token)
    (row,) = (await beside("connections", "list", "--principal", "ana", "--json")).json
    assert (row["connector"], row["account"], row["state"]) == ("gmail", "ana@example.com", "connected")
    revoked = await beside.elsewhere("connections", "revoke", row["id"])
    assert revoked.code == 0
    assert "confirmed" in revoked.out
    refused = await ask(beside.town, token)
    assert refused.is_error
    assert "/connect/" in str(refused.content)
    again = await beside("connections", "revoke", row["id"])
    assert again.code == 1
    (event,) = [
        event
        for event in (await beside("audit", "list", "--json")).json
        if event["kind"] == "connection.revoked"
    ]
    assert (event["by"], bool(event["details"]["operator"])) == ("operator", True)


async def test_a_token_that_is_revoked_is_answered_with_401(beside: Beside) -> None:
    token = await beside.token()
    async with httpx2.AsyncClient(trust_env=False) as http:
        headers = {"Authorization": f"Bearer {token}", "Accept": "application/json, text/event-stream"}
        asked = {"jsonrpc": "2.0", "id": 1, "method": "tools/list"}
        before = await http.post(f"{beside.town.url}/mcp", json=asked, headers=headers)
        assert before.status_code != 401
        (session,) = (await beside("tokens", "list", "--json")).json
        assert (await beside.elsewhere("tokens", "revoke", session["id"])).code == 0
        after = await http.post(f"{beside.town.url}/mcp", json=asked, headers=headers)
    assert after.status_code == 401


async def test_a_grant_that_is_revoked_is_asked_for_again(beside: Beside) -> None:
    token = await beside.token()
    await connected(beside, token)
    (grant,) = (await beside("grants", "list", "--principal", "ana", "--json")).json
    assert (grant["actor"], "gmail.list_unread" in grant["tools"]) == ("triage", True)
    assert (await beside.elsewhere("grants", "revoke", grant["id"])).code == 0
    assert (await beside("grants", "revoke", grant["id"])).code == 1
    refused = await ask(beside.town, token)
    assert refused.is_error
    records = (await beside("audit", "list", "--tool", "gmail.*", "--outcome", "not_granted", "--json")).json
    assert {record["principal_name"] for record in records} == {"ana"}


async def test_a_link_that_was_made_ahead_leads_to_a_call_without_one(beside: Beside) -> None:
    made = await beside("connections", "link", "gmail", "--principal", "ana", "--actor", "triage")
    assert made.code == 0
    assert made.out.startswith(f"{beside.town.url}/connect/")
    await beside.town.approve(made.out.strip(), "ana", "ana@example.com")
    result = await ask(beside.town, await beside.token())
    assert not result.is_error, result.content
    nothing = await beside("connections", "link", "gmail", "--principal", "ana", "--actor", "triage")
    assert (nothing.code, nothing.out) == (1, "")
    assert "nothing is missing" in nothing.err


async def test_a_call_is_one_line_of_the_audit_and_the_whole_verifies(beside: Beside) -> None:
    token = await beside.token()
    await connected(beside, token)
    calls = [
        record
        for record in (await beside("audit", "list", "--actor", "triage", "--json")).json
        if record["kind"] == "call"
    ]
    assert [(call["tool"], call["outcome"]) for call in calls] == [("gmail.list_unread", "ok")]
    verified = await beside("audit", "verify", "--json")
    assert verified.code == 0, verified.out
    assert json.loads(verified.out)["records"] > 0
    assert token not in (await beside("audit", "export", "--with-personal")).out
