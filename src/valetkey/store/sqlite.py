"""The embedded store: SQLite in WAL mode, in threads of its own; what takes no time, on the event loop.

It knows files, pragmas and transactions; the tables are in `migrations/`, the queries in the rooms.
"""

import os
import re
import sqlite3
import stat
from collections.abc import AsyncIterator, Iterable, Iterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, closing, contextmanager, suppress
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple, Self

import aiosqlite
import anyio

from valetkey.errors import StoreError
from valetkey.model import Clock, SystemClock
from valetkey.store import Reads, Row, Transaction, Value
from valetkey.store.migrations import migrate

_EACH = ("trusted_schema = OFF", "cell_size_check = ON", "foreign_keys = ON", "busy_timeout = 10000")
_WRITER = ("journal_mode = WAL", "synchronous = FULL", "secure_delete = ON")
_READER = ("query_only = ON",)  # a write outside a transaction is refused, not lost
_QUICK = ("busy_timeout = 0", "synchronous = NORMAL", "secure_delete = ON", "wal_autocheckpoint = 0")
_ERASING = 100
"""Milliseconds: longer than any read but a long one takes."""

_BY_THREAD = 256
"""Every so many quick transactions one takes the slow way, whose commit folds the log into the file."""


@lru_cache(maxsize=512)
def _translated(sql: str) -> tuple[str, tuple[int, ...]]:
    """`$2 … $1` -> `? … ?` and (1, 0): which value stands at each mark.

    Python's sqlite3 takes `$1` for a name, early 3.12 takes `?1` for one too, and 3.14 refuses a
    sequence for names. A plain `?` is the same everywhere.
    """
    order = tuple(int(number) - 1 for number in re.findall(r"\$(\d+)", sql))
    return re.sub(r"\$\d+", "?", sql), order


def _bound(sql: str, values: Sequence[Value]) -> tuple[str, list[Value]]:
    text, order = _translated(sql)
    return text, [values[at] for at in order]


def _ordered(sql: str, rows: Iterable[tuple[Value, ...]]) -> tuple[str, list[list[Value]]] | None:
    """The statement and its values as sqlite3 takes them; None where there is not one row."""
    text, order = _translated(sql)
    ordered = [[row[at] for at in order] for row in rows]
    return (text, ordered) if ordered else None


@contextmanager
def told(path: Path) -> Iterator[None]:
    """Turn SQLite's errors into sentences for the operator; programming errors pass unchanged."""
    try:
        yield
    except sqlite3.Error as error:
        raise _said(path, error) from None


def _said(path: Path, error: sqlite3.Error) -> Exception:
    name = getattr(error, "sqlite_errorname", "")
    advice = _WHAT_TO_DO.get("_".join(name.split("_")[:2]))  # without the extended part: SQLITE_IOERR_…
    if "decode to UTF-8" in str(error):  # Python's own complaint about a text in the file: no name
        name, advice = "SQLITE_CORRUPT", _WHAT_TO_DO["SQLITE_CORRUPT"]
    return error if advice is None else StoreError(f"{path}: {advice} ({name})")


_WHAT_TO_DO = {
    "SQLITE_NOTADB": "this is not a Valetkey store; restore a backup, or move the file away",
    "SQLITE_CORRUPT": "the store is damaged; restore a backup",
    "SQLITE_FULL": "the disk is full; make room, nothing was written",
    "SQLITE_READONLY": "the store is read-only; check the file's owner and mode",
    "SQLITE_CANTOPEN": "the store cannot be opened; check the folder's owner and mode",
    "SQLITE_BUSY": "another process has held the store's write lock for ten seconds",
    "SQLITE_PROTOCOL": "many processes open the store at the same moment; try again",
    "SQLITE_NOMEM": "this machine has no memory left",
    "SQLITE_IOERR": "the disk does not read or write; check it, nothing was written",
}


