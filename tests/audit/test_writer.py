"""Writing: calls share commits, and what cannot be written does not happen."""

import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress

import anyio
import pytest

from tests.audit.story import AGENT, ANA, CALLER, LIST, POST, Start, made, send
from valetkey.audit import Audit
from valetkey.audit.chain import MAX_DEPTH, MAX_PERSONAL, MAX_TEXT
from valetkey.audit.head import Checkpoint
from valetkey.audit.read import records
from valetkey.audit.verify import verify
from valetkey.errors import StoreError
from valetkey.model import AuditEvent, CallId
from valetkey.store import Transaction
from valetkey.store.sqlite import SqliteStore
from valetkey.vault import Vault

Broken = Callable[[SqliteStore], Awaitable[None]]


class CountingStore(SqliteStore):
    """Counts its transactions, and which of them wait for the disk."""

    durable: list[bool]

    @asynccontextmanager
    async def transaction(self, *, durable: bool = True) -> AsyncIterator[Transaction]:
        self.durable.append(durable)
        async with super().transaction(durable=durable) as tx:
            yield tx


@pytest.fixture
def counting(store: SqliteStore) -> CountingStore:
    store.__class__ = CountingStore
    assert isinstance(store, CountingStore)
    store.durable = []
    return store


async def test_sixty_four_calls_at_once_share_commits(
    counting: CountingStore, start: Start, vault: Vault
) -> None:
    with anyio.fail_after(20):
        async with start() as audit, anyio.create_task_group() as calls:
            for number in range(64):
                calls.start_soon(made, audit, f"call_{number}")
    assert 2 <= len(counting.durable) <= 8, "64 calls with two events each"
    assert len(await records(counting, vault, limit=100)) == 64
    assert (await verify(counting, vault.keys)).events == 128


async def test_a_write_waits_for_the_disk_and_a_read_does_not(counting: CountingStore, start: Start) -> None:
    for tool, durable in ((LIST, False), (POST, True)):
        counting.durable.clear()
        call = CallId(f"call_{tool.name}")
        async with start() as audit, audit.around(CALLER, tool.name, call) as record:
            await send(record, tool)
            assert counting.durable == [durable]


async def test_many_events_of_one_transaction_stand_in_order(
    store: SqliteStore, vault: Vault, start: Start
) -> None:
    async with start() as audit, store.transaction() as tx:
        for number in range(3):
            await audit.append(tx, AuditEvent("key.rotated", "person", ANA, None, {"number": number}))
    found = await records(store, vault)
    assert [record.details["number"] for record in found] == [2, 1, 0]
    assert (await verify(store, vault.keys)).ok


async def test_an_event_stands_or_falls_with_the_transaction_it_is_in(
    store: SqliteStore, vault: Vault, start: Start
) -> None:
    async def undone(audit: Audit) -> None:
        async with store.transaction() as tx:
            await audit.append(tx, AuditEvent("key.rotated", "person", ANA, None))
            raise ZeroDivisionError

    async with start() as audit:
        with pytest.raises(ZeroDivisionError):
            await undone(audit)
    assert await records(store, vault) == []


async def full(store: SqliteStore) -> None:
    """No more pages: what a full disk is to SQLite."""
    row = await store.one("PRAGMA page_count")
    assert row is not None
    await store._writing.all(f"PRAGMA max_page_count = {row['page_count']}")


async def read_only(store: SqliteStore) -> None:
    await store._writing.all("PRAGMA query_only = ON")


async def usable_again(store: SqliteStore) -> None:
    await store._writing.all("PRAGMA max_page_count = 1000000")
    await store._writing.all("PRAGMA query_only = OFF")


@pytest.mark.parametrize(("broken", "problem"), [(full, "the disk is full"), (read_only, "read-only")])
async def test_a_call_that_cannot_be_recorded_is_not_made(
    store: SqliteStore, vault: Vault, start: Start, signed: Checkpoint, broken: Broken, problem: str
) -> None:
    sent: list[str] = []

    async def perform(audit: Audit) -> None:
        async with audit.around(CALLER, POST.name, CallId("call_9")) as record:
            await send(record, POST, text="x" * 4_000, channel="y" * 4_000)
            sent.append("call_9")

    async with start() as audit:
        await broken(store)
        with pytest.raises(StoreError, match=problem), anyio.fail_after(20):
            await perform(audit)
        await usable_again(store)
        await made(audit, "call_10")
    assert not sent
    assert [record.id for record in await records(store, vault, limit=1)] == ["call_10"]
    assert (await verify(store, vault.keys)).ok


