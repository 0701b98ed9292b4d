"""Watches that nobody waits for the outside while they hold the store: it would be everybody's wait.

A transaction holds the store's write lock, on all machines. Inside it no provider is called, no mail is sent,
and no detached work is waited for, which may do either.
"""

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from contextvars import ContextVar
from functools import wraps
from typing import Any

import anyio
import pytest

from valetkey.connections.detached import Flight
from valetkey.egress import Egress
from valetkey.egress.wire import Wire
from valetkey.store import Transaction
from valetkey.store.sqlite import SqliteStore

_holding: ContextVar[int] = ContextVar("holding", default=0)
"""The task that is inside a transaction: those that it starts are not."""

Waits = Callable[..., Awaitable[Any]]


@contextmanager
def watched(seen: list[str]) -> Iterator[None]:
    """Note every wait for the outside from within a transaction."""
    begun = SqliteStore.transaction

    @asynccontextmanager
    async def transaction(self: SqliteStore, *, durable: bool = True) -> AsyncIterator[Transaction]:
        async with begun(self, durable=durable) as tx:
            before = _holding.set(anyio.get_current_task().id)
            try:
                yield tx
            finally:
                _holding.reset(before)

    def watching(name: str, waits: Waits) -> Waits:
        @wraps(waits)
        async def noted(*values: Any, **named: Any) -> Any:
            if _holding.get() == anyio.get_current_task().id:
                seen.append(name)
            return await waits(*values, **named)

        return noted

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(SqliteStore, "transaction", transaction)
        patch.setattr(Wire, "exchange", watching("a request", Wire.exchange))
        patch.setattr(Egress, "mail", watching("a mail", Egress.mail))
        patch.setattr(Flight, "landed", watching("detached work", Flight.landed))
        yield
