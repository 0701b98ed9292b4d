"""A backup: one file that holds a whole store as of one moment, checked before it is called one.

It is an embedded store, whatever it was made of, so that it can be restored anywhere. It holds no root
key.
"""

from pathlib import Path

import anyio

from valetkey.copies.checking import Check, checked
from valetkey.copies.copying import copied, finished
from valetkey.copies.opening import Copy, Progress, copy_at
from valetkey.errors import StoreError
from valetkey.generation import State
from valetkey.model import AuditEvent, Json
from valetkey.store.drafts import draft_of, kept, refuse_taken
from valetkey.store.files import copy_as_of_now, fold
from valetkey.store.sqlite import SqliteStore


async def back_up(copy: Copy, file: Path, progress: Progress, facts: dict[str, Json]) -> Check:
    """Back a store up into a new file while it is in use. Killed anywhere, there is the whole file or none.

    What is damaged in the store is damaged in the backup, and said; the file stays. Raises UsageError where
    the file is there already, StoreError.
    """
    refuse_taken(file)
    with draft_of(file) as draft:
        await _written(copy, draft, progress)
        check = await _asleep_and_checked(copy, draft, progress)
        await anyio.to_thread.run_sync(fold, draft)
        kept(draft, file)
    await _noted(copy, file, check, facts)
    return check


async def _noted(copy: Copy, file: Path, check: Check, facts: dict[str, Json]) -> None:
    more = {"head": check.head, "whole": check.whole}
    try:
        async with copy.store.transaction() as tx:
            await copy.append(tx, AuditEvent("store.backed_up", "operator", None, None, {**facts, **more}))
    except StoreError as error:
        raise StoreError(
            f"{file} is written and checked, and the audit takes no note of it: {error}"
        ) from None


async def _written(copy: Copy, file: Path, progress: Progress) -> None:
    progress("copying", 0, 1)
    if copy.settings.store is None:
        return await anyio.to_thread.run_sync(copy_as_of_now, copy.settings.store_file, file)
    target = await SqliteStore.open(file)
    try:
        async with copy.store.snapshot() as source:
            await copied(source, target, target, copy.ids.new("bak"), progress)
            async with target.transaction() as tx:
                await finished(tx)
    finally:
        await target.aclose()


async def _asleep_and_checked(copy: Copy, file: Path, progress: Progress) -> Check:
    """Whoever puts the file in a store's place has a dormant one: a backup never acts by itself."""
    now = await copy.generations.read(copy.store)
    opening = copy_at(copy.settings, file, clock=copy.clock, source=copy.keys.keks.source)
    async with opening as made:
        if now:
            async with made.store.transaction() as tx:
                await made.generations.change(tx, now, State.DORMANT, reason="backup", other=now.home)
        return await checked(made, progress)
