"""The end of a client, however it comes: nothing that a provider has answered is lost, and nothing stays."""

import json
import signal
from collections.abc import Awaitable, Callable
from contextlib import suppress
from pathlib import Path

import anyio
import httpx2
import pytest
from anyio.abc import Process

from tests.support.clock import FakeClock
from tests.support.desk import ANA, OWNER, VALETKEY, Desk, is_shown, link_of, set_out, until
from tests.support.linked import Linked
from valetkey.assemble import opened
from valetkey.demo.person import PersonWithBrowser
from valetkey.model import Actor, Caller
from valetkey.sandbox import Sandbox
from valetkey.settings import load
from valetkey.stdio.serve import LOCAL_AGENT

HELLO = {
    "jsonrpc": "2.0",
    "id": 1,
    "method": "initialize",
    "params": {
        "protocolVersion": "2025-11-25",
        "capabilities": {},
        "clientInfo": {"name": "bare", "version": "1"},
    },
}


async def said(process: Process, message: object) -> None:
    assert process.stdin
    await process.stdin.send(json.dumps(message).encode() + b"\n")


async def heard(process: Process, count: int) -> list[dict[str, object]]:
    """Read so many lines; each has to be a message."""
    assert process.stdout
    got = b""
    while got.count(b"\n") < count:
        got += await process.stdout.receive()
    messages = [json.loads(line) for line in got.splitlines()]
    assert all(message["jsonrpc"] == "2.0" for message in messages)
    return messages


async def told(process: Process) -> str:
    assert process.stderr
    return b"".join([part async for part in process.stderr]).decode()


def refreshes(sandbox: Sandbox) -> dict[str, int]:
    counted = sandbox.strict.counters.token_requests
    return {how: count for (grant_type, how), count in counted.items() if grant_type == "refresh_token"}


async def connected(here: Desk) -> None:
    """The owner has connected and granted before, as far as the store is concerned."""
    async with opened(load(here.home)) as house:
        async with house.ground.store.transaction() as tx:
            owner = await house.accounts.add(tx, OWNER)
            agent = await house.agents.named(tx, LOCAL_AGENT)
        caller = Caller(owner.principal, Actor(agent.id), LOCAL_AGENT)
        await Linked(here.sandbox, house, FakeClock(), caller).connect()


async def closed(here: Desk, scope: anyio.CancelScope) -> None:
    """The client's window is closed: its library ends the server as it sees fit."""
    scope.cancel()


async def killed(here: Desk, scope: anyio.CancelScope) -> None:
    """The client kills what it started, without a word."""
    here.kill_what_the_client_started()
    await until(lambda: not any(process.started for process in here.processes()))
    scope.cancel()


@pytest.mark.parametrize("ended", [closed, killed])
async def test_a_client_that_ends_in_the_middle_of_a_refresh_loses_nothing(
    here: Desk, ended: Callable[[Desk, anyio.CancelScope], Awaitable[None]]
) -> None:
    await connected(here)
    here.sandbox.strict.expire(ANA)
    held = here.sandbox.strict.faults.set("token", "hold", 1)
    with anyio.CancelScope() as scope:
        async with here.client() as agent, anyio.create_task_group() as calling:
            calling.start_soon(agent.call_tool, "notes.list_notes")
            await held.arrived.wait()
            await ended(here, scope)
            await anyio.sleep_forever()
    assert [process.started for process in here.processes()] == [False], "the server outlives its client"
    held.released.set()
    await here.all_gone()
    async with here.client() as agent:
        assert not (await agent.call_tool("notes.list_notes")).is_error
    assert refreshes(here.sandbox) == {"ok": 1}
    assert not any(grant.revoked for grant in here.sandbox.strict.grants())


async def test_a_client_that_closes_in_the_middle_of_a_code_exchange_loses_nothing(here: Desk) -> None:
    held = here.sandbox.strict.faults.set("token", "hold", 1)
    async with PersonWithBrowser() as owner, anyio.create_task_group() as tasks:
        async with here.client() as agent:
            link = link_of(await agent.call_tool("notes.list_notes"))
            await set_out(owner, link)
            tasks.start_soon(_consent, owner)
            await held.arrived.wait()
        held.released.set()
        await here.all_gone()
        assert here.rows("SELECT state FROM connections") == [("confirming",)]
        await confirmed_elsewhere(here, owner, link)
    counted = here.sandbox.strict.counters.token_requests
    assert counted["authorization_code", "ok"] == 1


async def confirmed_elsewhere(here: Desk, owner: PersonWithBrowser, link: str) -> None:
    """The next process serves the page on, in the same browser."""
    async with here.client() as agent:
        await until(lambda: is_shown(link))
        await owner.open(f"{link}/confirm")
        await owner.submit(decision="yes")
        assert not (await agent.call_tool("notes.list_notes")).is_error


async def _consent(owner: PersonWithBrowser) -> None:
    """Come back from the provider, to a server that may be gone by the time it redirects."""
    with suppress(httpx2.TransportError):
        await owner.submit(account=ANA, decision="allow")


@pytest.mark.parametrize("by", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
async def test_a_signal_to_what_the_client_started_ends_the_server_in_good_order(
    here: Desk, by: signal.Signals
) -> None:
    async with here.server() as process:
        await said(process, HELLO)
        await heard(process, 1)
        process.send_signal(by)
        assert await told(process) == ""
        assert await process.wait() == 0
    assert here.processes() == []


async def test_a_server_whose_starter_was_killed_ends_though_the_pipe_stays_open(here: Desk) -> None:
    async with here.server() as process:
        await said(process, HELLO)
        await heard(process, 1)
        assert len(here.processes()) == 2
        here.kill_what_the_client_started()
        await here.all_gone()


async def test_nothing_but_messages_is_written_to_stdout(here: Desk) -> None:
    async with here.server() as process:
        assert process.stdin
        await process.stdin.send(b"this is no message\n\xff\xfe\n\n{}\n")
        await said(process, HELLO)
        await said(process, {"jsonrpc": "2.0", "method": "notifications/initialized"})
        await said(process, {"jsonrpc": "2.0", "id": 2, "method": "tools/list"})
        assert [message.get("id") for message in await heard(process, 2)][-1] == 2
        await process.stdin.aclose()
        assert "Traceback" not in await told(process)
        assert await process.wait() == 0


async def test_what_lies_in_the_working_directory_is_not_run(here: Desk, tmp_path: Path) -> None:
    trap = tmp_path / "cloned" / "valetkey"
    trap.mkdir(parents=True)
    for name in ("__init__.py", "__main__.py"):
        (trap / name).write_text("raise SystemExit(99)")
    async with here.client(cwd=trap.parent) as agent:
        assert (await agent.list_tools()).tools


async def test_an_input_that_is_at_its_end_ends_the_server(here: Desk) -> None:
    for source in (Path("/dev/null"), here.home / "valetkey.toml"):
        with source.open("rb") as given:
            done = await anyio.run_process(
                [VALETKEY, "stdio"], env=here.environment(), stdin=given, check=False
            )
        assert (done.returncode, done.stdout) == (0, b"")
