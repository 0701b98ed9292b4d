"""When a server over stdio ends although its input is still open: a signal asks, or its starter is gone."""

import os
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import anyio

ASKING = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
"""The signals that ask to stop. They never end us at once: what a provider has answered is stored first."""

_LOOK_SECONDS = 1.0


@asynccontextmanager
async def asked_to_stop(starter: int) -> AsyncIterator[anyio.Event]:
    """Yield an event that is set when a signal asks to stop, or the process `starter` is gone."""
    stop = anyio.Event()
    with anyio.open_signal_receiver(*ASKING) as signals:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(_on_signal, signals, stop)
            tasks.start_soon(_on_orphaned, starter, stop)
            yield stop
            tasks.cancel_scope.cancel()


async def _on_signal(signals: AsyncIterator[signal.Signals], stop: anyio.Event) -> None:
    async for _ in signals:
        stop.set()


async def _on_orphaned(starter: int, stop: anyio.Event) -> None:
    """A client that killed what it started may keep its end of the pipe open all the same."""
    while os.getppid() == starter:  # noqa: ASYNC110 - another process has no event to wait for
        await anyio.sleep(_LOOK_SECONDS)
    stop.set()
