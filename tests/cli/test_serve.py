"""`valetkey serve` and `valetkey sandbox` as processes: what they say first, and how they end."""

import signal
import socket
import sqlite3
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from pathlib import Path

import anyio
import anyio.to_thread
import httpx2
import pytest
from anyio.abc import Process
from anyio.streams.text import TextReceiveStream

from tests.cli.conftest import VALETKEY, Cli
from valetkey.people import valid_name


class Served:
    """A running command and what it said when it was up."""

    def __init__(self, process: Process, said: str) -> None:
        self.process, self.said = process, said

    async def stop(self, by: signal.Signals) -> int:
        self.process.send_signal(by)
        return await self.process.wait()


@asynccontextmanager
async def started(environment: dict[str, str], last: str, *arguments: str) -> AsyncIterator[Served]:
    """Start a command and read until it has said the `last` thing it says."""
    with anyio.fail_after(60):
        async with await anyio.open_process([VALETKEY, *arguments], env=environment, stderr=None) as process:
            assert process.stdout
            said = ""
            async for text in TextReceiveStream(process.stdout):
                said += text
                if last in said:
                    break
            try:
                yield Served(process, said)
            finally:
                if process.returncode is None:
                    process.kill()


def line(said: str, part: str) -> str:
    return next(line.strip() for line in said.splitlines() if part in line)


def modes_of(home: Path) -> dict[str, int]:
    """The modes of a home, named "", and of the files in it."""
    modes = {path.name: path.stat().st_mode & 0o777 for path in home.iterdir()}
    return modes | {"": home.stat().st_mode & 0o777}


@pytest.mark.parametrize("by", [signal.SIGTERM, signal.SIGINT])
async def test_the_first_start_makes_a_home_and_invites_its_owner(
    home: Path, environment: dict[str, str], by: signal.Signals
) -> None:
    async with started(environment, "tokens mint", "serve", "--port", "0") as server:
        url = line(server.said, "Valetkey serves").split()[2]
        invitation = line(server.said, "/join/")
        async with httpx2.AsyncClient(trust_env=False) as http:
            assert (await http.get(invitation)).status_code == 200
            assert (await http.post(url)).status_code == 401
        assert await server.stop(by) == 0
    modes = modes_of(home)
    assert modes.pop("") == 0o700
    files = ("audit-head.json", "generation", "in-use", "key", "store.db", "valetkey.toml")
    assert modes == dict.fromkeys(files, 0o600)


async def test_a_later_start_invites_nobody_and_says_how(
    environment: dict[str, str], cli: Cli, home: Path
) -> None:
    await anyio.to_thread.run_sync(cli, "people", "add", "ana")
    async with started(environment, "tokens mint", "serve", "--port", "0") as server:
        assert "/join/" not in server.said
        assert "`ana`, has not joined yet: their invitation works until" in server.said
        assert "people invite" not in server.said, "it would end the link that she has"
        assert await server.stop(signal.SIGTERM) == 0
    with closing(sqlite3.connect(home / "store.db")) as store, store:
        store.execute("UPDATE invitations SET until = 1")
    async with started(environment, "tokens mint", "serve", "--port", "0") as server:
        assert "valetkey people invite ana" in server.said
        assert await server.stop(signal.SIGTERM) == 0


async def test_a_second_server_on_one_home_is_told_where_the_first_one_is(
    environment: dict[str, str], cli: Cli
) -> None:
    async with started(environment, "tokens mint", "serve", "--port", "0") as server:
        url = line(server.said, "Valetkey serves").split()[2].removesuffix("/mcp")
        for port in (url.rpartition(":")[2], "0"):
            refused = await anyio.to_thread.run_sync(cli, "serve", "--port", port)
            assert (refused.code, refused.out) == (78, "")
            assert f"a server of this home runs already, at {url}" in refused.err
        server.process.kill()
    async with started(environment, "tokens mint", "serve", "--port", "0") as server:
        assert await server.stop(signal.SIGTERM) == 0, "one that was killed is in nobody's way"


async def test_commands_make_links_that_lead_to_the_server_that_runs(
    environment: dict[str, str], cli: Cli
) -> None:
    public = ("--public-url", "https://valetkey.example.com")
    async with started(environment, "tokens mint", "serve", "--port", "0", *public) as server:
        assert "https://valetkey.example.com/mcp" in server.said
        added = await anyio.to_thread.run_sync(cli, "people", "add", "ana")
        assert added.out.startswith("https://valetkey.example.com/join/")
        mint = ("tokens", "mint", "--principal", "ana", "--actor", "triage")
        assert (await anyio.to_thread.run_sync(cli, *mint)).err == ""
        assert await server.stop(signal.SIGTERM) == 0


def test_a_port_in_use_is_named_with_the_way_out(cli: Cli, home: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        for command in ("serve", "sandbox"):
            refused = cli(command, "--port", port)
            assert (refused.code, refused.out) == (78, "")
            assert f"127.0.0.1:{port}" in refused.err
            assert "--port" in refused.err


def test_a_public_url_that_is_none_starts_nothing(cli: Cli, home: Path) -> None:
    refused = cli("serve", "--port", "0", "--public-url", "http://valetkey.example.com")
    assert refused.code == 78
    assert "https" in refused.err
    (home / "valetkey.toml").write_text('public_url = "https://one.example.com"\n')
    refused = cli("serve", "--port", "0", "--public-url", "https://two.example.com")
    assert refused.code == 78
    assert "keep one" in refused.err
    assert not (home / "store.db").exists()


async def test_the_sandbox_says_its_hosts_and_its_clients(environment: dict[str, str]) -> None:
    async with started(environment, "Ctrl-C", "sandbox", "--port", "0") as sandbox:
        base_url = line(sandbox.said, "The sandbox is at").split()[4].rstrip(".")
        assert f'"https://gmail.googleapis.com" = "{base_url}"' in sandbox.said
        assert "valetkey registrations add slack" in sandbox.said
        async with httpx2.AsyncClient(trust_env=False) as http:
            assert (await http.get(f"{base_url}/gmail/v1/users/me/profile")).status_code == 401
        assert await sandbox.stop(signal.SIGTERM) == 0


@pytest.mark.parametrize(
    ("account", "name"),
    [
        ("ana", "ana"),
        ("Ana Almeida", "ana-almeida"),
        ("CORP\\ben", "corp-ben"),
        ("_svc_", "svc"),
        ("日本", "owner"),
        ("", "owner"),
        ("x" * 99, "x" * 63),
    ],
)
def test_the_owner_gets_a_name_that_can_sign_in(account: str, name: str) -> None:
    assert valid_name(account) == name
