"""Bent frames of MCP at a whole server, over HTTP and stdio: each is answered, and the next is served."""

import json
from collections.abc import AsyncIterator
from pathlib import Path

import anyio
import httpx2
import pytest
from anyio.abc import Process

from tests.attacks.mutation import bent
from tests.attacks.sessions import initialized, legacy
from tests.support.desk import desk
from tests.support.town import Town, town
from tests.support.wire import VERSION, Wire

HTTP, STDIO = 600, 8_800
"""How many in each era, and over stdio: ten thousand together. `test_fuzzed` does the parts."""

_META = (
    f'"_meta":{{"io.modelcontextprotocol/protocolVersion":"{VERSION}",'
    '"io.modelcontextprotocol/clientCapabilities":{"elicitation":{"url":{}}}}'
)
FRAMES = [
    f'{{"jsonrpc":"2.0","id":1,"method":"tools/list","params":{{{_META}}}}}'.encode(),
    f'{{"jsonrpc":"2.0","id":2,"method":"server/discover","params":{{{_META}}}}}'.encode(),
    (
        '{"jsonrpc":"2.0","id":"a","method":"tools/call","params":{"name":"gmail.list_unread",'
        f'"arguments":{{"limit":5,"from":"canary"}},{_META}}}}}'
    ).encode(),
    (
        '{"jsonrpc":"2.0","id":3,"method":"tools/call","params":{"name":"valetkey.whoami","arguments":{},'
        f'"requestState":"v1.canary","inputResponses":{{"valetkey":{{"action":"accept"}}}},{_META}}}}}'
    ).encode(),
    b'{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":1,"reason":"canary"}}',
    b'{"jsonrpc":"2.0","id":4,"method":"ping"}',
    b'{"jsonrpc":"2.0","id":1,"result":{"action":"accept"}}',
]
LEAKS = ("Traceback", 'File "', "site-packages", "/src/", "agt_", "ses_", "per_")
"""What no answer may hold. (To a client of the legacy era the SDK repeats what was wrong in its frame.)"""


@pytest.fixture(scope="module")
async def here(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Town]:
    async with town(tmp_path_factory.mktemp("home"), hold=0.02) as opened:
        yield opened


@pytest.fixture
async def agent(here: Town) -> AsyncIterator[Wire]:
    async with here.wire(await here.token(await here.newcomer())) as wire:
        yield wire


async def _sent(wire: Wire, frame: bytes, headers: dict[str, str]) -> tuple[int, str]:
    """What is answered, if only the beginning of a stream."""
    headers = {**headers, "Content-Type": "application/json"}
    request = wire.http.build_request("POST", f"{wire.url}{wire.at}", content=frame, headers=headers)
    with anyio.fail_after(20):
        reply = await wire.http.send(request, stream=True)
        try:
            return reply.status_code, (await reply.aread()).decode()
        finally:
            await reply.aclose()


async def _served(wire: Wire) -> None:
    """The server is as well as it was."""
    listing = await wire.post(wire.body("tools/list", {}), wire.headers("tools/list"))
    assert listing.status_code == 200
    assert listing.json()["result"]["tools"]


@pytest.mark.parametrize("era", ["modern", "legacy"])
async def test_a_bent_frame_over_http_is_answered_without_a_stack(
    here: Town, agent: Wire, caplog: pytest.LogCaptureFixture, era: str
) -> None:
    session = await initialized(agent)
    seen = set[int]()
    for frame in bent(FRAMES, HTTP):
        headers = legacy(agent) | {"Mcp-Session-Id": session} if era == "legacy" else _headers(agent, frame)
        status, told = await _sent(agent, frame, headers)
        assert status < 500, frame
        assert not [leak for leak in LEAKS if leak in told], frame
        seen.add(status)
    assert {200, 400} <= seen
    assert "canary" not in caplog.text, "what a client sends does not get into the log"
    await _served(agent)


def _headers(wire: Wire, frame: bytes) -> dict[str, str]:
    """The headers that fit a frame, as far as it can still be read."""
    try:
        read = json.loads(frame)
        method, name = str(read["method"]), str(read.get("params", {}).get("name", ""))
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return wire.headers("tools/list")
    sendable = f"{method}{name}".isascii() and f"{method}{name}".isprintable()
    return wire.headers(method.strip(), name.strip()) if sendable else wire.headers("tools/list")


IDS = [
    '"a"',
    "1",
    "0",
    "-1",
    "9007199254740993",
    "1" + "0" * 400,
    '"' + "x" * 100_000 + '"',
    "null",
    "1.5",
    "[]",
    "{}",
]


@pytest.mark.parametrize("one", IDS, ids=lambda one: one[:20])
async def test_an_id_that_is_huge_or_none_or_used_before_harms_nobody(agent: Wire, one: str) -> None:
    """Twenty requests with one id at once, and twice that id in one frame (M12)."""
    body = json.dumps(agent.body("tools/list", {}) | {"id": "HERE"}).replace('"HERE"', one).encode()
    answers: list[httpx2.Response] = []

    async def ask(frame: bytes) -> None:
        answers.append(await agent.post(frame, agent.headers("tools/list")))

    with anyio.fail_after(20):
        async with anyio.create_task_group() as tasks:
            for _ in range(20):
                tasks.start_soon(ask, body)
            tasks.start_soon(ask, body.replace(b'"jsonrpc"', b'"id":7,"jsonrpc"'))
    assert {reply.status_code for reply in answers} <= {200, 202, 400}
    assert all(reply.json()["id"] == json.loads(one) for reply in answers[:20] if reply.status_code == 200)
    await _served(agent)


async def test_bent_lines_over_stdio_are_answered_or_passed_over_and_the_next_is_served(
    tmp_path: Path,
) -> None:
    async with desk(tmp_path) as here, here.server() as process, anyio.create_task_group() as tasks:
        logged: list[bytes] = []
        tasks.start_soon(_drained, process, logged)
        await _fuzz(process)
    assert b"canary" not in b"".join(logged)


async def _drained(process: Process, into: list[bytes]) -> None:
    assert process.stderr
    into.extend([part async for part in process.stderr])


async def _fuzz(process: Process) -> None:
    assert process.stdin
    assert process.stdout
    heard = bytearray()
    last = b'{"jsonrpc":"2.0","id":"the last one","method":"ping"}\n'

    async def write() -> None:
        assert process.stdin
        hello = {
            "protocolVersion": "2025-11-25",
            "capabilities": {},
            "clientInfo": {"name": "x", "version": "1"},
        }
        begin = {"jsonrpc": "2.0", "id": 0, "method": "initialize", "params": hello}
        await process.stdin.send(json.dumps(begin).encode() + b"\n")
        for frame in bent(FRAMES, STDIO):
            await process.stdin.send(frame + b"\n")
        await process.stdin.send(last)

    with anyio.fail_after(60):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(write)
            while b'"the last one"' not in heard:
                heard += await process.stdout.receive()
    whole = heard[: heard.rindex(b"\n")]  # what comes after it is on its way still
    messages = [json.loads(line) for line in whole.splitlines()]
    assert all(message["jsonrpc"] == "2.0" for message in messages)
    assert not [leak for leak in LEAKS if leak.encode() in heard]
    assert len(messages) > STDIO // 10
    await process.stdin.aclose()
    await process.wait()