class _InThread:
    """Queries over one aiosqlite connection; each is a single trip to its thread."""

    def __init__(self, connection: aiosqlite.Connection, path: Path) -> None:
        self._connection, self._path = connection, path

    @property
    def in_transaction(self) -> bool:
        return self._connection.in_transaction

    async def all(self, sql: str, *values: Value) -> list[Row]:
        with told(self._path):
            return list(await self._connection.execute_fetchall(*_bound(sql, values)))  # type: ignore[arg-type]  # sqlite3.Row is a mapping in all but name

    async def few(self, sql: str, *values: Value) -> list[Row]:
        return await self.all(sql, *values)

    async def one(self, sql: str, *values: Value) -> Row | None:
        rows = await self.all(sql, *values)
        return rows[0] if rows else None

    async def run(self, sql: str, *values: Value) -> int:
        with told(self._path):
            cursor = await self._connection.execute(*_bound(sql, values))  # closing it is another trip
            return cursor.rowcount

    async def many(self, sql: str, rows: Iterable[tuple[Value, ...]]) -> None:
        if ordered := _ordered(sql, rows):
            with told(self._path):
                await self._connection.executemany(*ordered)

    async def end(self, how: str) -> None:
        """Commit or roll back: once begun, that is never abandoned half known."""
        with anyio.CancelScope(shield=True):
            await self.run(how)


class _OnLoop:
    """The same over a connection on the event loop: ten microseconds there are fifty by way of a thread."""

    def __init__(self, connection: sqlite3.Connection, path: Path) -> None:
        self._connection, self._path = connection, path

    @property
    def in_transaction(self) -> bool:
        return self._connection.in_transaction

    async def all(self, sql: str, *values: Value) -> list[Row]:
        return self._asked(sql, values)[0]

    async def few(self, sql: str, *values: Value) -> list[Row]:
        return self._asked(sql, values)[0]

    async def one(self, sql: str, *values: Value) -> Row | None:
        rows, _ = self._asked(sql, values)
        return rows[0] if rows else None

    async def run(self, sql: str, *values: Value) -> int:
        return self._asked(sql, values)[1]

    async def many(self, sql: str, rows: Iterable[tuple[Value, ...]]) -> None:
        if ordered := _ordered(sql, rows):
            with told(self._path):
                self._connection.executemany(*ordered).close()

    def begins(self) -> bool:
        """Begin a transaction, unless another connection is writing: that is not waited for here."""
        try:
            self._connection.execute("BEGIN IMMEDIATE").close()
        except sqlite3.Error as error:
            if not getattr(error, "sqlite_errorname", "").startswith("SQLITE_BUSY"):
                raise _said(self._path, error) from None
            return False
        return True

    async def end(self, how: str) -> None:
        """Commit or roll back: at once, so that nothing comes between."""
        await self.run(how)

    def _asked(self, sql: str, values: Sequence[Value]) -> tuple[list[Row], int]:
        """The rows, and how many were changed. Read to its end, a statement holds no older state open."""
        try:
            cursor = self._connection.execute(*_bound(sql, values))
            return cursor.fetchall(), cursor.rowcount
        except sqlite3.Error as error:
            raise _said(self._path, error) from None


class _Connections(NamedTuple):
    """What is open: in threads for what may take long, on the event loop for what is done at once."""

    writer: aiosqlite.Connection
    reader: aiosqlite.Connection
    quick: sqlite3.Connection
    looker: sqlite3.Connection


