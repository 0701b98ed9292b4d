"""The store for many machines: PostgreSQL through asyncpg, in the same SQL as the embedded one.

It knows connections, transactions and errors; the tables are in `migrations/`, the queries in the rooms.
"""

import re
import time
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from typing import TYPE_CHECKING, Self
from urllib.parse import parse_qsl, urlencode, urlsplit

import anyio
import asyncpg

from valetkey.errors import StoreError
from valetkey.store import Reads, Row, Transaction, Value
from valetkey.store.migrations import migrate

if TYPE_CHECKING:  # neither takes its parameter when the program runs
    Pool = asyncpg.Pool[asyncpg.Record]
    Connection = asyncpg.pool.PoolConnectionProxy[asyncpg.Record]

_WRITERS = 0x76616C65746B6579
"""The advisory lock that a write transaction holds until it ends ("valetkey", in ASCII).

The rooms read and then write, and count on nobody coming between, as it is with SQLite. It is the
transaction's own, so that a pool in front (pgbouncer) may hand connections about.
"""

_BEGIN = """
SELECT pg_advisory_xact_lock($1), (extract(epoch FROM clock_timestamp()) * 1000)::bigint AS now,
  set_config('synchronous_commit', $2, true), set_config('statement_timeout', '30s', true),
  set_config('idle_in_transaction_session_timeout', '10s', true)"""
"""The transaction's own as well: a pool in front takes none with a connection. The last is for a machine
that stands still in the middle: it holds everybody's lock.
"""

_PLACE = """
SELECT system_identifier::text AS cluster, oid::text AS database
FROM pg_control_system(), pg_database WHERE datname = current_database()"""
_SET_BACK = 1_000
"""Milliseconds: a clock that is this far behind itself was set, and not slow to answer."""
_MOST, _MOST_WRITING = 10, 6
"""Connections; of these as many as may wait for the writers' lock, so that reads find one beside them."""

_SECONDS, _RELEASE_SECONDS = 30, 10
_STATEMENTS, _NONE = 100, ("statement_cache_size", "0")


class _Asked:
    """Queries over one connection."""

    def __init__(self, connection: "Connection") -> None:
        self._connection = connection

    async def all(self, sql: str, *values: Value) -> list[Row]:
        with _told():
            return list(await self._connection.fetch(sql, *values))  # type: ignore[arg-type]  # a Record is a mapping in all but name

    async def few(self, sql: str, *values: Value) -> list[Row]:
        return await self.all(sql, *values)

    async def one(self, sql: str, *values: Value) -> Row | None:
        with _told():
            return await self._connection.fetchrow(sql, *values)  # type: ignore[return-value]  # as in `all`

    async def run(self, sql: str, *values: Value) -> int:
        with _told():
            status: str = await self._connection.execute(sql, *values)
        changed = re.fullmatch(r"(?:INSERT 0|UPDATE|DELETE) (\d+)", status)
        return int(changed[1]) if changed else 0

    async def many(self, sql: str, rows: Iterable[tuple[Value, ...]]) -> None:
        with _told():
            await self._connection.executemany(sql, list(rows))


class DatabaseClock:
    """The database's clock, as every write transaction tells it; in between this machine counts on.

    So that machines whose clocks differ agree on when a lease ends. It is behind by the time that the
    answer took, at most: an answer that took less corrects it.
    """

    def __init__(self, ticks: Callable[[], int] = time.monotonic_ns) -> None:
        self._ticks, self._ahead = ticks, 0

    def now(self) -> int:
        return self._ahead + self._ticks() // 1_000_000

    def heard(self, now: int) -> None:
        """Take in what the database said just now, epoch milliseconds."""
        ahead = now - self._ticks() // 1_000_000
        if ahead > self._ahead or self._ahead - ahead > _SET_BACK:
            self._ahead = ahead


