"""Moving the embedded store into a PostgreSQL database: run again until it is done, then made live there."""

from dataclasses import replace

from valetkey.assemble.ground import open_store
from valetkey.copies.checking import Check, checked
from valetkey.copies.copying import begun_before, copied, finished
from valetkey.copies.opening import Copy, Progress, copy_at
from valetkey.errors import IntegrityError, UsageError
from valetkey.generation import Generation, State, explained, noticed
from valetkey.model import AuditEvent, Json
from valetkey.settings import Settings
from valetkey.store import Store
from valetkey.store.in_use import alone
from valetkey.vault.sources.passphrase import Passphrases

_MIGRATED = "migrated"


async def migrated(
    settings: Settings,
    url: str,
    progress: Progress,
    facts: dict[str, Json],
    *,
    passphrases: Passphrases | None = None,
) -> Check:
    """Copy the embedded store of a home into the database at `url`, compare the two and check the copy.

    Once the first row is copied nobody may use the store: it is *moving*, until the copy is made live, or
    the store itself is again. Raises UsageError where it is used, is not the live one, or the database is not
    empty; IntegrityError where the copy does not check; ConfigError.
    """
    if not settings.store_file.exists():
        raise UsageError(f"{settings.store_file}: there is no embedded store to move")
    with alone(settings.home):
        async with copy_at(settings, settings.store_file, passphrases=passphrases) as source:
            target = await open_store(url)
            try:
                leaving = await _brought(source, target, progress, facts)
            finally:
                await target.aclose()
        async with copy_at(settings, url, source=source.keys.keks.source) as made:
            check = await checked(made, progress)
            if check.problems:
                raise IntegrityError(f"the copy is not whole: {check.problems[0]}; the store stays as it is")
            await _arrived(made, leaving, str(settings.store_file))
    return check


async def _brought(source: Copy, target: Store, progress: Progress, facts: dict[str, Json]) -> Generation:
    """Copy what is not there yet. What cannot be the target is refused before the source is touched."""
    now = await _may_leave(source)
    if await _arrived_before(source, target, now):
        return now
    await begun_before(target, now.reason or "")
    leaving = now if now.state is State.MOVING else await _leaving(source, now, facts)
    await copied(source.store, target, source.store, leaving.reason or "", progress)
    return leaving


async def _arrived_before(source: Copy, target: Store, now: Generation) -> bool:
    """Whether this move was completed, and killed only before it could say so."""
    there = await source.generations.read(target)
    if there is None or (there.state, there.reason) != (State.DORMANT, _MIGRATED):
        return False
    return now.state is State.MOVING and there.id == now.id


async def _leaving(source: Copy, now: Generation, facts: dict[str, Json]) -> Generation:
    """Mark the store as moving. The reason names the move, so that it is gone on with and no other is."""
    async with source.store.transaction() as tx:
        await source.append(tx, AuditEvent("store.moving", "operator", None, None, facts))
        return await source.generations.change(tx, now, State.MOVING, reason=source.ids.new("mov"))


async def _may_leave(source: Copy) -> Generation:
    gate = await noticed(
        source.store,
        source.keys,
        source.ids,
        source.clock,
        home=source.settings.home,
        head_file=source.head_file,
    )
    if gate.now is None or (gate.reason and gate.now.state is not State.MOVING):
        raise UsageError(f"this store is not the live one: {explained(gate.reason or 'changed')}")
    return gate.now


async def _arrived(made: Copy, leaving: Generation, source: str) -> None:
    """The copy is complete. It waits to be made live, and knows from which store it takes over."""
    asleep = replace(leaving, state=State.DORMANT, reason=_MIGRATED, other=source)
    async with made.store.transaction() as tx:
        await made.generations.write(tx, asleep)
        await finished(tx)
