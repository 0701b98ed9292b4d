"""Verification of a store: what it says of a whole one, and what it needs besides the store."""

from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path

import anyio
import pytest

from tests.audit.story import ANA, BEN, Start, made, seal
from tests.audit.tampering import sql, verified_after
from tests.support.clock import FakeClock
from valetkey.audit.checkpoint import checkpoint
from valetkey.audit.head import Checkpoint, Head
from valetkey.audit.personal import forget_personal
from valetkey.audit.verify import verify
from valetkey.errors import IntegrityError, UsageError
from valetkey.model import AuditEvent
from valetkey.store import Row, Value
from valetkey.store.sqlite import SqliteStore
from valetkey.vault import Vault

pytestmark = pytest.mark.usefixtures("signed")


async def test_an_untouched_store_verifies(
    store: SqliteStore, vault: Vault, head_file: Path, signed: Checkpoint
) -> None:
    done: list[tuple[int, int]] = []
    found = await verify(
        store,
        vault.keys,
        head_file=head_file,
        anchor=signed.head,
        progress=lambda *counts: done.append(counts),
    )
    assert found.ok, found.findings
    assert (found.events, found.checkpoints, found.records) == (8, 2, 1)
    assert (found.withheld, found.unsigned, found.head) == (0, 0, signed.head)
    assert done == [(8, 8)]


async def test_events_after_the_last_checkpoint_are_said_to_be_unsigned(
    start: Start, store: SqliteStore, vault: Vault, head_file: Path
) -> None:
    async with start() as audit:
        await made(audit, "call_4")
    found = await verify(store, vault.keys, head_file=head_file)
    assert (found.ok, found.unsigned, found.as_json()["unsigned"]) == (True, 2, 2)


async def test_an_empty_store_verifies_and_needs_no_head(
    store: SqliteStore, vault: Vault, tmp_path: Path
) -> None:
    found = await verified_after(
        store, vault, tmp_path / "none.json", sql("DELETE FROM audit", "DELETE FROM checkpoints")
    )
    assert (found.ok, found.events) == (True, 0)


async def test_a_missing_head_outside_is_a_finding_once_there_was_one(
    store: SqliteStore, vault: Vault, tmp_path: Path
) -> None:
    found = await verify(store, vault.keys, head_file=tmp_path / "none.json")
    assert "none.json is missing" in found.findings[0].text


HEADS: dict[str, tuple[Callable[[str], str], str]] = {
    "no JSON": (lambda _: "{", "not a signed head"),
    "another form": (lambda _: "[]", "not a signed head"),
    "a field missing": (lambda whole: whole.replace('"at"', '"to"'), "not a signed head"),
    "another type": (lambda whole: whole.replace('"seq":', '"seq":"1","x":'), "not a signed head"),
    "a later format": (lambda whole: whole.replace("head/1", "head/2"), "not a signed head"),
    "another store": (lambda whole: whole.replace('"sto_', '"sto_1'), "another store"),
    "another number": (lambda whole: whole.replace('"seq":', '"seq":1'), "does not fit"),
}


@pytest.mark.parametrize("what", HEADS)
async def test_a_head_outside_that_was_edited_is_a_finding_and_is_not_overwritten(
    store: SqliteStore, vault: Vault, clock: FakeClock, head_file: Path, what: str
) -> None:
    edit, problem = HEADS[what]
    edited = rewritten(head_file, edit)
    found = await verify(store, vault.keys, head_file=head_file)
    assert problem in found.findings[0].text
    with pytest.raises(IntegrityError, match=problem):
        await checkpoint(store, vault.keys, clock, head_file)
    assert rewritten(head_file, str) == edited


def rewritten(file: Path, edit: Callable[[str], str]) -> str:
    text = edit(file.read_text())
    file.write_text(text)
    return text


async def test_an_anchor_is_read_as_it_is_written(signed: Checkpoint) -> None:
    assert Head.parse(f" {signed.head} ") == signed.head
    for text in ("", "8", "8:", "x:" + "0" * 64, "0:" + "0" * 64, "8:" + "0" * 62):
        with pytest.raises(UsageError, match="an anchor is"):
            Head.parse(text)


async def test_verification_goes_on_while_events_are_added(
    start: Start, store: SqliteStore, vault: Vault, head_file: Path
) -> None:
    async with start() as audit:
        with anyio.fail_after(60):
            for round_ in range(20):
                async with anyio.create_task_group() as both:
                    both.start_soon(made, audit, f"call_busy_{round_}")
                    both.start_soon(seal, audit, store, vault, "tok_1", round_)
                    found = await verify(store, vault.keys, head_file=head_file)
                    assert found.ok, found.findings


class Interrupted:
    """A store in which something happens just before the sealed records are compared."""

    def __init__(self, store: SqliteStore, happens: Callable[[], Awaitable[None]]) -> None:
        self._store, self._happens = store, happens
        self.one, self.few = store.one, store.few

    async def all(self, sql: str, *values: Value) -> list[Row]:
        if "s.purpose = $1" in sql:
            await self._happens()
        return await self._store.all(sql, *values)


async def test_a_token_sealed_while_the_chain_was_walked_is_met_with_its_own_receipt(
    start: Start, store: SqliteStore, vault: Vault
) -> None:
    async with start() as audit:
        busy = Interrupted(store, partial(seal, audit, store, vault, "tok_1", "newest"))
        found = await verify(busy, vault.keys)
    assert (found.ok, found.events) == (True, 9)


async def test_a_long_chain_is_walked_in_batches(start: Start, store: SqliteStore, vault: Vault) -> None:
    async with start() as audit, store.transaction() as tx:
        await audit.append(tx, *[AuditEvent("key.rotated", "person", ANA, None)] * 1_200)
    done: list[tuple[int, int]] = []
    found = await verify(store, vault.keys, progress=lambda *counts: done.append(counts))
    assert (found.ok, found.events, len(done)) == (True, 1_208, 3)


async def test_a_person_who_was_forgotten_is_withheld_and_the_chain_is_whole(
    store: SqliteStore, vault: Vault, head_file: Path
) -> None:
    async with store.transaction() as tx:
        assert await forget_personal(tx, vault, BEN) == 0
        assert await forget_personal(tx, vault, ANA) == 4
    found = await verify(store, vault.keys, head_file=head_file)
    assert (found.ok, found.withheld) == (True, 4)
    assert await store.all("SELECT id FROM sealed WHERE purpose = 'audit'") == []
