"""Tampering with a store behind its back: edits that are checked, then undone."""

from collections.abc import Awaitable, Callable
from contextlib import suppress
from pathlib import Path

from valetkey.audit.chain import first_hash, next_hash
from valetkey.audit.verify import verify
from valetkey.audit.walk import Verification
from valetkey.errors import StoreError
from valetkey.store import Transaction
from valetkey.store.sqlite import SqliteStore
from valetkey.vault import Vault

Edit = Callable[[Transaction], Awaitable[object]]


class Undo(Exception):
    """Ends the transaction an edit was made in."""


def sql(*statements: str) -> Edit:
    """Carry out statements."""

    async def run(tx: Transaction) -> None:
        for statement in statements:
            await tx.run(statement)

    return run


async def rechained(tx: Transaction, store_id: str) -> None:
    """Compute every hash anew, as somebody would who knows the format and has no key."""
    before = first_hash(store_id)
    for row in await tx.all("SELECT seq, core FROM audit ORDER BY seq"):
        before = next_hash(before, row["core"])
        await tx.run("UPDATE audit SET hash = $1 WHERE seq = $2", before, row["seq"])


async def verified_after(
    store: SqliteStore, vault: Vault, head_file: Path | None, edit: Edit
) -> Verification:
    """What verification says of the store with an edit, which is undone afterwards."""
    found: list[Verification] = []
    with suppress(Undo):
        async with store.transaction() as tx:
            await edit(tx)
            found.append(await verify(tx, vault.keys, head_file=head_file))
            raise Undo
    return found[0]


async def is_detected(store: SqliteStore, vault: Vault, head_file: Path, edit: Edit) -> bool:
    """Whether verification has something to say, be it only that the store cannot be read."""
    try:
        return not (await verified_after(store, vault, head_file, edit)).ok
    except StoreError:
        return True
