"""The sandbox's issuers, and what of the house reads their tokens."""

import secrets
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.support.clock import FakeClock
from valetkey.audit import Audit
from valetkey.egress import Egress, Rules
from valetkey.grants import Grants
from valetkey.identity import Identity, Tokens
from valetkey.identity.client_secrets import ClientSecrets
from valetkey.identity.discovery import Discovery
from valetkey.identity.introspection import Introspection
from valetkey.identity.issuers import Issuer, Issuers
from valetkey.identity.signed import Signed
from valetkey.identity.trusted import Trusted
from valetkey.model import Ids, Principal, Secret
from valetkey.people import Agents, Sessions
from valetkey.people.vouched import Vouched
from valetkey.sandbox import CORP_CLIENT, Sandbox, hosts, running
from valetkey.settings import parse
from valetkey.store.sqlite import SqliteStore
from valetkey.vault import Vault

OURS = "http://localhost:8917"
MCP = f"{OURS}/mcp"
ANA, BEN = "ana@example.com", "ben@example.com"

SETTINGS = """
[issuers.corp]
url = "https://corp.example/acme"
[issuers.partner]
url = "https://partner.example/team"
"""


@dataclass
class Trust:
    """Two issuers, and a house's identity that trusts them. `issuers` are as the settings name them."""

    sandbox: Sandbox
    clock: FakeClock
    store: SqliteStore
    issuers: Issuers
    secrets: ClientSecrets
    discovery: Discovery
    signed: Signed
    introspection: Introspection
    trusted: Trusted
    identity: Identity
    agents: Agents

    @property
    def corp(self) -> Issuer:
        return self.issuers.named("corp")


class Trusting:
    """Makes a Trust from settings."""

    def __init__(
        self, sandbox: Sandbox, clock: FakeClock, store: SqliteStore, vault: Vault, ids: Ids
    ) -> None:
        self._sandbox, self._clock, self._store, self._vault, self._ids = sandbox, clock, store, vault, ids

    def trust(self, egress: Egress, audit: Audit, settings: str = SETTINGS) -> Trust:
        clock, store, vault = self._clock, self._store, self._vault
        issuers = Issuers(parse(settings, Path("/srv/valetkey.toml")).issuers, OURS, MCP)
        client_secrets, discovery = ClientSecrets(store, vault, audit), Discovery(egress, clock)
        signed = Signed(discovery, clock)
        introspection = Introspection(discovery, client_secrets, egress, clock)
        agents = Agents(vault.keys, self._ids, clock, secrets.token_bytes)
        trusted = Trusted(issuers, signed, introspection, Vouched(store, agents, clock), clock, MCP)
        tokens = Tokens(store, vault.keys, clock, OURS, MCP)
        sessions = Sessions(store, vault.keys, self._ids, clock, secrets.token_bytes)
        identity = Identity(tokens, sessions, Grants(store, audit, self._ids, clock), trusted)
        return Trust(
            self._sandbox,
            clock,
            store,
            issuers,
            client_secrets,
            discovery,
            signed,
            introspection,
            trusted,
            identity,
            agents,
        )


@pytest.fixture(scope="package")
def turning() -> FakeClock:
    return FakeClock()


@pytest.fixture(scope="package")
async def served(anyio_backend: str, turning: FakeClock) -> AsyncIterator[Sandbox]:
    sandbox = Sandbox(turning)
    async with running(sandbox):
        yield sandbox


@pytest.fixture
async def trusting(
    served: Sandbox, turning: FakeClock, store: SqliteStore, vault: Vault, ids: Ids
) -> Trusting:
    served.reset()
    return Trusting(served, turning, store, vault, ids)


@pytest.fixture
async def egress(served: Sandbox) -> AsyncIterator[Egress]:
    async with Egress(Rules(hosts=hosts(served.base_url))) as opened:
        yield opened


@pytest.fixture
async def audit(store: SqliteStore, vault: Vault, ids: Ids, turning: FakeClock) -> AsyncIterator[Audit]:
    async with Audit(store, vault, ids, turning, secrets.token_bytes) as opened:
        yield opened


@pytest.fixture
async def trust(trusting: Trusting, egress: Egress, audit: Audit) -> Trust:
    return trusting.trust(egress, audit)


@pytest.fixture
async def asking(trusting: Trusting, egress: Egress, audit: Audit) -> Trust:
    """The same where corp is asked about each of its tokens, and the client's secret is sealed."""
    more = f'[issuers.corp.introspection]\nclient_id = "{CORP_CLIENT.id}"\n'
    made = trusting.trust(egress, audit, SETTINGS + more)
    by = Principal("local-operator", "tests")
    await made.secrets.put(made.corp, CORP_CLIENT.id, Secret(CORP_CLIENT.secret), by)
    return made
