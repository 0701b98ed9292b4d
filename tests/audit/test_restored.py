"""A store that is put back as it once was, in whole or in part, and records rolled back inside it."""

import secrets
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.audit.story import ANA, Start, made, seal
from tests.audit.tampering import rechained, verified_after
from tests.support.clock import FakeClock
from tests.support.keys import ROOT_KEY
from valetkey.audit import Audit
from valetkey.audit.checkpoint import checkpoint
from valetkey.audit.head import Checkpoint, read_head
from valetkey.audit.verify import verify
from valetkey.errors import IntegrityError, StoreError
from valetkey.model import AuditEvent, Ids
from valetkey.store import Row, Transaction
from valetkey.store.sqlite import SqliteStore
from valetkey.vault import Vault
from valetkey.vault.keys import unlock

pytestmark = pytest.mark.usefixtures("signed")


@pytest.fixture
async def yesterday(store: SqliteStore, tmp_path: Path) -> AsyncIterator[SqliteStore]:
    """A copy of the store as it is before the test begins."""
    path = tmp_path / "yesterday.db"
    await store._writing.all(f"VACUUM INTO '{path}'")
    path.chmod(0o600)
    copy = await SqliteStore.open(path)
    yield copy
    await copy.aclose()


@pytest.fixture
async def today(
    yesterday: SqliteStore, start: Start, store: SqliteStore, vault: Vault, clock: FakeClock, head_file: Path
) -> Checkpoint:
    """The checkpoint of today, which `yesterday` knows nothing of."""
    async with start() as audit:
        await made(audit, "call_today")
    signed = await checkpoint(store, vault.keys, clock, head_file)
    assert signed is not None
    return signed


async def gone_on(yesterday: SqliteStore, ids: Ids, clock: FakeClock) -> None:
    """Yesterday's store is used again, past the number that today had reached."""
    keys = await unlock(yesterday, ROOT_KEY, ids, clock, secrets.token_bytes)
    async with Audit(yesterday, Vault(keys), ids, clock) as audit:
        for number in range(5):
            await made(audit, f"call_other_{number}")


async def test_yesterdays_store_is_found_by_the_head_outside(
    yesterday: SqliteStore, vault: Vault, head_file: Path, today: Checkpoint
) -> None:
    assert (await verify(yesterday, vault.keys)).ok, "which is why there is a head outside"
    found = await verify(yesterday, vault.keys, head_file=head_file)
    assert f"event {today.head.seq} was recorded and is gone" in str(found.findings)


async def test_yesterdays_store_is_found_by_an_anchor(
    yesterday: SqliteStore, vault: Vault, today: Checkpoint
) -> None:
    found = await verify(yesterday, vault.keys, anchor=today.head)
    assert [finding.seq for finding in found.findings] == [today.head.seq]


async def test_yesterdays_store_is_found_even_when_it_has_gone_on(
    yesterday: SqliteStore, vault: Vault, ids: Ids, clock: FakeClock, head_file: Path, today: Checkpoint
) -> None:
    await gone_on(yesterday, ids, clock)
    found = await verify(yesterday, vault.keys, head_file=head_file)
    assert f"event {today.head.seq} is not the one" in str(found.findings)


@pytest.mark.parametrize("goes_on", [True, False])
@pytest.mark.usefixtures("today")
async def test_no_checkpoint_covers_up_that_the_store_was_put_back(
    yesterday: SqliteStore, vault: Vault, ids: Ids, clock: FakeClock, head_file: Path, goes_on: bool
) -> None:
    if goes_on:
        await gone_on(yesterday, ids, clock)
    before = read_head(head_file)
    with pytest.raises(IntegrityError, match="nothing was signed"):
        await checkpoint(yesterday, vault.keys, clock, head_file)
    assert read_head(head_file) == before


async def test_a_store_file_that_was_cut_off_does_not_pass(
    yesterday: SqliteStore, vault: Vault, head_file: Path, tmp_path: Path
) -> None:
    whole = (tmp_path / "yesterday.db").read_bytes()
    cut = tmp_path / "cut.db"
    for part in (0.2, 0.5, 0.8):
        cut.write_bytes(whole[: int(len(whole) * part)])
        cut.chmod(0o600)
        assert not await passes(cut, vault, head_file)


async def passes(path: Path, vault: Vault, head_file: Path) -> bool:
    try:
        store = await SqliteStore.open(path)
    except StoreError:
        return False
    try:
        return (await verify(store, vault.keys, head_file=head_file)).ok
    except StoreError:
        return False
    finally:
        await store.aclose()


async def token_row(store: SqliteStore) -> Row:
    row = await store.one("SELECT version, dek, content FROM sealed WHERE purpose = 'token'")
    assert row is not None
    return dict(row)


async def roll_back(tx: Transaction, row: Row) -> None:
    again = "UPDATE sealed SET version = $1, dek = $2, content = $3 WHERE purpose = 'token'"
    await tx.run(again, row["version"], row["dek"], row["content"])


async def test_a_token_put_back_as_it_once_was_opens_and_is_found(
    start: Start, store: SqliteStore, vault: Vault, head_file: Path
) -> None:
    old = await token_row(store)
    async with start() as audit:
        await seal(audit, store, vault, "tok_1", {"access": "newest"})
    async with store.transaction() as tx:
        await roll_back(tx, old)
    assert (await vault.open(store, "token", "tok_1")).content == {"access": "new"}
    found = await verify(store, vault.keys, head_file=head_file)
    assert [finding.text for finding in found.findings] == [
        "the sealed token tok_1 is at version 2 and not what was last recorded, version 3"
    ]


async def test_a_token_that_was_forgotten_is_not_missed_and_may_not_come_back(
    start: Start, store: SqliteStore, vault: Vault, head_file: Path
) -> None:
    forgotten = AuditEvent("token.forgotten", "person", ANA, None, {"forgotten": "token", "record": "tok_1"})
    async with start() as audit, store.transaction() as tx:
        row = await tx.one("SELECT * FROM sealed WHERE purpose = 'token'")
        await vault.forget(tx, "token", "tok_1")
        await audit.append(tx, forgotten)
    assert (await verify(store, vault.keys, head_file=head_file)).ok
    assert row is not None
    kept = tuple(row)

    async def edit(tx: Transaction) -> None:
        await tx.run("INSERT INTO sealed VALUES ($1, $2, $3, $4, $5, $6, $7)", *kept)

    found = await verified_after(store, vault, head_file, edit)
    assert "was forgotten and is there again" in str(found.findings)


async def test_a_token_that_is_sealed_again_under_the_same_id_counts_anew(
    start: Start, store: SqliteStore, vault: Vault
) -> None:
    async with start() as audit:
        async with store.transaction() as tx:
            await vault.forget(tx, "token", "tok_1")
        await seal(audit, store, vault, "tok_1", {"access": "after"})
    assert (await verify(store, vault.keys)).ok


async def test_a_head_of_another_history_is_found_however_well_it_is_chained(
    store: SqliteStore, vault: Vault, head_file: Path
) -> None:
    async def edit(tx: Transaction) -> None:
        await tx.run("DELETE FROM checkpoints")
        await tx.run("UPDATE audit SET core = $1 WHERE seq = 8", b"{}")
        await rechained(tx, vault.keys.store_id)

    found = await verified_after(store, vault, head_file, edit)
    assert "event 8 is not the one that was recorded" in str(found.findings)
