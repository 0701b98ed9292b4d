"""Making a copy the live one. The other copy is retired first, wherever it can be reached."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import anyio

from valetkey.audit.checkpoint import contradiction
from valetkey.audit.head import Head
from valetkey.copies.ending import Ended, taken_back
from valetkey.copies.heads import agrees_with_beside, furthest, head_beside, head_in, put_aside_if_strange
from valetkey.copies.opening import Copy, copy_at
from valetkey.errors import ValetkeyError
from valetkey.generation import Generation, State
from valetkey.generation.beside import Known, read_known, write_known
from valetkey.model import AuditEvent, Json
from valetkey.settings import Settings, load

_TAKEN_BACK_ALREADY = frozenset({"restored", "migrated"})
_NOTHING_WENT_ON = frozenset({"moving"})


@dataclass(frozen=True, slots=True)
class Activated:
    """The generation that is live now, and what was ended because this copy may be older than the last."""

    now: Generation
    ended: Ended | None


@asynccontextmanager
async def reached(copy: Copy, places: list[str]) -> AsyncIterator[list[Copy]]:
    """Open every other copy of this store that can be: at these places, and at those that took over there."""
    found, seen, left = list[Copy](), set[str](), list(places)
    async with AsyncExitStack() as stack:
        while left:
            place = left.pop(0)
            if place in seen:
                continue
            seen.add(place)
            other = await stack.enter_async_context(_opened(copy, place))
            if other is not None:
                found.append(other)
                now = await other.generations.read(other.store)
                left += [now.other] if now and now.state is State.RETIRED and now.other else []
        yield found


@asynccontextmanager
async def _opened(copy: Copy, place: str) -> AsyncIterator[Copy | None]:
    found = _store_at(place)
    if found is None or _is(copy.settings, found):
        yield None
        return
    opening = copy_at(copy.settings, found, clock=copy.clock, source=copy.keys.keks.source)
    try:
        other = await opening.__aenter__()
    except (ValetkeyError, OSError):
        yield None
        return
    try:
        yield other if await _is_another(copy, other) else None
    finally:
        await opening.__aexit__(None, None, None)


async def _is_another(copy: Copy, other: Copy) -> bool:
    same = copy.keys.store_id == other.keys.store_id
    return same and await copy.store.place() != await other.store.place()


def _store_at(place: str) -> Path | str | None:
    """Where a store is, by its URL, its file, or the home that it belongs to; None: there is none."""
    if place.startswith(("postgresql://", "postgres://")):
        return place
    path = Path(place)
    if path.is_dir():
        try:
            settings = load(path)
        except ValetkeyError:
            return None
        path = settings.store_file
        if settings.store is not None:
            return settings.store
    return path if path.is_file() else None


def _is(settings: Settings, found: Path | str) -> bool:
    """Whether that is this very store."""
    if isinstance(found, str):
        return found == settings.store
    return settings.store is None and settings.store_file.samefile(found)


@dataclass(frozen=True, slots=True)
class Retired:
    """A copy that was just retired: where its record stood, and how often one had been made live by then."""

    head: Head | None
    number: int


async def retired(other: Copy, by: str, facts: dict[str, Json]) -> Retired:
    """Retire a copy where it is: a server on it stops within a second."""
    now = await other.generations.read(other.store)
    head = await head_in(other.store, other.keys.store_id)
    async with other.store.transaction() as tx:
        if now is None or now.state is not State.RETIRED:
            await other.append(tx, AuditEvent("store.retired", "operator", None, None, facts))
        if now is not None:
            await other.generations.change(tx, now, State.RETIRED, reason=None, other=by)
        else:
            await tx.run("DELETE FROM copies")  # what did not fit: without a row it is not live either
    return Retired(head, now.number if now else 0)


async def activated(
    copy: Copy, reason: str, others: list[Retired], facts: dict[str, Json], *, keep_standing: bool = False
) -> Activated:
    """Make a copy the live one, with a new generation. `reason` is why it was not; `others` were retired."""
    await put_aside_if_strange(copy)
    before = await copy.generations.read(copy.store)
    lost = await _lost(copy, others)
    older = lost is not None or await _may_be_older(copy, reason)
    new = await _next(copy, max([before.number if before else 0, *(other.number for other in others)]))
    ended = None
    async with copy.store.transaction() as tx:
        if older:
            ended = await taken_back(copy, tx, lost, facts, keep_standing=keep_standing)
        more = {"generation": new.number, "was": reason}
        await copy.append(tx, AuditEvent("store.activated", "operator", None, None, {**facts, **more}))
        await copy.generations.write(tx, new)
    await anyio.to_thread.run_sync(write_known, copy.settings.home, Known.of(new))
    await copy.sign_head(copy.head_file)
    return Activated(new, ended)


async def _lost(copy: Copy, others: list[Retired]) -> Head | None:
    """What this copy's record lacks of what is known: what another had, or the head beside has seen."""
    known = [*(other.head for other in others), await head_beside(copy)]
    return furthest(*[head for head in known if head and await _lacks(copy, head)])


async def _lacks(copy: Copy, head: Head) -> bool:
    return await contradiction(copy.store, head, copy.keys) is not None


async def _may_be_older(copy: Copy, reason: str) -> bool:
    """Whether something may have been withdrawn that this copy knows nothing of."""
    if reason in _TAKEN_BACK_ALREADY | _NOTHING_WENT_ON:
        return False
    return reason != "copied" or not await agrees_with_beside(copy)


async def _next(copy: Copy, before: int) -> Generation:
    known = await anyio.to_thread.run_sync(read_known, copy.settings.home)
    seen = known.number if known and known.store == copy.keys.store_id else 0
    number = max(before, seen) + 1
    place, home = await copy.store.place(), str(copy.settings.home)
    return Generation(
        copy.keys.store_id, number, copy.ids.new("gen"), State.LIVE, place, home, copy.clock.now()
    )


__all__ = ["Activated", "Retired", "activated", "reached", "retired"]
