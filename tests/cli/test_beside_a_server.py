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
from tests.support.town import OPERATOR, PASSWORD, Town, register, town
from tests.support.wire import text
from valetkey.demo.person import PersonWithBrowser
from valetkey.model import Registration, Secret, SystemClock
from valetkey.sandbox import GOOGLE_CLIENT, hosts
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


async def test_a_registration_in_use_is_removed_by_force_and_its_connections_end(beside: Beside) -> None:
    token = await beside.token()
    await connected(beside, token)
    refused = await beside("registrations", "remove", "my-google")
    assert refused.code == 1
    assert "1 connection uses `my-google`" in refused.err
    assert not (await ask(beside.town, token)).is_error
    assert (await beside("registrations", "remove", "my-google", "--force")).code == 0
    assert [grant.revoked for grant in beside.town.sandbox.google.grants()] == [True]
    assert "valetkey registrations add google" in text(await ask(beside.town, token))


async def test_a_wrong_client_secret_is_told_to_the_person_and_to_the_operator(beside: Beside) -> None:
    here, store = beside.town, beside.town.house.ground.store
    await beside("registrations", "remove", "my-google")
    wrong = Registration("my-google", "google", GOOGLE_CLIENT.id, Secret("mistyped"))
    async with store.transaction() as tx:
        await here.house.connections.registrations.add(tx, wrong, OPERATOR)
    told = await ask(here, await beside.token())
    async with PersonWithBrowser() as browser:
        await here.sign_in(browser, (told.meta or {})["valetkey/connect_url"], "ana")
        await browser.submit(password=PASSWORD, decision="allow")
        page = await browser.submit(account="ana@example.com", decision="allow")
    assert "does not take this server" in page
    doctor = await beside("doctor", "--json")
    (said,) = [
        check for check in doctor.json if check["about"] == "registration" and "my-google" in check["text"]
    ]
    assert (doctor.code, said["level"]) == (1, "fail")
    assert "invalid_client" in said["text"]
    assert "registrations remove my-google" in said["to_do"]
    await beside("registrations", "remove", "my-google")
    await register(here.house, "google")
    assert "fail" not in {check["level"] for check in (await beside("doctor", "--json")).json}, (
        "it is another"
    )
    await connected(beside, await beside.token())


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
    shown = (await beside("audit", "list", "--outcome", "not_granted")).out.splitlines()
    assert "not_granted" in shown[1], "what is shown can be asked for"


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


async def test_keys_are_rotated_and_retired_beside_a_server_whose_calls_go_on(beside: Beside) -> None:
    token = await beside.token()
    await connected(beside, token)
    for _ in range(2):
        (before,) = await _in_use(beside)
        rotated = await beside("keys", "rotate")
        assert (rotated.code, (await ask(beside.town, token)).is_error) == (0, False)
        assert (await beside("keys", "retire", before, "--yes")).code == 0
        assert not (await ask(beside.town, token)).is_error
    assert (await beside("audit", "verify")).code == 0


async def _in_use(beside: Beside) -> list[str]:
    keys = (await beside("keys", "status", "--json")).json["keys"]
    return [key["key"] for key in keys if key["state"] != "retired"]
