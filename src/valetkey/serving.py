"""Serving a house over HTTP: the endpoint, the pages and the health check in one ASGI application.

Nothing is decided here but where to listen, and that a public address needs a public URL.
"""

import contextlib
import gc
import logging
import signal
import socket
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from urllib.parse import urlsplit

import anyio
from anyio.abc import TaskGroup
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route
from uvicorn import Config, Server

from valetkey.assemble import DEFAULT_PORT, House, pages_at, service_tasks, sign_head
from valetkey.errors import SettingsError, StoreError
from valetkey.model import SECOND
from valetkey.pages import Pages, Site
from valetkey.server import Endpoint, Handlers
from valetkey.server.callers import RequestCallers
from valetkey.server.changes import Changes
from valetkey.server.elicit import HOLD_SECONDS
from valetkey.server.endpoint import public_keys
from valetkey.server.selection import UNDERSCORE, Selection
from valetkey.settings import EndpointSettings, Settings, is_loopback
from valetkey.store.leases import Leases
from valetkey.web import routes

_GRACE_SECONDS = 25
"""How long requests may still take after a stop: a refresh under way is finished and stored."""


ABOUT = "/.well-known/valetkey"
_PRESENT = 15 * SECOND
_PROBE_SECONDS, _PROBE_BYTES = 1, 4096
_HANDOVER_SECONDS = 5
_log = logging.getLogger(__name__)


def listen(host: str, port: int) -> socket.socket:
    """Bind and listen. Raises SettingsError when the port is taken or may not be used."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # The protocol is named because asyncio sets TCP_NODELAY only then: without, an answer waits 40 ms.
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host, port))
        listener.listen(512)
    except OSError as error:
        listener.close()
        text = f"{host}:{port} cannot be used ({error.strerror}); choose another with --port"
        raise SettingsError(text) from None
    return listener


async def listen_in_turn(house: House, host: str, port: int) -> socket.socket:
    """Listen on a port that a stdio process of the same home may hold: it lets go once we are announced.

    Raises SettingsError when whoever holds the port keeps it.
    """
    leases, lease = house.ground.leases, pages_at(house.ground.public_url)
    if await is_ours(port, house.ground.keys.store_id) and await leases.take(lease, _PRESENT):
        await _until_gone(port, house.ground.keys.store_id)
    try:
        return listen(host, port)
    except SettingsError:
        await leases.let_go(lease)
        raise


async def _until_gone(port: int, store_id: str) -> None:
    with anyio.move_on_after(_HANDOVER_SECONDS):
        while await is_ours(port, store_id):  # noqa: ASYNC110 - another process has no event to wait for
            await anyio.sleep(0.1)


def public_url(settings: Settings, host: str, port: int) -> str:
    """Where a server on this address is reached.

    Raises SettingsError when it listens beyond this machine and the settings do not say as what.
    """
    if settings.public_url:
        return settings.public_url
    if not is_loopback(host):
        text = (
            f"listening on {host} needs `public_url` (and `allowed_hosts`) in valetkey.toml, or --public-url"
        )
        raise SettingsError(text)
    return f"http://localhost:{port}"


def application(house: House, endpoints: Sequence[Endpoint]) -> Starlette:
    """The ASGI application: pages, the MCP endpoints, and whether we are well."""
    routes = [route for endpoint in endpoints for route in endpoint.routes]
    return _application([*routes, public_keys(house.tokens), *_pages(house), *_about(house)])


def pages_application(house: House) -> Starlette:
    """The pages alone, for a person whose agents come over stdio: the owner chooses a password there."""
    return _application([*_pages(house, owner_chooses=True), *_about(house)])


def _application(routes: list[Route]) -> Starlette:
    app = Starlette(routes=routes)
    app.router.redirect_slashes = False  # Starlette would build that redirect from `Host`
    return app


def _about(house: House) -> list[Route]:
    """Whether we are well, and whose store this is: other processes ask before they call a port foreign."""

    async def health(_: Request) -> JSONResponse:
        await house.ground.store.one("SELECT 1 AS one")
        return JSONResponse({"status": "ok"})

    async def about(_: Request) -> JSONResponse:
        return JSONResponse({"store": house.ground.keys.store_id})

    return [Route("/healthz", health), Route(ABOUT, about)]


def _pages(house: House, *, owner_chooses: bool = False) -> list[Route]:
    ground = house.ground
    site = Site(ground.public_url, frozenset(ground.settings.allowed_hosts))
    pages = Pages(site, ground.keys, house.sessions, ground.clock, ground.randomness)
    return routes(
        pages,
        store=ground.store,
        keys=ground.keys,
        audit=ground.audit,
        catalog=ground.catalog,
        accounts=house.accounts,
        sessions=house.sessions,
        agents=house.agents,
        connections=house.connections,
        grants=house.grants,
        requests=house.requests,
        reading=house.reading,
        answers=house.answers,
        owner_chooses=owner_chooses,
    )


def endpoints_of(house: House, changes: Changes, hold: float = HOLD_SECONDS) -> list[Endpoint]:
    """The MCP endpoints of a house: `/mcp`, `/mcp/flat`, and those that its settings name.

    Raises SettingsError for one that selects what does not exist.
    """
    chosen = {"": EndpointSettings(), "flat": EndpointSettings(names="underscore")}
    return [
        _endpoint(house, name, wanted, changes, hold)
        for name, wanted in {**chosen, **house.ground.settings.endpoints}.items()
    ]


def _endpoint(house: House, name: str, wanted: EndpointSettings, changes: Changes, hold: float) -> Endpoint:
    callers, ground = RequestCallers(house.sessions), house.ground
    selection = Selection(wanted.connectors, wanted.tools, wanted.effects, wanted.names == UNDERSCORE)
    tools = {tool.name for tool in ground.catalog.tools}
    selection.refuse_unknown(f"[endpoints.{name}]", set(ground.catalog.connectors), tools)
    handlers = Handlers(
        house.calls.only(selection.shows),
        house.grants,
        house.requests,
        callers,
        ground.ids,
        hold,
        spelled=selection.spelled,
    )
    hosts = [urlsplit(ground.public_url).netloc, *ground.settings.allowed_hosts]
    return Endpoint(name, handlers, callers, changes, house.identity, house.tokens, ground.keys, hosts)


@asynccontextmanager
async def running(
    house: House, listener: socket.socket, *, hold: float = HOLD_SECONDS
) -> AsyncIterator[None]:
    """Serve while the block runs; requests are accepted from the first line of the block on.

    `hold` is how many seconds a call that waits for its person is held open before its client is asked
    to come back.
    """
    async with service_tasks() as tasks:
        stop = anyio.Event()
        tasks.start_soon(_serve_until, house, listener, stop, hold)
        try:
            yield
        finally:
            stop.set()


async def _serve_until(house: House, listener: socket.socket, stop: anyio.Event, hold: float) -> None:
    async with _up(house, hold) as app, anyio.create_task_group() as tasks:
        serving = await serve_application(tasks, app, listener)
        async with _announced(house):
            await stop.wait()
        serving.stop()


class Serving:
    """An application that is being served in a task group, until it is told to stop."""

    def __init__(self, server: Server) -> None:
        self._server = server

    def stop(self) -> None:
        """Take no more connections; what is under way may finish."""
        self._server.should_exit = True


async def serve_application(tasks: TaskGroup, app: Starlette, listener: socket.socket) -> Serving:
    """Serve an application in `tasks`; its listener accepts already."""
    server = _InBlock(_config(app))
    tasks.start_soon(server.serve, [listener])
    return Serving(server)


async def is_ours(port: int, store_id: str) -> bool:
    """Whether what listens on a port of this machine serves the same store."""
    try:
        with anyio.fail_after(_PROBE_SECONDS):
            return store_id.encode() in await _probe(port)
    except (OSError, anyio.BrokenResourceError, anyio.EndOfStream):  # TimeoutError is an OSError
        return False


async def _probe(port: int) -> bytes:
    """Ask by hand: this never leaves the machine, so it is not the business of egress."""
    asked = f"GET {ABOUT} HTTP/1.1\r\nHost: localhost:{port}\r\nConnection: close\r\n\r\n"
    async with await anyio.connect_tcp("127.0.0.1", port) as stream:
        await stream.send(asked.encode())
        return b"".join([part async for part in stream])[:_PROBE_BYTES]


async def serve(house: House, listener: socket.socket, announce: Callable[[], None]) -> None:
    """Serve until a signal asks to stop; then what is under way is finished and the head is signed."""
    async with running(house, listener):
        gc.collect()
        gc.freeze()  # what stands from here on is walked no more: half of the cost of a long listing was that
        await until_signal(announce)


async def until_signal(announce: Callable[[], None]) -> None:
    """Wait for SIGINT or SIGTERM; `announce` is called once either of them is understood as a wish to stop.

    uvicorn's own handling raises the signal anew once it is done, which would end us before the store
    is closed.
    """
    with anyio.open_signal_receiver(signal.SIGINT, signal.SIGTERM) as signals:
        announce()
        async for _ in signals:
            return


@asynccontextmanager
async def _up(house: House, hold: float = HOLD_SECONDS) -> AsyncIterator[Starlette]:
    """Keep the endpoint and the jobs running; at the end the audit's head is signed."""
    await _remember_url(house)
    changes = Changes(house.ground.store)
    endpoints = endpoints_of(house, changes, hold)
    async with AsyncExitStack() as stack:
        for endpoint in endpoints:
            await stack.enter_async_context(endpoint.run())
        tasks = await stack.enter_async_context(anyio.create_task_group())
        tasks.start_soon(house.jobs.run)
        tasks.start_soon(changes.run)
        yield application(house, endpoints)
        tasks.cancel_scope.cancel()
    await sign_head(house.ground)


