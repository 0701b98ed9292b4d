"""Processes that are killed while they append: the chain stays whole, and what was acknowledged is there."""

import json
import secrets
from collections.abc import AsyncIterator
from pathlib import Path

import anyio
import pytest

from tests.audit.appending import opened
from tests.support.database import database
from tests.support.keys import ROOT_KEY
from tests.support.scale import scaled
from tests.support.victim import victim
from valetkey.audit.verify import verify
from valetkey.model import Ids, SystemClock
from valetkey.store import Store
from valetkey.vault.keys import KeyRing, unlock

pytestmark = pytest.mark.reliability
PROCESSES = 3
ROUNDS = {"sqlite": scaled(8, 100), "postgres": scaled(4, 100)}


@pytest.fixture(params=["sqlite", "postgres"])
async def where(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[tuple[str, int]]:
    """A file or a database, and how many rounds of kills it has to stand."""
    rounds = ROUNDS[request.param]
    if request.param == "sqlite":
        yield str(tmp_path / "store.db"), rounds
    else:
        async with database() as url:
            yield url, rounds


async def acknowledged(where: str, name: str, enough: int, later: float) -> list[str]:
    """Kill a process so many seconds after so many promises; every call that it had promised by then."""
    async with victim("tests.audit.appending:appending", where=where, name=name) as process:
        promised = [await process.said() for _ in range(enough)]
        await anyio.sleep(later)
        process.kill()
        return promised + [json.loads(line) for line in await process.gone()]  # it is in the pipe still


async def killed(where: str, round_: int) -> list[str]:
    """Three processes that append to one store, each killed on its own; all that they were promised."""
    promised: list[str] = []

    async def one(number: int) -> None:
        promised.extend(await acknowledged(where, f"{round_}_{number}", 5 + number, round_ % 10 / 2_000))

    async with anyio.create_task_group() as tasks:
        for number in range(PROCESSES):
            tasks.start_soon(one, number)
    return promised


async def test_no_acknowledged_call_is_missing_however_many_were_killed(where: tuple[str, int]) -> None:
    place, rounds = where
    store = await opened(place)
    with anyio.fail_after(3_600):
        keys = await _keys(store)
        promised = [call for round_ in range(rounds) for call in await killed(place, round_)]
        found = await verify(store, keys)
        rows = await store.all("SELECT call FROM audit WHERE kind = 'call.opened'")
        await store.aclose()
    assert found.ok, found.findings
    assert len(promised) >= rounds * PROCESSES * 5
    assert not set(promised) - {row["call"] for row in rows}


async def _keys(store: Store) -> KeyRing:
    clock = SystemClock()
    return await unlock(store, ROOT_KEY, Ids(clock), clock, secrets.token_bytes)
