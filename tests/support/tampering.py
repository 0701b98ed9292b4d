"""Somebody who can write the store and has no key: rows changed behind the house's back, with sqlite3."""

import sqlite3
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import anyio.to_thread


@dataclass(frozen=True, slots=True)
class Row:
    """One row of a table, where `column` has the value `key`."""

    file: Path
    table: str
    column: str
    key: str

    async def read(self) -> dict[str, Any]:
        return await anyio.to_thread.run_sync(self._read, self.key)

    @asynccontextmanager
    async def changed(self, **values: Any) -> AsyncIterator[dict[str, Any]]:
        """The row is as somebody would have it while the block runs, which gets it, and then as it was."""
        before, key = await self.read(), values.get(self.column, self.key)
        await self.put({**before, **values})
        try:
            yield await anyio.to_thread.run_sync(self._read, key)
        finally:
            await self.put(before, key)

    async def put(self, values: dict[str, Any], where: Any = None) -> None:
        """Put a whole row in place of this one; in a thread, because the house may be writing."""
        await anyio.to_thread.run_sync(self._write, values, self.key if where is None else where)

    def _read(self, key: Any) -> dict[str, Any]:
        with self._open() as db:
            row = db.execute(f"SELECT * FROM {self.table} WHERE {self.column} = ?", (key,)).fetchone()
        assert row is not None
        return dict(row)

    def _write(self, values: dict[str, Any], where: Any) -> None:
        names = ", ".join(f"{name} = ?" for name in values)
        with self._open() as db, db:
            sql = f"UPDATE {self.table} SET {names} WHERE {self.column} = ?"
            assert db.execute(sql, (*values.values(), where)).rowcount == 1

    @contextmanager
    def _open(self) -> Iterator[sqlite3.Connection]:
        with closing(sqlite3.connect(self.file, timeout=20)) as db:
            db.row_factory = sqlite3.Row
            yield db


def others(value: Any, like: Any) -> list[Any]:
    """Values that stand for what somebody could write in a column in place of `value`.

    `like` is what the column has in a row of somebody else.
    """
    if isinstance(value, int):
        made: list[Any] = [value + 1, 0, str(value), float(value)]
    elif isinstance(value, bytes):
        made = [value + b"\x00", value[:-1], value.hex()]
    elif value is None:
        made = [1, "x"]
    else:
        made = [value + "x", value.encode()]
    return [one for one in (*made, like) if one != value or type(one) is not type(value)]
