"""A process that opens calls until it is killed: it says on its output which ones are acknowledged."""

import secrets
import sys
from itertools import count
from pathlib import Path

import anyio

from tests.audit.story import CALLER, POST, send
from tests.support.keys import ROOT_KEY
from valetkey.audit import Audit
from valetkey.model import CallId, Ids, SystemClock
from valetkey.store import Store
from valetkey.store.postgres import PostgresStore
from valetkey.store.sqlite import SqliteStore
from valetkey.vault import Vault
from valetkey.vault.keys import unlock


def appending(where: str, name: str) -> None:
    """Append to a store, a file's path or a database's URL, under ROOT_KEY."""
    anyio.run(_appending, where, name)


async def opened(where: str) -> Store:
    """Open such a store."""
    return await (
        PostgresStore.open(where) if where.startswith("postgresql:") else SqliteStore.open(Path(where))
    )


async def _appending(where: str, name: str) -> None:
    clock = SystemClock()
    ids = Ids(clock)
    store = await opened(where)
    vault = Vault(await unlock(store, ROOT_KEY, ids, clock, secrets.token_bytes))
    async with Audit(store, vault, ids, clock) as audit, anyio.create_task_group() as tasks:
        for task in range(4):
            tasks.start_soon(_append, audit, f"{name}_{task}")


async def _append(audit: Audit, name: str) -> None:
    """One call after another: an id is written out once the audit has it and never before."""
    for number in count():
        call = CallId(f"call_{name}_{number}")
        async with audit.around(CALLER, POST.name, call) as record:
            await send(record, POST, number=number)
            sys.stdout.write(f'"{call}"\n')
            sys.stdout.flush()
