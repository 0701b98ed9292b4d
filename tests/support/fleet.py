"""Several `valetkey serve` on one home, and before them a balancer that sends each request to any of them."""

import os
import re
import signal
import subprocess
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from random import Random
from typing import IO
from urllib.parse import urlsplit

import anyio
import httpx2
from anyio.abc import Process
from anyio.streams.buffered import BufferedByteReceiveStream

from tests.support.desk import VALETKEY

PUBLIC = "http://localhost:1"
"""Where people and clients reach the fleet. Nobody listens there: only the balancer knows the way."""

_LISTENS = re.compile(rb"listens on 127\.0\.0\.1:(\d+)")


class Balancer(httpx2.AsyncBaseTransport):
    """A transport: what is for PUBLIC goes to one of these ports at random, all else where it says.

    `sent` counts the requests that each port was given.
    """

    def __init__(self, ports: Sequence[int], chance: Random) -> None:
        # A server closes what was idle for five seconds: what is about to be closed is not used again.
        limits = httpx2.Limits(max_connections=None, max_keepalive_connections=None, keepalive_expiry=2)
        self._way = httpx2.AsyncHTTPTransport(trust_env=False, limits=limits)
        self._ports, self._chance, self.sent = ports, chance, Counter[int]()

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        if request.url.netloc.decode() == urlsplit(PUBLIC).netloc:
            request = self._to_one(request)
        return await self._way.handle_async_request(request)

    async def aclose(self) -> None:
        await self._way.aclose()

    def _to_one(self, request: httpx2.Request) -> httpx2.Request:
        """The same request, `Host` and all, on its way to a process."""
        port = self._chance.choice(self._ports)
        self.sent[port] += 1
        url = request.url.copy_with(host="127.0.0.1", port=port)
        return httpx2.Request(
            request.method, url, headers=request.headers, stream=request.stream, extensions=request.extensions
        )


@asynccontextmanager
async def fleet(home: Path, count: int) -> AsyncIterator[list[int]]:
    """Run `count` servers on a home whose settings name PUBLIC; yields their ports.

    They are stopped as an operator stops them. What they had to complain about is in `complaints`.
    """
    async with AsyncExitStack() as stack:
        log = stack.enter_context(_log(home).open("w"))
        servers = [await stack.enter_async_context(_server(home, log)) for _ in range(count)]
        yield [await _port(server) for server in servers]
        for server in servers:
            server.send_signal(signal.SIGTERM)
        for server in servers:
            assert await server.wait() == 0, complaints(home)


def complaints(home: Path) -> str:
    """What the servers wrote to stderr."""
    return _log(home).read_text()


def _log(home: Path) -> Path:
    return home.parent / "serve.log"


@asynccontextmanager
async def _server(home: Path, log: IO[str]) -> AsyncIterator[Process]:
    own = {"PATH": os.environ["PATH"], "HOME": str(home.parent), "VALETKEY_HOME": str(home)}
    command = [str(VALETKEY), "serve", "--port", "0"]
    async with await anyio.open_process(command, env=own, stdin=subprocess.DEVNULL, stderr=log) as server:
        try:
            yield server
        finally:
            if server.returncode is None:
                server.kill()


async def _port(server: Process) -> int:
    """The port a server says that it listens on, once it does."""
    assert server.stdout is not None
    with anyio.fail_after(60):
        told = await BufferedByteReceiveStream(server.stdout).receive_until(b"Ctrl-C", 10_000)
    found = _LISTENS.search(told)
    assert found, told
    return int(found[1])