class SqliteStore(_InThread):
    """A store in one file. Open it with `SqliteStore.open(path)`; close it with `aclose()`."""

    def __init__(self, path: Path, connections: _Connections) -> None:
        super().__init__(connections.reader, path)
        self._open, self._lock, self._quick_ones = connections, anyio.Lock(fast_acquire=True), 0
        self._writing, self._looking = _InThread(connections.writer, path), _OnLoop(connections.looker, path)
        self._quick = _OnLoop(connections.quick, path)

    @classmethod
    async def open(cls, path: Path) -> Self:
        """Open the store at `path`, made with mode 0600 where there is none, and migrate it.

        Raises StoreError: damaged, not ours, newer than this program, or on an unsafe file.
        """
        _prepare(path)
        async with AsyncExitStack() as unless_opened:
            with told(path):
                writer = await _connect(path, _EACH + _WRITER)
                unless_opened.push_async_callback(_close, writer)
                reader = await _connect(path, _EACH + _READER)
                unless_opened.push_async_callback(_close, reader)
                quick = unless_opened.enter_context(closing(_on_loop(path, _EACH + _QUICK)))
                looker = unless_opened.enter_context(closing(_on_loop(path, _EACH + _READER)))
            store = cls(path, _Connections(writer, reader, quick, looker))
            async with store.transaction() as tx:
                await migrate(tx)
            unless_opened.pop_all()
        return store

    async def few(self, sql: str, *values: Value) -> list[Row]:
        return await self._looking.all(sql, *values)

    async def one(self, sql: str, *values: Value) -> Row | None:
        return await self._looking.one(sql, *values)

    @asynccontextmanager
    async def transaction(self, *, durable: bool = True) -> AsyncIterator[Transaction]:
        async with self._lock:  # two tasks' statements never mix in one transaction
            tx = await self._begun(durable)
            try:
                yield tx
                await tx.end("COMMIT")
            except BaseException:
                if tx.in_transaction:
                    await tx.end("ROLLBACK")
                raise

    async def _begun(self, durable: bool) -> _InThread | _OnLoop:  # noqa: FBT001 - the keyword of transaction()
        """Begin: on the event loop where no disk is waited for, else in the thread, where all is durable."""
        self._quick_ones += not durable
        if not durable and self._quick_ones % _BY_THREAD and self._quick.begins():
            return self._quick
        with anyio.CancelScope(shield=True):  # the thread would go on and begin what nobody ends
            await self._writing.run("BEGIN IMMEDIATE")
        return self._writing

    @property
    def clock(self) -> Clock:
        return SystemClock()  # whoever is on this store is on this machine

    async def place(self) -> str:
        """The file's number on its disk (st_ino): renaming keeps it, no way of copying does.

        The disk's own number is another after each start of the machine, and says nothing.
        """
        return str(self._path.stat().st_ino)

    @asynccontextmanager
    async def snapshot(self) -> AsyncIterator[Reads]:
        connection = await _connect(self._path, _EACH + _READER)
        try:
            asked = _InThread(connection, self._path)
            await asked.run("BEGIN")
            yield asked
        finally:
            await _close(connection)

    async def damage(self) -> str | None:
        row = await self.one("PRAGMA quick_check(1)")
        found = row["quick_check"] if row else "it does not answer"
        return None if found == "ok" else found

    async def erase_deleted(self) -> bool:
        """Fold the write-ahead log into the file, so that no deleted secret stays on disk in it.

        False while another process reads an older state: try again later. It is not waited for, because
        nobody can write meanwhile: a long export would stop everybody for ten seconds, every minute.
        """
        async with self._lock:
            await self._writing.all(f"PRAGMA busy_timeout = {_ERASING}")
            try:
                found = await self._writing.one("PRAGMA wal_checkpoint(TRUNCATE)")
            finally:
                with anyio.CancelScope(shield=True):
                    await self._writing.all(f"PRAGMA {_EACH[-1]}")
        return found is not None and found["busy"] == 0

    async def aclose(self) -> None:
        with anyio.CancelScope(shield=True):
            async with self._lock:
                self._open.looker.close()
                self._open.quick.close()
                await _close(self._open.reader)
                await _close(self._open.writer)


async def _connect(path: Path, pragmas: tuple[str, ...]) -> aiosqlite.Connection:
    connection = await aiosqlite.connect(path, isolation_level=None)
    try:
        connection.row_factory = sqlite3.Row
        for pragma in pragmas:
            await _set(connection, pragma)
    except BaseException:
        await _close(connection)
        raise
    return connection


def _on_loop(path: Path, pragmas: tuple[str, ...]) -> sqlite3.Connection:
    """A connection for the event loop. Its store is in WAL mode by now: readers never wait."""
    connection = sqlite3.connect(path, isolation_level=None)
    connection.row_factory = sqlite3.Row
    for pragma in pragmas:
        connection.execute(f"PRAGMA {pragma}").close()
    return connection


async def _set(connection: aiosqlite.Connection, pragma: str) -> None:
    """Several first starts race for the switch to WAL, where SQLite says busy without waiting."""
    for tries_left in reversed(range(200)):
        try:
            await connection.execute_fetchall(f"PRAGMA {pragma}")
        except sqlite3.OperationalError as error:
            if not error.sqlite_errorname.startswith("SQLITE_BUSY") or not tries_left:
                raise
            await anyio.sleep(0.02)
        else:
            return


async def _close(connection: aiosqlite.Connection) -> None:
    with anyio.CancelScope(shield=True):  # each connection is a thread that would outlive us
        await connection.close()


def _prepare(path: Path) -> None:
    """Make the file 0600 before SQLite opens it: its -wal and -shm inherit the mode.

    A file that is there is looked at and not opened: closing it again would drop the locks that SQLite
    holds on it in this process (fcntl(2)).
    """
    try:
        with suppress(FileExistsError):
            os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600))
        found = path.lstat()
    except OSError as error:
        raise StoreError(f"{path}: the store cannot be opened ({error.strerror})") from None
    if not stat.S_ISREG(found.st_mode):
        raise StoreError(f"{path}: the store has to be a regular file")
    if found.st_mode & 0o077:
        raise StoreError(f"{path}: others can read the store; run `chmod 600 {path}`")
