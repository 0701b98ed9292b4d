"""Builds everything from the settings: plain constructor calls, in the order of the floors."""

import os
import secrets
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import anyio
from anyio.abc import TaskGroup

from valetkey.audit import Audit
from valetkey.audit.checkpoint import checkpoint
from valetkey.authserver import AuthServer
from valetkey.authserver.authentication import ClientAuthentication
from valetkey.authserver.authorizations import Authorizations
from valetkey.authserver.cimd import Documents
from valetkey.authserver.clients import Clients
from valetkey.authserver.codes import Codes
from valetkey.authserver.dynamic import DynamicClients
from valetkey.authserver.refresh_tokens import RefreshTokens
from valetkey.authserver.rfc6749_token import PATH as TOKEN_PATH
from valetkey.authserver.rfc7523_assertions import ClientAssertions
from valetkey.calls.answering import Answering
from valetkey.calls.limits import Limits
from valetkey.calls.perform import Calls
from valetkey.calls.policy import Policy
from valetkey.connections import Connections, Flows, Registrations
from valetkey.connections.connect import Connecting
from valetkey.connections.endpoint import TokenEndpoint
from valetkey.connections.giving_back import GivingBack
from valetkey.connections.keeping import Keeping
from valetkey.connections.pasting import Pasting
from valetkey.connections.refresh import Refresher
from valetkey.connections.renewal import Renewal
from valetkey.connections.revoke import Revocation
from valetkey.connections.rows import Rows
from valetkey.connections.tokensets import TokenSets
from valetkey.egress import Egress, Rules
from valetkey.errors import SettingsError
from valetkey.grants import Grants
from valetkey.identity import Identity, Tokens
from valetkey.identity.issuers import Issuers
from valetkey.identity.tokens import PATH
from valetkey.identity.trust import Trust, trust
from valetkey.jobs import Jobs
from valetkey.manifest import Catalog, shipped
from valetkey.model import Clock, Ids, Randomness
from valetkey.needs import Answers, Needs, Parts, PastedSecrets, Reading, Requests, Trips
from valetkey.pages.proof import Proof
from valetkey.people import Accounts, Agents, Once, Passkeys, Sessions, Tries, Welcome
from valetkey.people.proved import Proved
from valetkey.people.sweeping import Sweeping
from valetkey.settings import Settings
from valetkey.store import Store
from valetkey.store.leases import Leases
from valetkey.store.sqlite import SqliteStore
from valetkey.vault import KeyRing, Vault
from valetkey.vault.keyfile import make, read
from valetkey.vault.keys import is_new, unlock

DEFAULT_PORT = 8917


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
    vault: Vault
    audit: Audit
    egress: Egress
    tasks: TaskGroup


@dataclass(frozen=True, slots=True)
class House:
    """Everything that was built. The command line and the server take what they need of it."""

    ground: Ground
    accounts: Accounts
    passkeys: Passkeys
    proof: Proof
    welcome: Welcome
    sessions: Sessions
    agents: Agents
    tokens: Tokens
    trust: Trust
    identity: Identity
    connections: Connections
    grants: Grants
    requests: Requests
    reading: Reading
    answers: Answers
    calls: Calls
    authserver: AuthServer
    jobs: Jobs


