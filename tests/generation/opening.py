"""A store of a home, opened as another process would open it."""

import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.support.clock import FakeClock
from tests.support.keys import ROOT_KEY
from valetkey.assemble.ground import open_store
from valetkey.audit import Audit
from valetkey.audit.checkpoint import checkpoint
from valetkey.audit.head import FILE
from valetkey.generation import Gate, noticed
from valetkey.model import AuditEvent, Ids
from valetkey.store import Store
from valetkey.vault import KeyRing, Vault
from valetkey.vault.keys import unlock


@dataclass
class Opened:
    """A store as one process has it open."""

    home: Path
    store: Store
    keys: KeyRing
    gate: Gate
    clock: FakeClock

    async def recorded(self) -> None:
        """Write an event, and sign the head beside the store."""
        async with Audit(self.store, Vault(self.keys), Ids(self.clock), self.clock) as audit:
            await audit.note(AuditEvent("tried", "system", None, None))
        await checkpoint(self.store, self.keys, self.clock, self.home / FILE)


@asynccontextmanager
async def opened(home: Path, place: Path | str | None = None) -> AsyncIterator[Opened]:
    """Open the store of a home, `store.db` unless it is elsewhere."""
    home.mkdir(mode=0o700, exist_ok=True)  # noqa: ASYNC240 - nothing else runs
    clock = FakeClock()
    ids, store = Ids(clock), await open_store(place or home / "store.db")
    try:
        keys = await unlock(store, ROOT_KEY, ids, clock, secrets.token_bytes)
        gate = await noticed(store, keys, ids, clock, home=home, head_file=home / FILE)
        yield Opened(home, store, keys, gate, clock)
    finally:
        await store.aclose()


async def reason(home: Path, place: Path | str | None = None) -> str | None:
    """Why the store of a home would not act, if somebody opened it now."""
    async with opened(home, place) as again:
        return again.gate.reason
