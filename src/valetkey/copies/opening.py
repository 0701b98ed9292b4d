"""Opening a copy of a store with this home's key: a backup, another home's, the other end of a move."""

import secrets
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from valetkey.assemble.ground import Ground, head_file, open_store
from valetkey.assemble.unlocking import unlocked
from valetkey.audit.checkpoint import checkpoint
from valetkey.audit.writer import Appender, Pending
from valetkey.generation import Generations
from valetkey.model import AuditEvent, Clock, Ids, Randomness
from valetkey.settings import Settings
from valetkey.store import Store, Transaction
from valetkey.vault import KeyRing, Vault
from valetkey.vault.keys import unlock
from valetkey.vault.sources import KeySource
from valetkey.vault.sources.passphrase import Passphrases

Progress = Callable[[str, int, int], None]
"""Told what is being done, how much of it is done, and of how much."""


@dataclass(frozen=True, slots=True)
class Copy:
    """One copy of a store, opened, and the home whose key opened it."""

    settings: Settings
    store: Store
    keys: KeyRing
    ids: Ids
    clock: Clock
    randomness: Randomness

    @property
    def vault(self) -> Vault:
        return Vault(self.keys)

    @property
    def generations(self) -> Generations:
        return Generations(self.keys)

    @property
    def head_file(self) -> Path:
        return head_file(self.settings)

    @property
    def appender(self) -> Appender:
        return Appender(self.vault, self.ids, self.clock, self.randomness)

    async def append(self, tx: Transaction, *events: AuditEvent) -> None:
        """Record facts in the transaction that makes them true."""
        await self.appender.append(tx, [Pending(event) for event in events])

    async def sign_head(self, file: Path) -> None:
        """Sign where this copy's audit stands, in it and in `file`."""
        await checkpoint(self.store, self.keys, self.clock, file)


def of_ground(ground: Ground) -> Copy:
    """The copy on which a house stands."""
    return Copy(ground.settings, ground.store, ground.keys, ground.ids, ground.clock, ground.randomness)


@asynccontextmanager
async def copy_at(
    settings: Settings,
    place: Path | str,
    *,
    clock: Clock | None = None,
    randomness: Randomness = secrets.token_bytes,
    passphrases: Passphrases | None = None,
    source: KeySource | None = None,
) -> AsyncIterator[Copy]:
    """Open the store at `place`, a file or a database's URL, with the key of the home in `settings`.

    `source` is that key, where another copy was opened with it: nobody is asked twice. Its tables are brought
    up to this program. Raises ConfigError: StoreError for what is no store,
    KeyFileError for another key's.
    """
    store = await open_store(place)
    try:
        ids = Ids(clock or store.clock, randomness)
        if source is None:
            keys = await unlocked(settings, store, ids, clock or store.clock, randomness, passphrases)
        else:
            keys = await unlock(store, source, ids, clock or store.clock, randomness)
        yield Copy(settings, store, keys, ids, clock or store.clock, randomness)
    finally:
        await store.aclose()
