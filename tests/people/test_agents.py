"""Agents: what they authenticate with, how they are found, stopped and forgotten."""

import secrets

import pytest

from tests.support.clock import FakeClock
from valetkey.errors import UsageError
from valetkey.model import HOUR, Ids
from valetkey.people import Agent, Agents, Kind
from valetkey.store.sqlite import SqliteStore
from valetkey.vault import Vault

JWKS = {"keys": [{"kty": "OKP", "crv": "Ed25519", "x": "A" * 43, "kid": "k", "use": "sig"}]}


@pytest.fixture
async def agents(vault: Vault, ids: Ids, clock: FakeClock) -> Agents:
    return Agents(vault.keys, ids, clock, secrets.token_bytes)


@pytest.fixture
async def triage(agents: Agents, store: SqliteStore) -> Agent:
    async with store.transaction() as tx:
        return await agents.named(tx, "triage")


async def _now(agents: Agents, store: SqliteStore, agent: Agent) -> Agent:
    found = await agents.get(store, agent.id)
    assert found
    return found


async def test_a_secret_is_kept_as_a_digest_that_only_this_store_makes(
    agents: Agents, store: SqliteStore, triage: Agent
) -> None:
    async with store.transaction() as tx:
        secret = await agents.give_secret(tx, triage)
    kept = await _now(agents, store, triage)
    assert kept.secret == agents.secret_digest(secret)
    assert kept.metadata["token_endpoint_auth_method"] == "client_secret_basic"
    assert len(secret) >= 43
    assert secret not in str([dict(row) for row in await store.all("SELECT * FROM agents")])


async def test_a_new_secret_ends_the_old_one(agents: Agents, store: SqliteStore, triage: Agent) -> None:
    async with store.transaction() as tx:
        old, new = [await agents.give_secret(tx, triage) for _ in range(2)]
    assert (await _now(agents, store, triage)).secret not in {None, agents.secret_digest(old)}
    assert old != new


async def test_with_keys_no_secret_is_left_and_with_a_secret_no_key(
    agents: Agents, store: SqliteStore, triage: Agent
) -> None:
    async with store.transaction() as tx:
        await agents.give_secret(tx, triage)
        await agents.give_keys(tx, triage, JWKS)
    keyed = await _now(agents, store, triage)
    assert keyed.secret is None
    assert keyed.metadata == {"token_endpoint_auth_method": "private_key_jwt", "jwks": JWKS}
    async with store.transaction() as tx:
        await agents.give_secret(tx, keyed)
    assert (await _now(agents, store, triage)).metadata == {
        "token_endpoint_auth_method": "client_secret_basic"
    }


async def test_what_else_a_clients_metadata_say_stays(agents: Agents, store: SqliteStore) -> None:
    about = {"client_name": "Triage", "redirect_uris": ["http://localhost/"]}
    async with store.transaction() as tx:
        agent = await agents.add(tx, "agt_x", "Triage", Kind.NAMED, about)
        await agents.give_keys(tx, agent, JWKS)
    assert (await _now(agents, store, agent)).metadata.items() >= about.items()


async def test_an_agent_is_found_by_its_id_and_the_operators_by_name(
    agents: Agents, store: SqliteStore, triage: Agent
) -> None:
    async with store.transaction() as tx:
        other = await agents.add(tx, "https://client.example/about.json", "triage", Kind.DOCUMENT)
    assert await agents.find(store, "triage") == triage
    assert await agents.find(store, triage.id) == triage
    assert await agents.find(store, other.id) == other
    with pytest.raises(UsageError, match="valetkey agents list"):
        await agents.find(store, "nobody")


async def test_a_name_that_a_client_gave_itself_finds_nothing(agents: Agents, store: SqliteStore) -> None:
    async with store.transaction() as tx:
        await agents.add(tx, "agt_x", "triage", Kind.DYNAMIC)
    with pytest.raises(UsageError):
        await agents.find(store, "triage")


async def test_a_suspended_agent_says_since_when_until_it_is_resumed(
    agents: Agents, store: SqliteStore, triage: Agent, clock: FakeClock
) -> None:
    async with store.transaction() as tx:
        await agents.suspend(tx, triage)
    assert (await _now(agents, store, triage)).suspended == clock.now()
    async with store.transaction() as tx:
        await agents.resume(tx, triage)
    assert (await _now(agents, store, triage)).suspended is None


async def test_when_it_was_last_seen_is_known_to_the_hour(
    agents: Agents, store: SqliteStore, triage: Agent, clock: FakeClock
) -> None:
    for later, known in ((HOUR, HOUR), (HOUR // 2, HOUR), (HOUR // 2, 2 * HOUR)):
        clock.advance(later)
        async with store.transaction() as tx:
            await agents.seen(tx, triage)
        assert (await _now(agents, store, triage)).used == triage.created + known


async def test_a_forgotten_agents_name_is_free_for_another(
    agents: Agents, store: SqliteStore, triage: Agent
) -> None:
    async with store.transaction() as tx:
        await agents.forget(tx, triage)
        again = await agents.named(tx, "triage")
    assert await agents.get(store, triage.id) is None
    assert again.id != triage.id
