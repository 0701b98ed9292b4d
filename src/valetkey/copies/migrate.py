"""Moving the embedded store into a PostgreSQL database: run again until it is done, then made live there."""

from dataclasses import replace

from valetkey.assemble.ground import open_store
from valetkey.copies.checking import Check, checked
from valetkey.copies.copying import copied, finished
from valetkey.copies.opening import Copy, Progress, copy_at
from valetkey.errors import IntegrityError, UsageError
from valetkey.generation import Generation, State, explained, noticed
from valetkey.model import AuditEvent, Json
from valetkey.settings import Settings
from valetkey.store.in_use import alone
from valetkey.vault.sources.passphrase import Passphrases


async def migrated(
    settings: Settings,
    url: str,
    progress: Progress,
    facts: dict[str, Json],
    *,
    passphrases: Passphrases | None = None,
) -> Check:
    """Copy the embedded store of a home into the database at `url`, compare the two and check the copy.

    From the first moment on nobody may use the store: it is *moving*, until the copy is made live, or the
    store itself is again. Raises UsageError where it is used, is not the live one, or the database is not
    empty; IntegrityError where the copy does not check; ConfigError.
    """
    if not settings.store_file.exists():
        raise UsageError(f"{settings.store_file}: there is no embedded store to move")
    with alone(settings.home):
        async with copy_at(settings, settings.store_file, passphrases=passphrases) as source:
            leaving = await _leaving(source, facts)
            target = await open_store(url)
            try:
                await copied(source.store, target, source.store, leaving.reason or "", progress)
            finally:
                await target.aclose()
        async with copy_at(settings, url, source=source.keys.keks.source) as made:
            check = await checked(made, progress)
            if check.problems:
                raise IntegrityError(f"the copy is not whole: {check.problems[0]}; the store stays as it is")
            await _arrived(made, leaving, str(settings.store_file))
    return check


async def _leaving(source: Copy, facts: dict[str, Json]) -> Generation:
    """Mark the store as moving; one that is already goes on moving to where it began to."""
    now = await _may_leave(source)
    if now.state is State.MOVING:
        return now
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
    asleep = replace(leaving, state=State.DORMANT, reason="migrated", other=source)
    async with made.store.transaction() as tx:
        await made.generations.write(tx, asleep)
        await finished(tx)
