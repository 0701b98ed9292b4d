"""Restoring a backup: checked before it takes the place of anything, and dormant until it is made live.

What the backup does not know was withdrawn since (`ending`) does not come back with it.
"""

import shutil
from contextlib import nullcontext
from dataclasses import dataclass, replace
from pathlib import Path

import anyio

from valetkey.assemble.ground import open_store, refuse_half_copied
from valetkey.audit.checkpoint import contradiction
from valetkey.audit.head import Head
from valetkey.copies.checking import Check, checked
from valetkey.copies.copying import begun_before, copied, finished, restoring
from valetkey.copies.ending import Ended, taken_back
from valetkey.copies.heads import furthest, head_at, head_beside
from valetkey.copies.opening import Copy, Progress, copy_at
from valetkey.errors import IntegrityError, UsageError
from valetkey.generation import Generation, State
from valetkey.model import Json
from valetkey.settings import Settings
from valetkey.store.drafts import draft_of
from valetkey.store.files import fold, moved_aside, put_in_place, refuse_others, to_disk
from valetkey.store.in_use import alone
from valetkey.vault.sources.passphrase import Passphrases


@dataclass(frozen=True, slots=True)
class Wish:
    """How to restore. `old_head` is noted of the record that is lost; `facts` go into the audit.

    `replace`: a store that is there is kept aside. `keep_standing`: agents go on by standing grants.
    `accept_damage`: also from a backup that is not whole.
    """

    facts: dict[str, Json]
    old_head: Head | None = None
    replace: bool = False
    keep_standing: bool = False
    accept_damage: bool = False


@dataclass(frozen=True, slots=True)
class Restored:
    """What was restored, what ended with it, and where the store is that was there before."""

    check: Check
    ended: Ended
    old: Head | None
    aside: Path | None


async def restored(
    settings: Settings,
    file: Path,
    wish: Wish,
    progress: Progress,
    *,
    passphrases: Passphrases | None = None,
) -> Restored:
    """Restore a backup as the store of a home. Killed anywhere, either it is there or nothing has changed.

    Raises UsageError where there is a store already, or one that is in use, or `file` is no backup;
    IntegrityError for one that is not whole; ConfigError for another key's.
    """
    refuse_others(file)
    with alone(settings.home) if settings.store is None else nullcontext():
        await _refuse_to_overwrite(settings, wish)
        with draft_of(settings.store_file) as draft:
            progress("copying", 0, 1)
            await anyio.to_thread.run_sync(_copy, file, draft)
            free = _free(settings.store_file)
            aside = free if _is_replaced(settings) else None
            check, ended, old = await _made(settings, draft, aside, wish, progress, passphrases)
            await _put_in_place(settings, draft, free, progress)
    return Restored(check, ended, old, aside)


async def _refuse_to_overwrite(settings: Settings, wish: Wish) -> None:
    if settings.store is not None:
        target = await open_store(settings.store)
        try:
            await begun_before(target, restoring(""))
        finally:
            await target.aclose()
    elif settings.store_file.exists() and not wish.replace:
        raise UsageError(f"{settings.store_file} is there already; --replace keeps it aside")


def _copy(file: Path, draft: Path) -> None:
    try:
        shutil.copyfile(file, draft)
        to_disk(draft)
    except OSError as error:
        text = f"{draft.parent}: the backup cannot be copied here ({error.strerror}); nothing was changed"
        raise UsageError(text) from None


async def _made(
    settings: Settings,
    draft: Path,
    aside: Path | None,
    wish: Wish,
    progress: Progress,
    passphrases: Passphrases | None,
) -> tuple[Check, Ended, Head | None]:
    """Check the copy, and make of it what may stand in the store's place."""
    async with copy_at(settings, draft, passphrases=passphrases) as copy:
        await refuse_half_copied(copy.store)
        check = await checked(copy, progress)
        if check.problems and not wish.accept_damage:
            first = check.problems[0]
            text = f"the backup is not whole, {len(check.problems)} problems: {first}. Nothing was changed"
            raise IntegrityError(text)
        before, old = await copy.generations.read(copy.store), await _old(copy, wish)
        async with copy.store.transaction() as tx:
            ended = await taken_back(copy, tx, old, wish.facts, keep_standing=wish.keep_standing)
            await copy.generations.write(tx, _dormant(copy, before, aside))
    await anyio.to_thread.run_sync(fold, draft)
    return check, ended, old


async def _old(copy: Copy, wish: Wish) -> Head | None:
    """How far the record had come that this one takes over from, if more of it is known than is here."""
    there = (
        await head_at(copy.settings.store_file, copy.keys.store_id) if _is_replaced(copy.settings) else None
    )
    heads = [head for head in (wish.old_head, await head_beside(copy), there) if head]
    return furthest(*[head for head in heads if await contradiction(copy.store, head, copy.keys)])


def _is_replaced(settings: Settings) -> bool:
    return settings.store is None and settings.store_file.exists()


def _dormant(copy: Copy, before: Generation | None, aside: Path | None) -> Generation:
    """The generation that a restored copy waits with. `other`: where the store is that was backed up."""
    home, now = str(copy.settings.home), copy.clock.now()
    asleep = Generation(
        copy.keys.store_id, 0, copy.ids.new("gen"), State.DORMANT, "", home, now, reason="restored"
    )
    if before is None:
        return asleep
    was = before.other or before.home
    return replace(asleep, number=before.number, other=str(aside) if aside and was == home else was)


async def _put_in_place(settings: Settings, draft: Path, aside: Path, progress: Progress) -> None:
    if settings.store is None:
        return await anyio.to_thread.run_sync(_swapped, settings.store_file, draft, aside)
    source, target = await open_store(draft), await open_store(settings.store)
    try:
        (now,) = await source.all("SELECT * FROM copies")
        await copied(source, target, source, restoring(now["id"]), progress)
        async with target.transaction() as tx:
            marks = ", ".join(f"${n}" for n in range(1, len(tuple(now)) + 1))
            await tx.run(f"INSERT INTO copies VALUES ({marks})", *tuple(now))  # noqa: S608 - placeholders
            await finished(tx)
    finally:
        await source.aclose()
        await target.aclose()
    return None


def _swapped(store: Path, draft: Path, aside: Path) -> None:
    """Put the draft in the store's place in one step; what was there stays under another name."""
    moved_aside(store, aside)
    put_in_place(draft, store)


def _free(store: Path) -> Path:
    names = (store.with_name(f"{store.stem}.replaced-{n}{store.suffix}") for n in range(1, 10_000))
    return next(name for name in names if not name.exists())


__all__ = ["Restored", "Wish", "restored"]