@asynccontextmanager
async def opened(
    settings: Settings,
    *,
    public_url: str | None = None,
    local: bool = False,
    clock: Clock | None = None,
    randomness: Randomness = secrets.token_bytes,
) -> AsyncIterator[House]:
    """Open the house for a while: keys and store first, then what stands on them.

    `public_url` is where this server is reached, if the settings do not say; `local`: over stdio, so
    that its pages are at the callback port unless a server runs. Raises ConfigError,
    before anything is changed, when key, store, manifests or settings cannot be used.
    """
    catalog = Catalog.load([shipped(), *settings.manifests], allow_hooks=[shipped(), *settings.allow_hooks])
    async with AsyncExitStack() as stack:
        store = await _opened_store(settings)
        stack.push_async_callback(store.aclose)
        clock = clock or store.clock
        ids = Ids(clock, randomness)
        keys = await _unlocked(settings, store, ids, clock, randomness)
        vault, leases = Vault(keys), Leases(store, clock, f"{os.getpid()}-{randomness(8).hex()}")
        known = public_url or await _last_url(settings, store)
        yield _house(
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
                vault=vault,
                audit=await stack.enter_async_context(Audit(store, vault, ids, clock, randomness)),
                egress=await stack.enter_async_context(Egress(_rules(settings))),
                tasks=await stack.enter_async_context(service_tasks()),
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


def _house(ground: Ground, issuer: str) -> House:
    """Build the rooms. `issuer` is the URL in the tokens that are minted on this home."""
    store, keys, audit, ids, clock = ground.store, ground.keys, ground.audit, ground.ids, ground.clock
    browsers = ground.settings.limits.browsers
    sessions = Sessions(store, keys, ids, clock, ground.randomness, browsers)
    agents = Agents(keys, ids, clock, ground.randomness)
    tokens = Tokens(store, keys, clock, issuer, issuer + PATH)
    trusted = _trust(ground, agents, tokens)
    connections = _connections(ground)
    grants, requests = (
        Grants(store, keys, audit, ids, clock),
        Requests(store, keys, audit, ids, clock, ground.public_url),
    )
    policy, needs = Policy(store, agents), Needs(connections, grants, requests)
    parts = Parts(store, ground.catalog, connections)
    accounts = Accounts(store, keys, ids, clock, ground.randomness)
    passkeys = Passkeys(store, keys, ids, clock, ground.randomness, ground.public_url)
    authserver = _authserver(ground, tokens, agents, sessions, grants)
    identity = Identity(tokens, sessions, grants, trusted.trusted)
    answering = Answering(
        store, ground.catalog, needs, requests, connections, grants, accounts, agents, identity
    )
    return House(
        ground=ground,
        accounts=accounts,
        passkeys=passkeys,
        proof=Proof(store, accounts, passkeys, Proved(store, clock), audit),
        welcome=Welcome(store, keys, clock, ground.settings.home),
        sessions=sessions,
        agents=agents,
        tokens=tokens,
        trust=trusted,
        identity=identity,
        connections=connections,
        grants=grants,
        requests=requests,
        reading=Reading(store, ground.egress, connections, parts, agents),
        answers=_answers(ground, connections, grants, requests, parts),
        calls=Calls(
            ground.catalog,
            audit,
            Limits(clock, ground.settings.limits),
            policy,
            needs,
            connections,
            ground.egress,
            answering,
        ),
        authserver=authserver,
        jobs=_jobs(ground, connections, authserver, trusted, sessions),
    )


def _jobs(
    ground: Ground, connections: Connections, authserver: AuthServer, trusted: Trust, sessions: Sessions
) -> Jobs:
    store, clock = ground.store, ground.clock
    forgetting = (
        *authserver.jobs,
        trusted.sign_ins.forget_late,
        sessions.forget_exchanged,
        Sweeping(store, clock).sweep,
    )
    sign = partial(sign_head, ground)
    return Jobs(store, ground.audit, connections, sign, clock, ground.leases, forgetting)


def _trust(ground: Ground, agents: Agents, tokens: Tokens) -> Trust:
    return trust(
        Issuers(ground.settings.issuers, tokens.issuer, tokens.resource),
        store=ground.store,
        vault=ground.vault,
        audit=ground.audit,
        egress=ground.egress,
        agents=agents,
        ids=ground.ids,
        clock=ground.clock,
        randomness=ground.randomness,
        public_url=ground.public_url,
        resource=tokens.resource,
    )


def _authserver(
    ground: Ground, tokens: Tokens, agents: Agents, sessions: Sessions, grants: Grants
) -> AuthServer:
    store, keys, audit, ids, clock = ground.store, ground.keys, ground.audit, ground.ids, ground.clock
    randomness, settings = ground.randomness, ground.settings
    audiences = frozenset({tokens.issuer, tokens.issuer + TOKEN_PATH})
    assertions, tries = ClientAssertions(store, Once(clock), clock, audiences), Tries(store, clock)
    private, documents = frozenset(settings.egress.allow), settings.clients.cimd == "on"
    fetched = Documents(ground.egress, clock, private) if documents else None
    return AuthServer(
        clients=Clients(store, agents, fetched),
        dynamic=DynamicClients(store, agents, sessions, grants, audit, ids, clock, randomness),
        authorizations=Authorizations(store, keys, clock, randomness),
        codes=Codes(store, keys, audit, sessions, clock, randomness),
        refresh_tokens=RefreshTokens(store, ground.vault, audit, sessions, clock, randomness),
        authentication=ClientAuthentication(store, agents, tries, keys, audit, clock, assertions),
        documents=documents,
    )


def _answers(
    ground: Ground, connections: Connections, grants: Grants, requests: Requests, parts: Parts
) -> Answers:
    store, audit, tries = ground.store, ground.audit, Tries(ground.store, ground.clock)
    trips = Trips(store, ground.catalog, ground.egress, audit, connections, requests, parts)
    pasted = PastedSecrets(store, ground.keys, audit, connections.pasting, tries)
    most = ground.settings.limits.connections
    return Answers(store, connections, grants, requests, parts, trips, pasted, most)


def _connections(ground: Ground) -> Connections:
    store, vault, egress, audit = ground.store, ground.vault, ground.egress, ground.audit
    ids, clock, randomness, tasks = ground.ids, ground.clock, ground.randomness, ground.tasks
    rows, sets = Rows(store, vault, audit, clock), TokenSets(vault)
    registrations, endpoint = Registrations(vault, audit, clock), TokenEndpoint(egress)
    catalog = ground.catalog
    giving = GivingBack(store, rows, sets, registrations, endpoint, egress, audit, catalog, clock)
    revocation = Revocation(store, vault, sets, rows, giving, egress, catalog)
    renewal = Renewal(store, sets, rows, registrations, endpoint, revocation, audit, clock, randomness)
    keeping, overridden = Keeping(vault, egress, rows, sets, ids), egress.overridden
    return Connections(
        rows=rows,
        registrations=registrations,
        flows=Flows(store, vault, ids, clock, randomness, ground.public_url),
        connecting=Connecting(
            store, vault, keeping, endpoint, registrations, rows, sets, revocation, clock, tasks
        ),
        pasting=Pasting(keeping, clock),
        refresher=Refresher(
            store, sets, renewal, clock, tasks, owner=ground.leases.owner, overridden=overridden
        ),
        revocation=revocation,
    )


def head_file(settings: Settings) -> Path:
    """Where the audit's signed head is kept, outside the store."""
    return settings.home / "audit-head.json"


async def sign_head(ground: Ground) -> None:
    """Sign where the audit stands now, in the store and beside it."""
    await checkpoint(ground.store, ground.keys, ground.clock, head_file(ground.settings))


async def _opened_store(settings: Settings) -> Store:
    if settings.store is None:
        return await SqliteStore.open(settings.store_file)
    try:
        from valetkey.store.postgres import PostgresStore  # noqa: PLC0415 - its library is an extra
    except ModuleNotFoundError:
        text = "`store` names a PostgreSQL database, which needs more: pip install 'valetkey[postgres]'"
        raise SettingsError(text) from None
    return await PostgresStore.open(settings.store)


async def _unlocked(
    settings: Settings, store: Store, ids: Ids, clock: Clock, randomness: Randomness
) -> KeyRing:
    """Open the key ring; a new store, and no other, gets a key made for it."""
    if await is_new(store) and not settings.key_file.exists():
        make(settings.key_file, randomness)
    return await unlock(store, read(settings.key_file), ids, clock, randomness)


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
