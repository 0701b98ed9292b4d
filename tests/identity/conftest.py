"""The sandbox's issuers, and what of the house reads their tokens."""

import secrets
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.support.clock import FakeClock
from tests.support.served import served, turning
from valetkey.audit import Audit
from valetkey.egress import Egress, Rules
from valetkey.grants import Grants
from valetkey.identity import Identity, Tokens
from valetkey.identity.issuers import Issuer, Issuers
from valetkey.identity.trust import Trust, trust
from valetkey.model import Ids, Principal, Secret
from valetkey.people import Agents, Sessions
from valetkey.sandbox import CORP_CLIENT, Sandbox, hosts
from valetkey.settings import parse
from valetkey.store.sqlite import SqliteStore
from valetkey.vault import Vault

__all__ = ["served", "turning"]  # fixtures

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
class Trusting:
    """Two issuers, and a house's identity that trusts them."""

    sandbox: Sandbox
    clock: FakeClock
    store: SqliteStore
    trust: Trust
    identity: Identity
    agents: Agents

    @property
    def corp(self) -> Issuer:
        return self.trust.issuers.named("corp")


@dataclass
class Ground:
    """What such an identity stands on."""

    sandbox: Sandbox
    clock: FakeClock
    store: SqliteStore
    vault: Vault
    ids: Ids
    egress: Egress
    audit: Audit

    def trusting(self, settings: str = SETTINGS) -> Trusting:
        """Build it from settings."""
        clock, store, keys, ids = self.clock, self.store, self.vault.keys, self.ids
        agents = Agents(keys, ids, clock, secrets.token_bytes)
        made = trust(
            Issuers(parse(settings, Path("/srv/valetkey.toml")).issuers, OURS, MCP),
            store=store,
            vault=self.vault,
            audit=self.audit,
            egress=self.egress,
            agents=agents,
            ids=ids,
            clock=clock,
            randomness=secrets.token_bytes,
            public_url=OURS,
            resource=MCP,
        )
        sessions = Sessions(store, keys, ids, clock, secrets.token_bytes)
        tokens, grants = Tokens(store, keys, clock, OURS, MCP), Grants(store, keys, self.audit, ids, clock)
        identity = Identity(tokens, sessions, grants, made.trusted)
        return Trusting(self.sandbox, clock, store, made, identity, agents)


@pytest.fixture
async def ground(
    served: Sandbox, turning: FakeClock, store: SqliteStore, vault: Vault, ids: Ids
) -> AsyncIterator[Ground]:
    served.reset()
    async with (
        Egress(Rules(hosts=hosts(served.base_url))) as egress,
        Audit(store, vault, ids, turning, secrets.token_bytes) as audit,
    ):
        yield Ground(served, turning, store, vault, ids, egress, audit)


@pytest.fixture
async def trusting(ground: Ground) -> Trusting:
    return ground.trusting()


@pytest.fixture
async def asking(ground: Ground) -> Trusting:
    """The same where corp is asked about each of its tokens, and the client's secret is sealed."""
    more = f'[issuers.corp.introspection]\nclient_id = "{CORP_CLIENT.id}"\n'
    made = ground.trusting(SETTINGS + more)
    await seal(made)
    return made


async def seal(trusting: Trusting) -> None:
    """Let the operator seal the secret of our client at corp."""
    by = Principal("local-operator", "tests")
    await trusting.trust.secrets.put(trusting.corp, CORP_CLIENT.id, Secret(CORP_CLIENT.secret), by)
