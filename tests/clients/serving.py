"""Applications served for a test, among them the house for clients that can send no token."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from socket import socket

import anyio
from starlette.types import ASGIApp, Receive, Scope, Send
from uvicorn import Config, Server

from tests.support.clock import FakeClock
from tests.support.town import Town
from valetkey.assemble import opened
from valetkey.sandbox import Sandbox
from valetkey.server.elicit import HOLD_SECONDS
from valetkey.serving import listen
from valetkey.serving.readiness import Readiness
from valetkey.serving.running import up
from valetkey.settings import FILE, parse


class Bearer:
    """An application as somebody reaches it who holds this token. All else is as it came."""

    def __init__(self, app: ASGIApp, token: str) -> None:
        self._app, self._header = app, (b"authorization", f"Bearer {token}".encode())

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self._app({**scope, "headers": [*scope["headers"], self._header]}, receive, send)


@asynccontextmanager
async def without_a_door(home: Path) -> AsyncIterator[str]:
    """Serve a whole house, for a client that can send no token: each request gets Ana's. Yields the URL."""
    listener, clock = listen("127.0.0.1", 0), FakeClock()
    url = f"http://localhost:{listener.getsockname()[1]}"
    async with opened(parse("", home / FILE), public_url=url, clock=clock) as house:
        here = Town(Sandbox(clock), house, clock, url)
        token = await here.token(await here.person("ana"))
        async with up(house, HOLD_SECONDS, Readiness(house)) as app, served(Bearer(app, token), listener):
            yield url


@asynccontextmanager
async def served(app: ASGIApp, listener: socket) -> AsyncIterator[None]:
    """Serve an application while the block runs."""
    config = Config(app, log_level="warning", access_log=False, lifespan="off", timeout_graceful_shutdown=1)
    server = Server(config)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(server._serve, [listener])  # `serve` would take the signals of the test run
        try:
            yield
        finally:
            server.should_exit = True
