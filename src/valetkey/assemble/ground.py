"""What every room stands on: the store, its keys, the audit, the way out, and where we are reached."""

import os
import secrets
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import anyio
from anyio.abc import TaskGroup

from valetkey.assemble.unlocking import unlocked
from valetkey.audit import Audit
from valetkey.audit.checkpoint import checkpoint
from valetkey.egress import Egress, Rules
from valetkey.errors import SettingsError, StoreError
from valetkey.generation import Gate, noticed
from valetkey.manifest import Catalog, shipped
from valetkey.model import Clock, Ids, Randomness
from valetkey.settings import Settings
from valetkey.store import Store
from valetkey.store.in_use import shared
from valetkey.store.leases import Leases
from valetkey.store.sqlite import SqliteStore
from valetkey.vault import KeyRing, Vault
from valetkey.vault.sources.passphrase import Passphrases

DEFAULT_PORT = 8917
COPYING = "copying"
"""In `meta` of a store while another one is being copied into it: what of that is done."""


@dataclass(frozen=True, slots=True)
class Ground:
    """What everything else stands on, opened in this order and closed in the other."""

    settings: Settings
    public_url: str
    clock: Clock
    randomness: Randomness
    ids: Ids
    catalog: Catalog
    store: Store
    leases: Leases
    keys: KeyRing
    gate: Gate
    vault: Vault
    audit: Audit
    egress: Egress
    tasks: TaskGroup


@asynccontextmanager
async def grounded(
    settings: Settings,
    *,
    public_url: str | None = None,
    local: bool = False,
    clock: Clock | None = None,
    randomness: Randomness = secrets.token_bytes,
    passphrases: Passphrases | None = None,
) -> AsyncIterator[tuple[Ground, str]]:
    """Open what everything stands on, and say which issuer this store's tokens name: see `opened`."""
    catalog = Catalog.load([shipped(), *settings.manifests], allow_hooks=[shipped(), *settings.allow_hooks])
    async with AsyncExitStack() as stack:
        if settings.store is None:
            stack.enter_context(shared(settings.home))
        store = await open_store(settings.store or settings.store_file)
        stack.push_async_callback(store.aclose)
        await refuse_half_copied(store)
        clock = clock or store.clock
        ids = Ids(clock, randomness)
        keys = await unlocked(settings, store, ids, clock, randomness, passphrases)
        gate = await noticed(store, keys, ids, clock, home=settings.home, head_file=head_file(settings))
        vault, leases = Vault(keys), Leases(store, clock, f"{os.getpid()}-{randomness(8).hex()}")
        known = public_url or await _last_url(settings, store)
        yield (
            Ground(
                settings=settings,
                public_url=await _pages_url(settings, leases, known) if local else known,
                clock=clock,
                randomness=randomness,
                ids=ids,
                catalog=catalog,
                store=store,
                leases=leases,
                keys=keys,
                gate=gate,
                vault=vault,
                audit=await stack.enter_async_context(Audit(store, vault, ids, clock, randomness)),
                egress=await stack.enter_async_context(Egress(_rules(settings))),
                tasks=await stack.enter_async_context(_tasks_told_of_the_end()),
            ),
            known,
        )


@asynccontextmanager
async def service_tasks() -> AsyncIterator[TaskGroup]:
    """A task group whose block's own error comes out as it is, once the tasks have ended."""
    error: Exception | None = None
    async with anyio.create_task_group() as tasks:
        try:
            yield tasks
        except Exception as raised:  # noqa: BLE001 - raised again below, without the group around it
            error = raised
    if error is not None:
        raise error


@asynccontextmanager
async def _tasks_told_of_the_end() -> AsyncIterator[TaskGroup]:
    """Tasks that are cancelled at the end: what has to be finished is shielded, and only what is tried again
    and again looks whether it was.
    """
    async with service_tasks() as tasks:
        try:
            yield tasks
        finally:
            tasks.cancel_scope.cancel()


def head_file(settings: Settings) -> Path:
    """Where the audit's signed head is kept, outside the store."""
    return settings.home / "audit-head.json"


async def sign_head(ground: Ground) -> None:
    """Sign where the audit stands now, in the store and beside it."""
    await checkpoint(ground.store, ground.keys, ground.clock, head_file(ground.settings))


async def open_store(place: Path | str) -> Store:
    """Open a store where it is: a file, or the URL of a database. Raises StoreError, SettingsError."""
    if isinstance(place, Path):
        return await SqliteStore.open(place)
    try:
        from valetkey.store.postgres import PostgresStore  # noqa: PLC0415 - its library is an extra
    except ModuleNotFoundError:
        text = "a PostgreSQL database as the store needs more: pip install 'valetkey[postgres]'"
        raise SettingsError(text) from None
    return await PostgresStore.open(place)


async def refuse_half_copied(store: Store) -> None:
    """Raises StoreError for a store into which another one is being copied."""
    if await store.one("SELECT 1 FROM meta WHERE key = $1", COPYING):
        text = "another store is being copied into this one; run the command that copies it again to finish"
        raise StoreError(text)


def _rules(settings: Settings) -> Rules:
    way = settings.egress
    return Rules(settings.hosts, way.allow, way.proxy, way.ca_bundle)


async def _last_url(settings: Settings, store: Store) -> str:
    """Where this store's server is reached: what the settings say, or where it runs or last ran."""
    row = await store.one("SELECT value FROM meta WHERE key = 'public_url'")
    return settings.public_url or (row["value"] if row else _callback_url(settings))


async def _pages_url(settings: Settings, leases: Leases, last: str) -> str:
    """Where the pages are for a process over stdio: at the server's, while there is one."""
    served = settings.public_url or await leases.held(pages_at(last))
    return last if served else _callback_url(settings)


def _callback_url(settings: Settings) -> str:
    return f"http://localhost:{settings.callback_port}"


def pages_at(url: str) -> str:
    """The lease of `valetkey serve`: while it is held, the pages at this URL are the server's to serve."""
    return f"pages at {url}"
