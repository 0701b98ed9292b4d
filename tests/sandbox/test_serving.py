"""Serving: on loopback, at once, cleanly stopped, and as a process of its own."""

import asyncio
import socket
import sys
from urllib.parse import urlsplit

import anyio
import anyio.lowlevel
import httpx2
import pytest

from tests.support.clock import FakeClock
from valetkey.sandbox import Sandbox, hosts, running, serve


async def people(base_url: str) -> int:
    async with httpx2.AsyncClient(base_url=base_url, trust_env=False) as http:
        return (await http.get("/_sandbox/people")).status_code


async def test_the_base_url_answers_as_soon_as_it_is_known() -> None:
    async with running(Sandbox(FakeClock())) as base_url:
        assert urlsplit(base_url).hostname == "127.0.0.1"
        assert await people(base_url) == 200
    with pytest.raises(httpx2.ConnectError):
        await people(base_url)


async def test_the_port_is_free_again_when_the_block_ends() -> None:
    async with running(Sandbox(FakeClock())) as base_url:
        port = urlsplit(base_url).port or 0
    async with running(Sandbox(FakeClock()), port) as again:
        assert again == base_url


async def test_a_port_that_is_taken_is_an_error_at_once() -> None:
    async with running(Sandbox(FakeClock())) as base_url:
        with pytest.raises(OSError, match="in use"):
            async with running(Sandbox(FakeClock()), urlsplit(base_url).port or 0):
                pytest.fail("two sandboxes on one port")


async def test_an_error_in_the_block_comes_out_as_it_is() -> None:
    with pytest.raises(KeyError):
        async with running(Sandbox(FakeClock())):
            raise KeyError


async def test_a_request_that_is_held_is_answered_when_the_block_ends() -> None:
    sandbox = Sandbox(FakeClock())
    fault = sandbox.strict.faults.set("api", "hold")
    with anyio.fail_after(10):
        async with httpx2.AsyncClient(trust_env=False) as http:
            async with running(sandbox) as base_url:
                asked = asyncio.create_task(http.get(base_url + "/strict/api/whoami"))
                await fault.arrived.wait()
            assert (await asked).status_code == 401


async def test_a_request_that_takes_too_long_is_cut_when_the_block_ends(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("valetkey.sandbox.serving.GRACE", 0)
    sandbox = Sandbox(FakeClock())
    sandbox.strict.faults.set("api", "drip", seconds=3600)
    with anyio.fail_after(10):
        async with httpx2.AsyncClient(trust_env=False) as http:
            async with running(sandbox) as base_url:
                asked = asyncio.create_task(http.get(base_url + "/strict/api/whoami"))
                while not sandbox.strict.counters.faults:
                    await anyio.lowlevel.checkpoint()
            with pytest.raises(httpx2.RemoteProtocolError):
                await asked


async def test_an_answer_does_not_wait_for_an_acknowledgement() -> None:
    async with running(Sandbox(FakeClock())) as base_url:
        address = urlsplit(base_url)
        reader, writer = await asyncio.open_connection(address.hostname, address.port)
        started = asyncio.get_running_loop().time()
        for _ in range(50):
            writer.write(b"GET /_sandbox/people HTTP/1.1\r\nHost: x\r\n\r\n")
            with anyio.fail_after(10):
                head = await reader.readuntil(b"\r\n\r\n")
                length = int(head.lower().partition(b"content-length:")[2].split()[0])
                await reader.readexactly(length)
        writer.close()
        assert asyncio.get_running_loop().time() - started < 1  # delayed, it is 2 seconds at the least


def test_every_origin_goes_to_the_sandbox() -> None:
    table = hosts("http://127.0.0.1:1234")
    assert set(table.values()) == {"http://127.0.0.1:1234"}
    assert {"https://accounts.google.com", "https://slack.com", "https://strict.example"} <= set(table)


async def test_serve_runs_until_it_is_cancelled() -> None:
    announced: asyncio.Queue[str] = asyncio.Queue()
    with anyio.fail_after(60):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(serve, 0, announced.put_nowait)
            assert await people(await announced.get()) == 200
            tasks.cancel_scope.cancel()


PROCESS = """
import anyio
from valetkey.sandbox import serve
anyio.run(serve, 0, lambda base_url: print(base_url, flush=True))
"""


async def test_a_process_of_its_own_is_controlled_over_http() -> None:
    with anyio.fail_after(30):
        async with await anyio.open_process([sys.executable, "-c", PROCESS], stderr=None) as process:
            assert process.stdout is not None
            base_url = (await process.stdout.receive()).decode().strip()
            async with httpx2.AsyncClient(base_url=base_url, trust_env=False) as http:
                assert (await http.post("/_sandbox/reset")).json() == {}
                assert {"google", "github", "keyed"} <= set((await http.get("/_sandbox/counters")).json())
            process.terminate()
            await process.wait()


def test_nothing_listens_beyond_loopback() -> None:
    from valetkey.sandbox.serving import HOST  # noqa: PLC0415 - the constant is not public

    assert socket.gethostbyname(HOST) == "127.0.0.1"
