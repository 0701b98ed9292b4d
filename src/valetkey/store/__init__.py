"""The store: one small port over SQL that every room writes once, with `$1…` placeholders.

Rooms hold their own SQL; this room knows how to run it, and how a store is opened and migrated.
"""

from collections.abc import Iterable, Mapping
from contextlib import AbstractAsyncContextManager
from typing import Any, Protocol

from valetkey.model import Clock

Row = Mapping[str, Any]
Value = str | int | bytes | None


class Reads(Protocol):
    """What can be asked of a store, inside a transaction or outside."""

    async def all(self, sql: str, *values: Value) -> list[Row]:
        """Return every row of a query."""
        ...

    async def few(self, sql: str, *values: Value) -> list[Row]:
        """Return the rows of a query that an index answers with a handful: all else may wait for it."""
        ...

    async def one(self, sql: str, *values: Value) -> Row | None:
        """Return the first row of such a query, or None."""
        ...


class Transaction(Reads, Protocol):
    """Reads and writes that become true together, or not at all."""

    async def run(self, sql: str, *values: Value) -> int:
        """Carry out one statement and return how many rows it changed."""
        ...

    async def many(self, sql: str, rows: Iterable[tuple[Value, ...]]) -> None:
        """Carry out one statement once per row."""
        ...


class Store(Reads, Protocol):
    """A store: reads see what is committed, writes happen in transactions, one at a time."""

    def transaction(self, *, durable: bool = True) -> AbstractAsyncContextManager[Transaction]:
        """Begin a write transaction: committed at the end of the block, undone on any exception.

        `durable=False` may lose the transaction to a power cut, never to a killed process.
        Raises StoreError when the store is full, read-only or corrupt; then nothing was written.
        """
        ...

    @property
    def clock(self) -> Clock:
        """The clock that everybody on this store goes by: leases, sessions and grants end by one time."""
        ...

    async def place(self) -> str:
        """Where this store physically is: a copy of it is in another place, whatever it holds."""
        ...

    def snapshot(self) -> AbstractAsyncContextManager[Reads]:
        """Read the store as it is at one moment, for as long as the block lasts."""
        ...

    async def damage(self) -> str | None:
        """Look the store over and say what is wrong with it, None for nothing. This may take a while."""
        ...

    async def erase_deleted(self) -> bool:
        """See to it that no deleted secret stays on disk in a log of the store; False: try again later."""
        ...

    async def aclose(self) -> None:
        """Finish what is running and close."""
        ...


__all__ = ["Reads", "Row", "Store", "Transaction", "Value"]
