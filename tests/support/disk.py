"""Disks that take nothing more: no file of this process may be written, or the store alone may not."""

import resource
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager

from valetkey.store.sqlite import SqliteStore


@asynccontextmanager
async def full(_: SqliteStore) -> AsyncIterator[None]:
    """No file of this process may be written to: setrlimit(2) refuses every byte of it."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


@asynccontextmanager
async def read_only(store: SqliteStore) -> AsyncIterator[None]:
    """SQLite takes the store for read-only."""
    await make_read_only(store)
    try:
        yield
    finally:
        await make_read_only(store, "OFF")


async def make_read_only(store: SqliteStore, switch: str = "ON") -> None:
    """Let every write to the store fail from now on."""
    await store._open.writer.execute_fetchall(f"PRAGMA query_only = {switch}")
    store._open.quick.execute(f"PRAGMA query_only = {switch}").close()


Harm = Callable[[SqliteStore], AbstractAsyncContextManager[None]]
HARMS: dict[str, Harm] = {"full": full, "read-only": read_only}
