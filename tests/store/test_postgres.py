"""What is PostgreSQL's own. What it shares with the embedded store is in `tests/contracts`."""

from contextlib import suppress

import anyio
import asyncpg
import pytest

from tests.support.database import database
from valetkey.errors import StoreError
from valetkey.store.postgres import DatabaseClock, PostgresStore, _told


async def test_a_database_that_nobody_answers_for_is_said_to_be_out_of_reach() -> None:
    with anyio.fail_after(20), pytest.raises(StoreError, match="cannot be reached"):
        await PostgresStore.open("postgresql://valetkey@127.0.0.1:1/valetkey")


async def test_a_database_that_is_not_there_is_named_as_what_is_missing() -> None:
    async with database() as url:
        with anyio.fail_after(20), pytest.raises(StoreError, match="there is no such database"):
            await PostgresStore.open(url.replace("test_", "nobody_"))


async def test_a_database_that_takes_no_writes_is_said_to_be_read_only() -> None:
    async with database() as url:
        await (await PostgresStore.open(url)).aclose()
        name = url.split("?", maxsplit=1)[0].rpartition("/")[2]
        await _as_operator(url, f"ALTER DATABASE {name} SET default_transaction_read_only = on")
        with anyio.fail_after(20), pytest.raises(StoreError, match="read-only"):
            await PostgresStore.open(url)


async def test_a_lost_connection_costs_one_transaction_at_most_and_is_made_again_by_itself() -> None:
    async with database() as url:
        store = await PostgresStore.open(url)
        with anyio.fail_after(20):
            await _as_operator(url, _END_THE_OTHERS)
            with suppress(StoreError):  # unless the pool has noticed by now
                await _add(store, "lost")
            await _add(store, "one")
            assert await store.damage() is None
            await store.aclose()


async def test_nobody_waits_for_a_reader() -> None:
    async with database() as url:
        store = await PostgresStore.open(url)
        with anyio.fail_after(20):
            async with store.transaction() as tx:
                await tx.run("INSERT INTO leases VALUES ('writing', 'me', 1)")
                assert await store.all("SELECT name FROM leases") == []
            await store.aclose()


async def test_a_crowd_that_waits_to_write_leaves_room_for_readers() -> None:
    """Another machine writes, and stands still in the middle: what only reads goes on meanwhile."""
    async with database() as url:
        store, elsewhere = await PostgresStore.open(url), await PostgresStore.open(url)
        with anyio.fail_after(20):
            async with anyio.create_task_group() as tasks, elsewhere.transaction():
                for number in range(40):
                    tasks.start_soon(_add, store, str(number))
                await anyio.wait_all_tasks_blocked()
                assert await store.all("SELECT name FROM leases") == []
            assert len(await store.all("SELECT name FROM leases")) == 40
            for one in (store, elsewhere):
                await one.aclose()


async def test_time_is_the_databases_and_counted_on_from_what_it_said() -> None:
    ticks = [5_000_000_000]
    clock = DatabaseClock(lambda: ticks[0])
    clock.heard(1_700_000_000_000)
    ticks[0] += 250_000_000
    assert clock.now() == 1_700_000_000_250


async def test_a_slow_answer_does_not_turn_the_clock_back_and_one_that_was_set_back_does() -> None:
    ticks = [0]
    clock = DatabaseClock(lambda: ticks[0])
    clock.heard(1_700_000_000_000)
    ticks[0] += 400_000_000
    clock.heard(1_700_000_000_100)  # said 100 ms after the first, and 300 ms on the way
    assert clock.now() == 1_700_000_000_400
    clock.heard(1_699_999_000_000)
    assert clock.now() == 1_699_999_000_000


async def test_every_transaction_tells_the_time() -> None:
    async with database() as url:
        store = await PostgresStore.open(url)
        row = await store.one("SELECT (extract(epoch FROM clock_timestamp()) * 1000)::bigint AS now")
        assert row is not None
        assert abs(store.clock.now() - row["now"]) < 5_000
        await store.aclose()


async def _add(store: PostgresStore, name: str) -> None:
    async with store.transaction() as tx:
        await tx.run("INSERT INTO leases VALUES ($1, 'me', 1)", name)


async def _as_operator(url: str, sql: str) -> None:
    operator = await asyncpg.connect(url)
    await operator.execute(sql)
    await operator.close()


_END_THE_OTHERS = """
SELECT pg_terminate_backend(pid) FROM pg_stat_activity
WHERE datname = current_database() AND pid <> pg_backend_pid()"""


@pytest.mark.parametrize("code", ["53000", "53200", "53400", "54000", "57P05", "58000", "58030", "XX001"])
def test_whatever_a_database_lacks_is_told_and_is_no_fault_of_ours(code: str) -> None:
    """Else it would end the loops that know what to do about a store that takes nothing: the whole server."""
    with pytest.raises(StoreError, match=code), _told():
        raise asyncpg.PostgresError.new({"C": code, "M": "x"})
