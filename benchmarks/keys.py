"""What keys cost: opening a record among a million, and taking everything over to a new key.

python -m benchmarks.keys [RECORDS]
"""

import asyncio
import random
import secrets
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

from rich.console import Console

from benchmarks.figures import Line, Section, table
from valetkey.model import Ids, SystemClock
from valetkey.store.sqlite import SqliteStore
from valetkey.vault import Vault
from valetkey.vault.keys import unlock
from valetkey.vault.rotation import Rotation
from valetkey.vault.sources import RootKey

FEW, MANY, SAMPLES, AT_A_TIME = 1_000, 1_000_000, 2_000, 10_000
TOKENS = {
    "access": "x" * 400,
    "refresh": "y" * 200,
    "scopes": ["one", "two"],
    "origins": ["https://slack.com"],
}
WANTED = 100_000 / 600
"""Records a second: a hundred thousand in ten minutes."""


async def section(home: Path, many: int = MANY) -> Section:
    """Measure on a store in a folder, with so many records in it."""
    async with _vault(home) as (store, vault):
        await _filled(vault, store, 0, FEW)
        before = await _opening(vault, store, FEW)
        await _filled(vault, store, FEW, many)
        after = await _opening(vault, store, many)
        rate = await _rotating(vault, store)
    return Section(
        "Keys",
        "Opening a sealed record of a store with little in it and with much; and `valetkey keys rotate` "
        f"over {many:,} records, held against a hundred thousand in ten minutes.",
        "little, or wanted",
        "much, or measured",
        [
            Line(f"opening a record among {many:,}, beside {FEW:,}", "µs", before, after, "≤ 2.5"),
            Line("records a second that a rotation takes over", "", WANTED, rate, "≥ 1.0"),
        ],
    )


@asynccontextmanager
async def _vault(home: Path) -> AsyncIterator[tuple[SqliteStore, Vault]]:
    clock = SystemClock()
    root = RootKey("file", "a key of its own", secrets.token_bytes(32), secrets.token_bytes)
    home.mkdir(mode=0o700, exist_ok=True)  # noqa: ASYNC240 - nothing else runs yet
    store = await SqliteStore.open(home / "keys.db")
    try:
        yield store, Vault(await unlock(store, root, Ids(clock), clock, secrets.token_bytes))
    finally:
        await store.aclose()


async def _filled(vault: Vault, store: SqliteStore, first: int, last: int) -> None:
    for start in range(first, last, AT_A_TIME):
        async with store.transaction(durable=False) as tx:
            new = {f"tok_{n}": TOKENS for n in range(start, min(start + AT_A_TIME, last))}
            await vault.put_new(tx, "token", new)


async def _opening(vault: Vault, store: SqliteStore, many: int) -> float:
    """The median of microseconds, of records here and there."""
    taken, chance = [], random.Random(6)  # noqa: S311 - which records, and nothing secret
    for _ in range(SAMPLES):
        key = f"tok_{chance.randrange(many)}"
        began = time.perf_counter()
        await vault.open(store, "token", key)
        taken.append((time.perf_counter() - began) * 1e6)
    return median(taken)


async def _rotating(vault: Vault, store: SqliteStore) -> float:
    """Records a second, each step durable."""
    clock = SystemClock()
    rotation = Rotation(store, vault.keys, clock)
    new = await rotation.prepared(Ids(clock), secrets.token_bytes)
    async with store.transaction() as tx:
        await rotation.begin(tx, new)
    began, done = time.perf_counter(), 0
    async for moved in rotation.run():
        done += moved
    return done / (time.perf_counter() - began)


if __name__ == "__main__":
    with TemporaryDirectory() as folder:
        found = asyncio.run(section(Path(folder), int(sys.argv[1]) if sys.argv[1:] else MANY))
        Console().print(table(found))
