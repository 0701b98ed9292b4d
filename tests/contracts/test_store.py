"""What every store has to do, whichever database is under it. A backend is a function that opens one."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import anyio
import pytest

from tests.support.database import database
from valetkey.store import Store
from valetkey.store.postgres import PostgresStore
from valetkey.store.sqlite import SqliteStore

Open = Callable[[], Awaitable[Store]]


@pytest.fixture(params=["sqlite", "postgres"])
async def reopen(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Open]:
    """Opens the same store each time it is called, as another process would."""
    if request.param == "sqlite":
        yield lambda: SqliteStore.open(tmp_path / "store.db")
    else:
        async with database() as url:
            yield lambda: PostgresStore.open(url)


@asynccontextmanager
async def opened(reopen: Open) -> AsyncIterator[Store]:
    store = await reopen()
    try:
        with anyio.fail_after(20):
            yield store
    finally:
        await store.aclose()


@pytest.fixture
async def store(reopen: Open) -> AsyncIterator[Store]:
    async with opened(reopen) as store:
        yield store


ADD = "INSERT INTO leases (name, owner, until) VALUES ($1, $2, $3)"
NAMES = "SELECT name FROM leases ORDER BY name"


async def add(store: Store, name: str) -> None:
    async with store.transaction() as tx:
        await tx.run(ADD, name, "me", 1)


async def names(store: Store) -> list[str]:
    return [row["name"] for row in await store.all(NAMES)]


async def test_what_a_transaction_wrote_is_read_outside_it(store: Store) -> None:
    await add(store, "jobs")
    row = await store.one("SELECT name, owner, until FROM leases")
    assert row is not None
    assert (row["name"], row["owner"], row["until"]) == ("jobs", "me", 1)


async def test_every_way_to_read_sees_what_is_committed_and_in_a_transaction_what_it_wrote(
    store: Store,
) -> None:
    async with store.transaction() as tx:
        await tx.run("INSERT INTO leases (name, owner, until) VALUES ($1, $2, 1)", "a", "me")
        assert len(await tx.few("SELECT name FROM leases")) == 1
        assert await store.few("SELECT name FROM leases") == []
    for rows in (await store.few("SELECT name FROM leases"), await store.all("SELECT name FROM leases")):
        assert [row["name"] for row in rows] == ["a"]


async def test_nothing_found_is_none_or_an_empty_list(store: Store) -> None:
    assert await store.one(NAMES) is None
    assert await store.all(NAMES) == []


async def test_values_are_bound_by_their_number_not_by_their_order(store: Store) -> None:
    row = await store.one(
        "SELECT $2 AS second, $1 AS first, $2 AS again, $11 AS last, $3, $4, $5, $6, $7, $8, $9, $10",
        *"abcdefghijk",
    )
    assert row is not None
    assert (row["first"], row["second"], row["again"], row["last"]) == ("a", "b", "b", "k")


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        *(("TEXT", text) for text in ("", "Ana 🗝 \u202e\x1f", None)),
        *(("BYTEA", data) for data in (b"", bytes(range(256)), None)),
        *(("BIGINT", number) for number in (0, -(2**63), 2**63 - 1, None)),
    ],
)
async def test_a_value_comes_back_as_it_was(store: Store, kind: str, value: str | int | bytes | None) -> None:
    async with store.transaction() as tx:
        await tx.run(f"CREATE TABLE kept (it {kind})")
        await tx.run("INSERT INTO kept VALUES ($1)", value)
    row = await store.one("SELECT it FROM kept")
    assert row is not None
    assert (row["it"], type(row["it"])) == (value, type(value))


async def test_a_statement_says_how_many_rows_it_changed(store: Store) -> None:
    async with store.transaction() as tx:
        await tx.many(ADD, [(name, "me", 1) for name in "abc"])
        assert await tx.run("UPDATE leases SET until = 2 WHERE name <> 'b'") == 2
        assert await tx.run("DELETE FROM leases WHERE name = 'nobody'") == 0


async def test_many_rows_are_bound_by_number_too(store: Store) -> None:
    async with store.transaction() as tx:
        await tx.many(
            "INSERT INTO leases (until, owner, name) VALUES ($3, $2, $1)", [("a", "me", 1), ("b", "me", 2)]
        )
    assert [(row["name"], row["until"]) for row in await store.all("SELECT * FROM leases")] == [
        ("a", 1),
        ("b", 2),
    ]


async def test_a_transaction_sees_its_own_writes_and_nobody_else_does(store: Store) -> None:
    async with store.transaction() as tx:
        await tx.run(ADD, "mine", "me", 1)
        assert len(await tx.all(NAMES)) == 1
        assert await names(store) == []


async def add_and_fail(store: Store) -> None:
    async with store.transaction() as tx:
        await tx.run(ADD, "half", "me", 1)
        raise ZeroDivisionError


async def add_all(store: Store, *added: str) -> None:
    async with store.transaction() as tx:
        for name in added:
            await tx.run(ADD, name, "me", 1)


async def test_an_exception_undoes_the_whole_transaction(store: Store) -> None:
    with pytest.raises(ZeroDivisionError):
        await add_and_fail(store)
    await add(store, "after")
    assert await names(store) == ["after"]


async def test_a_refused_statement_undoes_what_came_before_it(store: Store) -> None:
    await add(store, "taken")
    with pytest.raises(Exception, match=r"(?i)unique"):
        await add_all(store, "half", "taken")
    assert await names(store) == ["taken"]


async def test_cancellation_inside_a_transaction_undoes_it(store: Store) -> None:
    async def half(wrote: anyio.Event) -> None:
        async with store.transaction() as tx:
            await tx.run(ADD, "half", "me", 1)
            wrote.set()
            await anyio.sleep_forever()

    async with anyio.create_task_group() as tasks:
        wrote = anyio.Event()
        tasks.start_soon(half, wrote)
        await wrote.wait()
        tasks.cancel_scope.cancel()
    await add(store, "after")
    assert await names(store) == ["after"]


async def test_cancellation_at_any_step_leaves_the_store_usable(store: Store) -> None:
    done = 0
    for steps in range(40):
        with anyio.CancelScope() as scope:
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(add, store, f"{steps:02}")
                for _ in range(steps):
                    await anyio.lowlevel.checkpoint()
                scope.cancel()
        done += f"{steps:02}" in await names(store)
    await add(store, "last")
    assert len(await names(store)) == done + 1


async def test_a_transaction_that_waited_for_another_can_be_cancelled(store: Store) -> None:
    async with store.transaction() as tx:
        async with anyio.create_task_group() as waiting:
            waiting.start_soon(add, store, "never")
            await anyio.wait_all_tasks_blocked()
            waiting.cancel_scope.cancel()
        await tx.run(ADD, "first", "me", 1)
    assert await names(store) == ["first"]


async def count_up(store: Store, times: int) -> None:
    for _ in range(times):
        async with store.transaction() as tx:
            row = await tx.one("SELECT until FROM leases WHERE name = 'count'")
            assert row is not None
            await anyio.lowlevel.checkpoint()  # lets every other task try to come between
            await tx.run("UPDATE leases SET until = $1 WHERE name = 'count'", row["until"] + 1)


async def test_no_update_is_lost_between_tasks_or_openings(reopen: Open) -> None:
    async with opened(reopen) as one, opened(reopen) as other:
        await add(one, "count")
        async with anyio.create_task_group() as tasks:
            for store in (one, other) * 8:
                tasks.start_soon(count_up, store, 10)
        row = await one.one("SELECT until FROM leases WHERE name = 'count'")
    assert row is not None
    assert row["until"] == 1 + 16 * 10


@pytest.mark.parametrize("durable", [True, False])
async def test_what_is_committed_is_there_after_reopening(reopen: Open, durable: bool) -> None:
    async with opened(reopen) as store, store.transaction(durable=durable) as tx:
        await tx.run(ADD, "kept", "me", 1)
    async with opened(reopen) as again:
        assert await names(again) == ["kept"]


async def test_a_reference_to_a_row_that_is_not_there_is_refused(store: Store) -> None:
    orphan = "INSERT INTO sealed VALUES ('token', 'tok_1', 1, '', 'kek_nobody', $1, $1)"
    async with store.transaction() as tx:
        with pytest.raises(Exception, match=r"(?i)foreign key"):
            await tx.run(orphan, b"")
