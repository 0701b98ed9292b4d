"""Several `valetkey serve` on one home, and before them a balancer that sends each request to any of them."""

import re
import signal
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from urllib.parse import urlsplit

import anyio
import httpx2

from tests.support.victim import Victim, victim
from valetkey.model import Json

PUBLIC = "http://localhost:1"
"""Where people and clients reach the fleet. Nobody listens there: only the balancer knows the way."""

_LISTENS = re.compile(r"listens on 127\.0\.0\.1:(\d+)")


class Balancer(httpx2.AsyncBaseTransport):
    """A transport: what is for PUBLIC goes to one of these ports at random, all else where it says.

    `ports` may change while it is used. `sent` counts the requests that each port was given.
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


@dataclass(slots=True)
class Fleet:
    """The servers that run. `ports` are those that take requests; `arguments` are for `victims.serving`."""

    home: Path
    arguments: dict[str, Json]
    stack: AsyncExitStack
    servers: dict[int, Victim] = field(default_factory=dict)
    ports: list[int] = field(default_factory=list)

    async def start(self, count: int = 1, **more: Json) -> None:
        """Start so many servers, and wait until they listen. `more` arguments are these servers' own."""
        log, arguments = log_of(self.home), {**self.arguments, **more}
        started = [
            await self.stack.enter_async_context(
                victim("tests.support.victims:serving", log=log, home=str(self.home), **arguments)
            )
            for _ in range(count)
        ]
        for server in started:
            port = await _port(server)
            self.servers[port] = server
            self.ports.append(port)

    async def end(self, port: int, number: signal.Signals) -> int | None:
        """Take a server out, send it a signal, and wait until it is gone; its exit code."""
        self.ports.remove(port)
        server = self.servers.pop(port)
        server.send(number)
        await server.gone()
        return server.exit


@asynccontextmanager
async def fleet(home: Path, count: int, **arguments: Json) -> AsyncIterator[Fleet]:
    """Run `count` servers on a home whose settings name PUBLIC.

    They are stopped as an operator stops them. What they had to complain about is in `complaints`.
    """
    log_of(home).write_text("")
    async with AsyncExitStack() as stack:
        running = Fleet(home, arguments, stack)
        await running.start(count)
        yield running
        async with anyio.create_task_group() as tasks:
            for port in list(running.ports):
                tasks.start_soon(_stop, running, port)


async def _stop(running: Fleet, port: int) -> None:
    assert await running.end(port, signal.SIGTERM) == 0, complaints(running.home)


def complaints(home: Path) -> str:
    """What the servers wrote to stderr."""
    return log_of(home).read_text()


def log_of(home: Path) -> Path:
    return home.parent / "serve.log"


async def _port(server: Victim) -> int:
    """The port a server says that it listens on, once it does."""
    while (line := await server.heard()) is not None:
        if found := _LISTENS.search(line):
            return int(found[1])
    raise AssertionError("a server did not start")
