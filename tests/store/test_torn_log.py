"""A power cut in the middle of a write: the log ends anywhere, or in rubbish. What is read once was so."""

import json
import secrets
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from random import Random

import pytest

from tests.audit.story import POST, made, seal
from tests.support.clock import FakeClock
from tests.support.keys import ROOT_KEY
from tests.support.scale import scaled
from valetkey.audit import Audit
from valetkey.audit.checkpoint import checkpoint
from valetkey.audit.head import FILE
from valetkey.audit.verify import verify
from valetkey.model import Ids
from valetkey.store.sqlite import SqliteStore
from valetkey.vault import Vault
from valetkey.vault.keys import unlock

pytestmark = pytest.mark.reliability
STEPS, CUTS = 25, scaled(120, 2_000)
SEALED = "SELECT core FROM audit WHERE kind = 'token.sealed'"


@dataclass(frozen=True, slots=True)
class Written:
    """A store that was being written. `sizes[n]` is how long its log was once step n was acknowledged."""

    folder: Path
    sizes: list[int]
    events: int


@pytest.fixture
async def written(tmp_path: Path, clock: FakeClock) -> Written:
    """Each step seals a token and makes a call that writes; the end is signed outside the store."""
    folder, ids = tmp_path / "written", Ids(clock)
    (tmp_path / "before").mkdir()
    store = await SqliteStore.open(tmp_path / "before" / "store.db")
    vault = Vault(await unlock(store, ROOT_KEY, ids, clock, secrets.token_bytes))
    log, sizes = tmp_path / "before" / "store.db-wal", list[int]()
    assert await store.erase_deleted()  # the tables are in the file: the log begins here
    for step in range(STEPS):
        async with Audit(store, vault, ids, clock) as audit:
            await seal(audit, store, vault, f"tok_{step}", {"access": "secret", "step": step})
            await made(audit, f"call_{step}", POST, channel="#support")
        sizes.append(log.stat().st_size)
    await checkpoint(store, vault.keys, clock, tmp_path / FILE)
    events = len(await store.all("SELECT seq FROM audit"))
    sizes.append(log.stat().st_size)
    shutil.copytree(tmp_path / "before", folder)  # as a disk has it when the power goes
    await store.aclose()
    return Written(folder, sizes, events)


def cut(log: Path, at: int) -> None:
    """Nothing from here on reached the disk."""
    with log.open("r+b") as opened:
        opened.truncate(at)


def rubbish(log: Path, at: int) -> None:
    """What was to be written here did not come out as it was meant."""
    _overwrite(log, at, Random(at).randbytes(64))


def nothing(log: Path, at: int) -> None:
    """The file grew, and its new part holds zeros."""
    _overwrite(log, at, bytes(log.stat().st_size - at))


def _overwrite(log: Path, at: int, data: bytes) -> None:
    with log.open("r+b") as opened:
        opened.seek(at)
        opened.write(data)


@pytest.mark.parametrize("torn", [cut, rubbish, nothing])
async def test_a_torn_log_is_a_consistent_past_and_holds_all_that_came_before_the_tear(
    written: Written, tmp_path: Path, clock: FakeClock, torn: Callable[[Path, int], None]
) -> None:
    chance, pasts = Random(5), set[int]()
    for number in range(CUTS // 3):
        copy = tmp_path / f"copy-{number}"
        shutil.copytree(written.folder, copy, ignore=shutil.ignore_patterns("*-shm"))
        at = chance.randrange(written.sizes[-1])
        torn(copy / "store.db-wal", at)
        store = await SqliteStore.open(copy / "store.db")
        try:
            whole = sum(size <= at for size in written.sizes)
            pasts.add(await is_a_past(store, min(whole, STEPS), written.events, tmp_path / FILE, clock))
        finally:
            await store.aclose()
        shutil.rmtree(copy)
    assert len(pasts) > STEPS // 2, "the tears were in many places"


async def is_a_past(store: SqliteStore, whole: int, events: int, head: Path, clock: FakeClock) -> int:
    """The first steps are there, at least `whole`, each of them whole; returns how many there are."""
    keys = await unlock(store, ROOT_KEY, Ids(clock), clock, secrets.token_bytes)
    vault = Vault(keys)
    told = [json.loads(row["core"])["facts"]["record"] for row in await store.all(SEALED)]
    assert told == [f"tok_{step}" for step in range(len(told))]
    assert len(told) >= whole
    kept = {row["id"] for row in await store.all("SELECT id FROM sealed WHERE purpose = 'token'")}
    assert kept == set(told), "a token is there with its receipt, or neither is"
    for step, key in enumerate(told):
        assert (await vault.open(store, "token", key)).content["step"] == step
    seqs = [row["seq"] for row in await store.all("SELECT seq FROM audit ORDER BY seq")]
    assert seqs == list(range(1, len(seqs) + 1))
    assert (await verify(store, keys)).ok, "the chain is whole as far as it goes"
    assert (await verify(store, keys, head_file=head)).ok == (len(seqs) == events), "and its end is known"
    return len(told)
