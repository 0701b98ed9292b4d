"""Checkpoints: the head is signed when it moved, in the store and outside it."""

import json
import stat
from pathlib import Path

import pytest

from tests.audit.story import POST, Start, made
from tests.support.clock import FakeClock
from valetkey.audit.checkpoint import checkpoint
from valetkey.audit.head import Checkpoint, public_keys, read_head, unsigned
from valetkey.errors import StoreError
from valetkey.store.sqlite import SqliteStore
from valetkey.vault import Vault


async def signed_rows(store: SqliteStore) -> list[int]:
    return [row["seq"] for row in await store.all("SELECT seq FROM checkpoints ORDER BY seq")]


async def test_an_empty_chain_has_no_checkpoint(
    store: SqliteStore, vault: Vault, clock: FakeClock, head_file: Path
) -> None:
    assert await checkpoint(store, vault.keys, clock, head_file) is None
    assert read_head(head_file) is None


async def test_a_head_that_did_not_move_is_not_signed_again(
    store: SqliteStore, vault: Vault, clock: FakeClock, head_file: Path, signed: Checkpoint
) -> None:
    clock.advance(60_000)
    assert await checkpoint(store, vault.keys, clock, head_file) == signed
    assert await signed_rows(store) == [4, 8]
    assert signed.after == 4


async def test_the_head_outside_is_the_newest_and_its_owners_alone(
    head_file: Path, signed: Checkpoint
) -> None:
    assert read_head(head_file) == signed
    assert stat.S_IMODE(mode_of(head_file)) == 0o600
    assert names_in(head_file.parent) == {"audit-head.json", "store.db", "store.db-wal", "store.db-shm"}


def mode_of(path: Path) -> int:
    return path.stat().st_mode


def names_in(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


async def test_a_head_file_that_was_lost_is_written_again(
    store: SqliteStore, vault: Vault, clock: FakeClock, head_file: Path, signed: Checkpoint
) -> None:
    remove(head_file)
    assert await checkpoint(store, vault.keys, clock, head_file) == signed
    assert read_head(head_file) == signed


def remove(file: Path) -> None:
    file.unlink()


async def test_a_head_that_cannot_be_written_outside_is_said_and_made_up_for(
    start: Start, store: SqliteStore, vault: Vault, clock: FakeClock, tmp_path: Path
) -> None:
    async with start() as audit:
        await made(audit, "call_1", POST)
    nowhere = tmp_path / "missing" / "audit-head.json"
    with pytest.raises(StoreError, match="cannot be written"):
        await checkpoint(store, vault.keys, clock, nowhere)
    (tmp_path / "missing").mkdir()
    signed = await checkpoint(store, vault.keys, clock, nowhere)
    assert read_head(nowhere) == signed


async def test_a_checkpoint_is_read_as_it_is_written(signed: Checkpoint) -> None:
    assert Checkpoint.from_json(json.loads(json.dumps(signed.as_json()))) == signed


async def test_a_signature_holds_for_every_field_and_for_its_key_alone(
    vault: Vault, signed: Checkpoint
) -> None:
    keys = public_keys(vault.keys)
    assert unsigned(signed, keys) is None
    assert unsigned(signed, {}) is not None
    for name, value in signed.as_json().items():
        other = value + 1 if isinstance(value, int) else value[:-1] + ("0" if value[-1] != "0" else "1")
        edited = signed.as_json() | {name: other}
        if name != "format":
            assert unsigned(Checkpoint.from_json(edited), keys), name
