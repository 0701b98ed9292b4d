"""kill -9 while keys are rotated and others read and write: every record opens, and no read ever failed."""

import secrets
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

import anyio
import pytest

from tests.audit.appending import opened
from tests.support.database import database
from tests.support.keys import ROOT_KEY
from tests.support.scale import scaled
from tests.support.victim import victim
from valetkey.model import Ids, SystemClock
from valetkey.store import Store
from valetkey.vault import Vault
from valetkey.vault.keys import unlock
from valetkey.vault.rotation import kek_states

pytestmark = pytest.mark.reliability
KILLS = {"sqlite": scaled(12, 100), "postgres": scaled(4, 100)}
RECORDS = scaled(600, 100_000)
ROTATING = "tests.vault.rotating:rotating"


@dataclass(slots=True)
class Library:
    """Many records, what each of them says now, and who reads and writes them meanwhile."""

    store: Store
    vault: Vault
    says: dict[str, int]
    chance: Random = field(default_factory=lambda: Random(9))
    done: Counter[str] = field(default_factory=Counter)

    @classmethod
    async def filled(cls, store: Store) -> "Library":
        clock = SystemClock()
        vault = Vault(await unlock(store, ROOT_KEY, Ids(clock), clock, secrets.token_bytes))
        says = {f"tok_{n}": 0 for n in range(RECORDS)}
        async with store.transaction() as tx:
            await vault.put_new(tx, "token", says)
        return cls(store, vault, says)

    async def read(self) -> None:
        """Open one record after another: each says what was last written to it, whoever has its key."""
        while True:
            key = self._any()
            before = self.says[key]
            content = (await self.vault.open(self.store, "token", key)).content
            assert before <= content <= self.says[key] + 1  # it may be being written just now
            self.done["reads"] += 1
            await anyio.sleep(0.001)

    async def write(self) -> None:
        """As refreshes do: a new version of a record, while its data key may be in other hands."""
        while True:
            key = self._any()
            async with self.store.transaction() as tx:
                await self.vault.put(tx, "token", key, self.says[key] + 1)
            self.says[key] += 1
            self.done["writes"] += 1
            await anyio.sleep(0.002)

    def _any(self) -> str:
        return f"tok_{self.chance.randrange(200)}"

    @asynccontextmanager
    async def in_use(self) -> AsyncIterator[None]:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(self.read)
            tasks.start_soon(self.write)
            yield
            tasks.cancel_scope.cancel()

    async def every_record_opens(self) -> None:
        """In a process of its own, as it were: with the keys that the store has now and no others."""
        clock = SystemClock()
        fresh = Vault(await unlock(self.store, ROOT_KEY, Ids(clock), clock, secrets.token_bytes))
        for key, content in self.says.items():
            assert (await fresh.open(self.store, "token", key)).content == content


async def killed(where: str, batches: int, later: float) -> bool:
    """Kill a rotation so many seconds after so many steps; whether it had work left to do."""
    async with victim(ROTATING, where=where) as process:
        for _ in range(1 + batches):
            if (await process.said()) == "whole":
                return False
        await anyio.sleep(later)
        process.kill()
        return '"whole"\n' not in await process.gone()


@pytest.fixture(params=["sqlite", "postgres"])
async def where(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[tuple[str, int]]:
    """A file or a database, and how many kills it has to stand."""
    kills = KILLS[request.param]
    if request.param == "sqlite":
        yield str(tmp_path / "store.db"), kills
    else:
        async with database() as url:
            yield url, kills


async def test_every_record_opens_however_often_a_rotation_was_killed(where: tuple[str, int]) -> None:
    place, kills = where
    store = await opened(place)
    try:
        with anyio.fail_after(3_600):
            await _stands(place, store, kills)
    finally:
        await store.aclose()


async def _stands(place: str, store: Store, kills: int) -> None:
    library, chance, steps = await Library.filled(store), Random(7), RECORDS // 50
    async with library.in_use():
        hit = [
            await killed(place, chance.randrange(max(steps // 3, 2)), chance.random() / 250)
            for _ in range(kills)
        ]
        async with victim(ROTATING, where=place) as process:
            ended = [line.strip() for line in await process.gone()]
    await library.every_record_opens()
    *old, active = await kek_states(store)
    assert ended[-1] == '"whole"'
    assert sum(hit) >= kills // 2, "hardly a kill fell into a rotation: this proved nothing"
    assert [key.records for key in old] == [0] * len(old)
    assert active.records >= RECORDS
    assert min(library.done["reads"], library.done["writes"]) >= kills
