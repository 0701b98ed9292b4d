"""Serving a sandbox on 127.0.0.1, and nowhere else: for as long as a block runs, or until cancelled."""

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Callable, Iterator

import anyio
from uvicorn import Config, Server
from uvicorn.protocols.http.h11_impl import H11Protocol

from valetkey.model import Clock, SystemClock
from valetkey.sandbox.hostile import ABORT
from valetkey.sandbox.sandbox import Sandbox

HOST = "127.0.0.1"
_IDLE = 75
"""Seconds until an idle connection is closed: as providers do, later than clients let go of one. A request
that meets that end has no answer, and a write must not be sent twice.
"""
GRACE = 2
"""Seconds a request may still take when the server stops."""


class _Abortable(H11Protocol):
    """Puts into each request's scope the function that cuts its connection: ASGI itself has none."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override] # uvicorn narrows it too
        super().connection_made(transport)
        app = self.app

        async def with_abort(scope, receive, send):  # type: ignore[no-untyped-def] # uvicorn's types are private
            await app({**scope, ABORT: transport.abort}, receive, send)

        self.app = with_abort


class _Server(Server):
    """uvicorn's server, which says when it is up, stops when told, and leaves signals to its caller."""

    def __init__(self, config: Config) -> None:
        super().__init__(config)
        self.up, self.stop = asyncio.Event(), asyncio.Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.up.set()

    async def main_loop(self) -> None:
        await self.stop.wait()

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


@contextlib.asynccontextmanager
async def running(sandbox: Sandbox, port: int = 0) -> AsyncIterator[str]:
    """Serve while the block runs; yields the base URL once it accepts connections. Port 0: any free one.

    Raises OSError when the port is taken.
    """
    listener = _listener(port)
    sandbox.base_url = f"http://{HOST}:{listener.getsockname()[1]}"
    server = _Server(_config(sandbox))
    serving = asyncio.create_task(server.serve([listener]))
    try:
        await server.up.wait()
        yield sandbox.base_url
    finally:
        for provider in sandbox.providers.values():
            provider.faults.clear()
        server.stop.set()
        with anyio.CancelScope(shield=True):
            await serving


def _listener(port: int) -> socket.socket:
    # Named as TCP: asyncio sets TCP_NODELAY on nothing else, and each answer would wait 40 ms for an ACK.
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((HOST, port))
    except OSError:
        listener.close()
        raise
    return listener


def _config(sandbox: Sandbox) -> Config:
    return Config(
        sandbox.app,
        http=_Abortable,
        ws="none",
        lifespan="off",
        log_config=None,
        access_log=False,  # its lines would hold codes and tokens
        date_header=False,
        server_header=False,
        timeout_keep_alive=_IDLE,
        timeout_graceful_shutdown=GRACE,
    )


async def serve(port: int, announce: Callable[[str], None], clock: Clock | None = None) -> None:
    """Serve a fresh sandbox until cancelled; `announce` is called with its base URL when it is up."""
    async with running(Sandbox(clock or SystemClock()), port) as base_url:
        announce(base_url)
        await anyio.sleep_forever()
