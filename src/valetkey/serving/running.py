"""A house that serves: from the first request it accepts to the signed head of its audit."""

import contextlib
import gc
import signal
import socket
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager

import anyio
from anyio.abc import TaskGroup
from starlette.types import ASGIApp
from uvicorn import Config, Server

from valetkey.assemble import House, service_tasks, sign_head
from valetkey.jobs import JOBS
from valetkey.server.changes import Changes
from valetkey.server.elicit import HOLD_SECONDS
from valetkey.serving.application import application, endpoints_of
from valetkey.serving.control import hand_out_key
from valetkey.serving.listening import announced, listen
from valetkey.serving.logs import AccessLog
from valetkey.serving.metrics import Metrics
from valetkey.serving.operator import operator_application, split
from valetkey.serving.patient import patient
from valetkey.serving.readiness import Readiness
from valetkey.serving.sockets import Patience, Sockets, patience_of
from valetkey.serving.unforeseen import Untold

_GRACE_SECONDS = 25
"""How long requests may still take after a stop: a refresh under way is finished and stored."""


@asynccontextmanager
async def running(
    house: House,
    *listeners: socket.socket,
    hold: float = HOLD_SECONDS,
    patience: Patience | None = None,
) -> AsyncIterator[None]:
    """Serve while the block runs; requests are accepted from the first line of the block on.

    `hold` is how many seconds a call that waits for its person is held open before its client is asked
    to come back; `patience` how long a client is waited for, if not as the settings say.
    """
    async with service_tasks() as tasks:
        stop, patience = anyio.Event(), patience or patience_of(house.ground.settings)
        tasks.start_soon(_serve_until, house, listeners, stop, hold, patience)
        try:
            yield
        finally:
            stop.set()


async def _serve_until(
    house: House,
    listeners: Sequence[socket.socket],
    stop: anyio.Event,
    hold: float,
    patience: Patience,
) -> None:
    readiness = Readiness(house)
    async with (
        watched(house, readiness, patience),
        up(house, hold, readiness) as app,
        anyio.create_task_group() as tasks,
    ):
        serving = await serve_application(tasks, app, *listeners, patience=patience)
        async with announced(house):
            await stop.wait()
            readiness.stopping = True  # before anybody is turned away: load balancers have to learn of it
            await anyio.sleep(house.ground.settings.operator.drain)
        serving.stop()


@asynccontextmanager
async def watched(house: House, readiness: Readiness, patience: Patience) -> AsyncIterator[None]:
    """Serve the operator's port, if there is one, until what the public port had under way has ended."""
    where = house.ground.settings.operator.listen
    if where is None:
        yield
        return
    metrics, (host, port) = Metrics(house), split(where)
    metrics.watch()
    with listen(host, port) as listener:
        async with anyio.create_task_group() as tasks:
            app = operator_application(readiness, metrics, host)
            serving = await serve_application(tasks, app, listener, patience=patience)
            yield
            serving.stop()


class Serving:
    """An application that is being served in a task group, until it is told to stop."""

    def __init__(self, server: Server) -> None:
        self._server = server

    def stop(self) -> None:
        """Take no more connections; what is under way may finish."""
        self._server.should_exit = True


async def serve_application(
    tasks: TaskGroup, app: ASGIApp, *listeners: socket.socket, patience: Patience
) -> Serving:
    """Serve an application in `tasks`; its listeners accept already."""
    server = _InBlock(_config(app, Sockets(patience)))
    tasks.start_soon(server.serve, list(listeners))
    return Serving(server)


async def serve(house: House, listeners: Sequence[socket.socket], announce: Callable[[], None]) -> None:
    """Serve until a signal asks to stop; then what is under way is finished and the head is signed."""
    async with running(house, *listeners):
        gc.collect()
        gc.set_threshold(20_000, 20, 20)
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
async def up(house: House, hold: float, readiness: Readiness) -> AsyncIterator[ASGIApp]:
    """Keep the endpoint and the jobs running; at the end the audit's head is signed.

    Raises StoreError for a store that another copy has taken over from.
    """
    house.ground.gate.refuse_to_serve()
    await _remember_url(house)
    changes = Changes(house.ground.store, house.ground.clock)
    endpoints = endpoints_of(house, changes, hold)
    async with AsyncExitStack() as stack:
        for endpoint in endpoints:
            await stack.enter_async_context(endpoint.run())
        tasks = await stack.enter_async_context(anyio.create_task_group())
        tasks.start_soon(house.jobs.run)
        tasks.start_soon(changes.run)
        tasks.start_soon(house.ground.keys.keks.follow, house.ground.store)
        tasks.start_soon(hand_out_key, house.ground)
        tasks.start_soon(house.ground.gate.watch)
        yield AccessLog(application(house, endpoints, readiness), house.ground.ids)
        tasks.cancel_scope.cancel()
    await house.ground.leases.let_go(JOBS)  # the next process need not wait for it to lapse
    await sign_head(house.ground)


async def _remember_url(house: House) -> None:
    sql = "INSERT INTO meta VALUES ('public_url', $1) ON CONFLICT (key) DO UPDATE SET value = excluded.value"
    async with house.ground.store.transaction() as tx:
        await tx.run(sql, house.ground.public_url)


class _InBlock(Server):
    """uvicorn's server, which leaves signals to its program, and lets go of listeners when cancelled."""

    async def main_loop(self) -> None:
        try:
            await super().main_loop()
        finally:  # a loop that went on to watch a closed socket would be deaf to the next with its number
            for server in self.servers:
                server.close()

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


def _config(app: ASGIApp, sockets: Sockets) -> Config:
    return Config(
        Untold(app),
        http=patient(sockets),
        access_log=False,  # its lines would hold codes and states
        log_level="warning",
        server_header=False,
        lifespan="off",
        ws="none",  # nothing here speaks it, whatever else is installed
        proxy_headers=False,  # nothing is built from a header somebody sent
        timeout_graceful_shutdown=_GRACE_SECONDS,
    )
