"""Locks: each has its place in one order, the store's is the last, and nobody waits for the outside with it.

That no test waits so is seen to in `tests/conftest.py`, for all of them.
"""

import ast
from collections.abc import Iterator
from contextlib import suppress

import pytest

from tests.laws.source import product
from valetkey.connections.detached import Flight
from valetkey.errors import UsageError
from valetkey.store.sqlite import SqliteStore

LOCKS = {
    "stdio/callback.py": "whose port it is, before anything is asked of the store",
    "serving/readiness.py": "one looks for all who ask, and then at the store",
    "identity/kept.py": "one asks an issuer for all; nothing else is taken meanwhile",
    "identity/tokens.py": "one reads the server's keys for all, from the store",
    "people/passwords.py": "so many passwords at once, in threads; nothing else is taken meanwhile",
    "manifest/shape.py": "so many expressions at once, in threads; nothing else is taken meanwhile",
    "notices/post.py": "so many letters at once, and then the store",
    "connections/ahead.py": "so many renewals that nobody waits for, before the rooms of the next",
    "connections/refresh.py": "the provider's room, then the process's, then the row's lease, then the store",
    "store/postgres.py": "so many who wait to write, and then the lock that is the database's",
    "store/sqlite.py": "the store's own: inside it nothing is taken, and nobody outside is waited for",
}
"""Where one task keeps others waiting, from the outermost to the innermost."""

_KINDS = {"Lock", "CapacityLimiter", "Semaphore", "Condition", "ResourceGuard"}


def made(tree: ast.Module) -> Iterator[str]:
    """The locks that a module makes."""
    for node in ast.walk(tree):
        name = getattr(node.func, "attr", getattr(node.func, "id", "")) if isinstance(node, ast.Call) else ""
        if name in _KINDS:
            yield name


def test_every_lock_has_its_place_in_the_order() -> None:
    found = {module.name.removeprefix("src/valetkey/") for module in product() if list(made(module.tree))}
    assert found == set(LOCKS)


async def test_a_wait_for_the_outside_within_a_transaction_is_seen(
    store: SqliteStore, waits_within_transactions: list[str]
) -> None:
    work = Flight[int]()
    work.dismiss(UsageError("it has ended"))
    with suppress(UsageError):
        await work.landed()
    async with store.transaction():
        pass
    assert waits_within_transactions == []
    with suppress(UsageError):
        async with store.transaction():
            await work.landed()
    assert waits_within_transactions == ["detached work"]
    waits_within_transactions.clear()


@pytest.mark.parametrize("kind", sorted(_KINDS))
def test_a_new_lock_would_be_found(kind: str) -> None:
    assert list(made(ast.parse(f"anyio.{kind}(1)"))) == [kind]