@pytest.mark.parametrize("broken", [full, read_only])
async def test_a_person_is_not_asked_for_a_call_that_cannot_be_recorded(
    store: SqliteStore, start: Start, signed: Checkpoint, broken: Broken
) -> None:
    async with start() as audit:
        await broken(store)
        with pytest.raises(StoreError):
            await audit.note(AuditEvent("sign_in.refused", "person", ANA, None, {}, {"name": "x" * 4_000}))


async def test_one_event_that_cannot_be_written_does_not_end_the_audit(
    store: SqliteStore, vault: Vault, start: Start
) -> None:
    async def perform(audit: Audit) -> None:
        async with audit.around(CALLER, LIST.name, CallId("call_1")) as record:
            record.upstream(object())  # type: ignore[arg-type]  # on purpose: no JSON has such a value
            await send(record)

    async with start() as audit:
        with pytest.raises(StoreError, match="TypeError"), anyio.fail_after(20):
            await perform(audit)
        await made(audit, "call_2")
    assert [record.id for record in await records(store, vault)] == ["call_2"]


async def test_who_waits_for_what_was_left_never_waits_for_an_audit_that_is_closed(start: Start) -> None:
    async with start() as audit:
        await made(audit, "call_1")
        await audit.settled()
    with anyio.fail_after(5):
        await audit.settled()


HOSTILE = [
    '\n{"core":"forged"}\n',
    "\r\n",
    "\x1b[2J\x1b[31m",
    "\u2028\u2029\x85",
    '"}]}\\',
    "\x00",
    "\ud800",
    "\u202e\u200b",
]


@pytest.mark.parametrize("text", HOSTILE)
async def test_what_somebody_wrote_begins_no_new_record(
    store: SqliteStore, vault: Vault, start: Start, text: str
) -> None:
    async with start() as audit, audit.around(CALLER, text, CallId("call_1")) as record:
        record.arguments({text: text})
    row = await store.one("SELECT core FROM audit")
    (found,) = await records(store, vault)
    assert row is not None
    assert len(row["core"].splitlines()) == 1
    assert row["core"].isascii()
    assert row["core"].decode().isprintable()
    assert (found.tool, found.arguments) == (text, {text: text})
    assert (await verify(store, vault.keys)).ok


async def test_what_is_too_long_is_cut_with_a_mark(store: SqliteStore, vault: Vault, start: Start) -> None:
    long = "x" * 1_000_000
    async with start() as audit, audit.around(CALLER, long, CallId("call_1")) as record:
        record.arguments({"text": long, long: 1, "list": [long]})
    (found,) = await records(store, vault)
    row = await store.one("SELECT core FROM audit")
    assert row is not None
    assert len(row["core"]) < 1_000
    assert found.arguments["text"].endswith("x …")
    assert all(len(text) <= MAX_TEXT for text in (*found.arguments, found.arguments["list"][0]))
    assert (await verify(store, vault.keys)).ok


async def test_many_long_texts_are_not_kept_at_all(store: SqliteStore, vault: Vault, start: Start) -> None:
    async with start() as audit:
        await made(audit, "call_1", texts=["x" * 4_000] * 1_000)
    (found,) = await records(store, vault)
    assert found.arguments.startswith("not kept: 4")
    row = await store.one("SELECT MAX(LENGTH(content)) AS longest FROM sealed WHERE purpose = 'audit'")
    assert row is not None
    assert row["longest"] < MAX_PERSONAL


async def test_arguments_of_any_depth_leave_a_record(store: SqliteStore, vault: Vault, start: Start) -> None:
    depths = [*range(100, 1_300, 100), 100_000]
    async with start() as audit:
        for depth in depths:
            with suppress(RecursionError):
                await made(audit, f"call_{depth}", deep=nested(depth))
    found = await records(store, vault)
    assert [record.id for record in found] == [f"call_{depth}" for depth in reversed(depths)]
    assert {record.outcome for record in found} == {"ok", "failed"}, "what has no digest is not sent"
    assert all(json.dumps(record.as_json()).count("[") <= MAX_DEPTH + 2 for record in found)


def nested(depth: int) -> object:
    value: object = "x"
    for _ in range(depth):
        value = [value]
    return value


async def test_a_record_holds_no_secret_argument_and_no_argument_in_the_clear(
    store: SqliteStore, start: Start
) -> None:
    async with start() as audit:
        await made(audit, "call_1", POST, channel="#canary-channel", text="canary-text")
    rows = await store.all("SELECT core FROM audit")
    sealed = await store.all("SELECT content, dek FROM sealed")
    stored = json.dumps([str(dict(row)) for row in (*rows, *sealed)])
    assert "canary" not in stored


async def test_the_actor_and_its_chain_are_kept(store: SqliteStore, vault: Vault, start: Start) -> None:
    async with start() as audit:
        await made(audit, "call_1")
    (found,) = await records(store, vault)
    assert found.actor == AGENT