@asynccontextmanager
async def _announced(house: House) -> AsyncIterator[None]:
    """Hold the name by which stdio processes know that a server runs, and leave the pages to it."""
    leases, lease = house.ground.leases, pages_at(house.ground.public_url)
    await leases.take(lease, _PRESENT)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(_stay_announced, leases, lease)
        yield
        tasks.cancel_scope.cancel()
    await leases.let_go(lease)


async def _stay_announced(leases: Leases, lease: str) -> None:
    while True:
        await anyio.sleep(_PRESENT / 3 / SECOND)
        try:
            await leases.take(lease, _PRESENT)
        except StoreError as error:  # busy, or full: there are two more tries before anybody misses us
            _log.warning("this server could not say that it is up: %s", error)


async def _remember_url(house: House) -> None:
    sql = "INSERT INTO meta VALUES ('public_url', $1) ON CONFLICT (key) DO UPDATE SET value = excluded.value"
    async with house.ground.store.transaction() as tx:
        await tx.run(sql, house.ground.public_url)


class _InBlock(Server):
    """uvicorn's server, which leaves the signals to the program it runs in."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


def _config(app: Starlette) -> Config:
    return Config(
        app,
        access_log=False,  # its lines would hold codes and states
        log_level="warning",
        server_header=False,
        lifespan="off",
        proxy_headers=False,  # nothing is built from a header somebody sent
        timeout_graceful_shutdown=_GRACE_SECONDS,
    )


__all__ = ["DEFAULT_PORT", "listen", "public_url", "running", "serve", "until_signal"]