class PostgresStore:
    """A store in a PostgreSQL database. Open it with `PostgresStore.open(url)`; close it with `aclose()`."""

    def __init__(self, pool: "Pool") -> None:
        self._pool, self.clock = pool, DatabaseClock()
        self._writers = anyio.CapacityLimiter(_MOST_WRITING)

    @classmethod
    async def open(cls, url: str) -> Self:
        """Connect to `url` (`postgresql://…`) and migrate the database.

        Raises StoreError: it cannot be reached or used, or is newer than this program.
        """
        url, cached = _statements(url)
        with _told():
            pool = await asyncpg.create_pool(
                url,
                min_size=0,  # the pool itself would keep dialling while the database is away
                max_size=_MOST,
                command_timeout=_SECONDS,
                statement_cache_size=cached,
                reset=_nothing,
                server_settings={"application_name": "valetkey"},
            )
        store = cls(pool)
        try:
            async with store.transaction() as tx:
                await migrate(tx)
        except BaseException:
            await store.aclose()
            raise
        return store

    async def all(self, sql: str, *values: Value) -> list[Row]:
        async with self._connected() as connection:
            return await _Asked(connection).all(sql, *values)

    async def few(self, sql: str, *values: Value) -> list[Row]:
        return await self.all(sql, *values)

    async def one(self, sql: str, *values: Value) -> Row | None:
        async with self._connected() as connection:
            return await _Asked(connection).one(sql, *values)

    @asynccontextmanager
    async def transaction(self, *, durable: bool = True) -> AsyncIterator[Transaction]:
        async with self._writers, self._connected() as connection:
            tx, begun = _Asked(connection), connection.transaction()
            with _told():
                await begun.start()
            try:
                began = await tx.one(_BEGIN, _WRITERS, "on" if durable else "off")
                self.clock.heard(began["now"] if began else 0)
                yield tx
                with anyio.CancelScope(shield=True), _told(_UNKNOWN):  # never abandoned half known by us
                    await begun.commit()
            except BaseException:
                with anyio.CancelScope(shield=True):
                    await _undone(connection, begun)
                raise

    @asynccontextmanager
    async def snapshot(self) -> AsyncIterator[Reads]:
        async with self._connected() as connection:
            begun = connection.transaction(isolation="repeatable_read", readonly=True)
            with _told():
                await begun.start()
            try:
                yield _Asked(connection)
            finally:
                with anyio.CancelScope(shield=True):
                    await _undone(connection, begun)

    async def place(self) -> str:
        """The cluster and the database in it: a standby that takes over has both, a restored dump neither."""
        row = await self.one(_PLACE)
        return f"{row['cluster']}/{row['database']}" if row else ""

    async def damage(self) -> str | None:
        row = await self.one("SELECT pg_is_in_recovery() AS standby")
        return "it is a standby, which takes no writes" if row and row["standby"] else None

    async def erase_deleted(self) -> bool:
        """Give the room of deleted rows back. Sealed as they are, their bytes stay in the database's log."""
        async with self._connected() as connection:
            await _Asked(connection).run("VACUUM sealed")
        return True

    async def aclose(self) -> None:
        with anyio.CancelScope(shield=True):
            await self._pool.close()

    @asynccontextmanager
    async def _connected(self) -> AsyncIterator["Connection"]:
        with _told():
            connection = await self._pool.acquire(timeout=_SECONDS)
        try:
            yield connection
        finally:
            with (
                anyio.CancelScope(shield=True),
                suppress(OSError, asyncpg.PostgresError, asyncpg.InterfaceError),
            ):
                # One that fails now, or says nothing, is hung up, and what it did is done.
                await self._pool.release(connection, timeout=_RELEASE_SECONDS)


async def _nothing(_connection: object) -> None:
    """All that is set on a connection is its transaction's own: to reset it would be one more trip."""


def _statements(url: str) -> tuple[str, int]:
    """The URL without `statement_cache_size=0`, and how many prepared statements a connection keeps.

    None, behind a pool that hands connections about: it would not find them again.
    """
    parts = urlsplit(url)
    query = parse_qsl(parts.query)
    if _NONE not in query:
        return url, _STATEMENTS
    query.remove(_NONE)
    return parts._replace(query=urlencode(query)).geturl(), 0


async def _undone(connection: "Connection", begun: asyncpg.transaction.Transaction) -> None:
    """Roll back; a connection on which that cannot be said is hung up, and the pool makes another."""
    try:
        with _told():
            if not connection.is_closed():
                await begun.rollback()
    except StoreError:
        with suppress(asyncpg.InterfaceError):  # it was lost, and the pool has taken it back
            connection.terminate()


@contextmanager
def _told(written: str = "nothing was written") -> Iterator[None]:
    """Turn PostgreSQL's errors into sentences for the operator; programming errors pass unchanged."""
    try:
        yield
    except (OSError, asyncpg.InterfaceError, asyncpg.InternalClientError) as error:  # or TimeoutError
        text = f"the database cannot be reached ({type(error).__name__}); {written}"
        raise StoreError(text) from None
    except asyncpg.PostgresError as error:
        advice = _WHAT_TO_DO.get(error.sqlstate or "") or _WHAT_TO_DO.get((error.sqlstate or "")[:2])
        if advice is None:
            raise
        raise StoreError(f"the database: {advice} ({error.sqlstate})") from None


_UNKNOWN = "whether the last change was written will show"
_WHAT_TO_DO = {
    "08": "the connection was lost; it is made again by itself",
    "28": "it does not let us in; check name and password in the store's URL",
    "3D000": "there is no such database; create it",
    "42501": "this account may not use the tables; it has to own them",
    "53100": "its disk is full; make room, nothing was written",
    "53": "it lacks memory or room; look at its log",
    "53300": "it takes no more connections; raise max_connections, or put a pool in front",
    "40": "it undid a change to let others go on; try again",
    "55P03": "somebody holds a lock on the tables; try again",
    "25P03": "a change stood still for ten seconds and was undone",
    "25006": "it is read-only; the store's URL has to name the primary",
    "57P01": "it is shutting down; the connection is made again by itself",
    "57P02": "it crashed; the connection is made again by itself",
    "57P03": "it is starting; the connection is made again by itself",
    "57014": "a statement took too long and was given up",
    "54": "a statement was more than it takes",
    "57": "it was told to stop what it did; try again",
    "58": "its disk does not read or write; look at its log",
    "XX": "it reports damage; look at its log",
}
