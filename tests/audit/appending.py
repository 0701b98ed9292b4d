"""A process that opens calls until it is killed: it says on its output which ones are acknowledged."""

import os
import secrets
import sys
from itertools import count
from pathlib import Path

import anyio

from tests.audit.story import CALLER, POST, send
from tests.support.keys import ROOT_KEY
from valetkey.audit import Audit
from valetkey.model import CallId, Ids, SystemClock
from valetkey.store.sqlite import SqliteStore
from valetkey.vault import Vault
from valetkey.vault.keys import unlock


async def append(audit: Audit, name: str) -> None:
    """One call after another: an id is written out once the audit has it and never before."""
    for number in count():
        call = CallId(f"call_{name}_{number}")
        async with audit.around(CALLER, POST.name, call) as record:
            await send(record, POST, number=number)
            os.write(1, f"{call}\n".encode())


async def main(path: Path, name: str) -> None:
    clock = SystemClock()
    ids = Ids(clock)
    store = await SqliteStore.open(path)
    vault = Vault(await unlock(store, ROOT_KEY, ids, clock, secrets.token_bytes))
    async with Audit(store, vault, ids, clock) as audit, anyio.create_task_group() as tasks:
        for task in range(4):
            tasks.start_soon(append, audit, f"{name}_{task}")


if __name__ == "__main__":
    anyio.run(main, Path(sys.argv[1]), sys.argv[2])
