"""A vault over each of the stores, and what another process on the same store would open."""

import secrets
from collections.abc import AsyncIterator, Iterable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.support.clock import FakeClock
from tests.support.database import database
from tests.support.keys import ROOT_KEY
from valetkey.model import Ids
from valetkey.store import Store
from valetkey.store.postgres import PostgresStore
from valetkey.store.sqlite import SqliteStore
from valetkey.vault import Vault
from valetkey.vault.keys import unlock
from valetkey.vault.rotation import Rotation
from valetkey.vault.sources import KeySource


@dataclass(slots=True)
class Shelf:
    """A store and a vault over it, under a root key."""

    store: Store
    vault: Vault
    clock: FakeClock
    ids: Ids

    async def again(self, source: KeySource = ROOT_KEY) -> Vault:
        """Open the store's keys as another process does."""
        return Vault(await unlock(self.store, source, self.ids, self.clock, secrets.token_bytes))

    async def put(self, keys: Iterable[str], vault: Vault | None = None) -> None:
        """Seal a record under each of these ids; what it says is its id."""
        async with self.store.transaction() as tx:
            for key in keys:
                await (vault or self.vault).put(tx, "token", key, key, bound="https://slack.com")

    async def opens(self, keys: Iterable[str], vault: Vault | None = None) -> bool:
        """Whether each of them says what it said."""
        vault = vault or self.vault
        return all([(await vault.open(self.store, "token", key)).content == key for key in keys])

    async def under(self, kek: str) -> int:
        row = await self.store.one("SELECT COUNT(*) AS n FROM sealed WHERE kek = $1", kek)
        assert row is not None
        return int(row["n"])

    async def begin(self, vault: Vault | None = None) -> tuple[Rotation, str]:
        """Begin a rotation; nothing is taken over yet. The id of the new key."""
        self.clock.advance(1)
        rotation = Rotation(self.store, (vault or self.vault).keys, self.clock)
        new = await rotation.prepared(self.ids, secrets.token_bytes)
        async with self.store.transaction() as tx:
            await rotation.begin(tx, new)
        return rotation, new.id

    async def rotated(self, rotation: Rotation) -> list[str]:
        """Take a rotation to its end; the keys that are empty now."""
        async for _ in rotation.run():
            pass
        async with self.store.transaction() as tx:
            return await rotation.finish(tx)

    async def change(self, sql: str, *values: str | int | bytes) -> int:
        async with self.store.transaction() as tx:
            return await tx.run(sql, *values)


BOTH_STORES = pytest.mark.parametrize("shelf", ["sqlite", "postgres"], indirect=True)


@pytest.fixture
async def shelf(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Shelf]:
    """On the embedded store, unless the test says BOTH_STORES."""
    clock = FakeClock()
    async with AsyncExitStack() as stack:
        store: Store
        if getattr(request, "param", "sqlite") == "sqlite":
            store = await SqliteStore.open(tmp_path / "shelf.db")
        else:
            store = await PostgresStore.open(await stack.enter_async_context(database()))
        stack.push_async_callback(store.aclose)
        ids = Ids(clock)
        ring = await unlock(store, ROOT_KEY, ids, clock, secrets.token_bytes)
        yield Shelf(store, Vault(ring), clock, ids)
