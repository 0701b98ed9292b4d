"""Rows that are put back whole, as they once were: their MACs fit, and the chain knows better."""

from collections.abc import AsyncIterator

import pytest

from tests.support.tampering import Row
from tests.support.town import OPERATOR, Town, town
from valetkey.audit.verify import verify
from valetkey.grants import Given, Less
from valetkey.model import Actor, AuditEvent
from valetkey.people import Person


@pytest.fixture
async def here(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Town]:
    async with town(tmp_path_factory.mktemp("home"), hold=0.02) as opened:
        yield opened


@pytest.fixture
async def ana(here: Town) -> Person:
    return await here.newcomer()


def row(here: Town, table: str, key: str) -> Row:
    return Row(here.house.ground.settings.store_file, table, "id", key)


async def findings(here: Town) -> list[str]:
    ground = here.house.ground
    await here.records(await here.newcomer())  # all that waits to be written is written
    return [finding.text for finding in (await verify(ground.store, ground.keys)).findings]


async def only(here: Town, person: Person) -> str:
    (grant,) = await here.house.grants.of(person.principal)
    return grant.id


async def test_a_house_that_was_used_has_nothing_to_find(here: Town, ana: Person) -> None:
    token = await here.connected(ana)
    async with here.wire(token) as agent:
        await agent.call("gmail.list_unread", {"limit": 1})
    await here.house.grants.narrow(ana.principal, await only(here, ana), Less(frozenset(), lasts=1000))
    (connection,) = await here.house.connections.rows.of(ana.principal)
    await here.house.connections.revocation.revoke(connection, "person")
    assert await findings(here) == []


async def test_a_revoked_grant_that_lives_again_is_found(here: Town, ana: Person) -> None:
    """It counts, for its row says what it once said, to the letter: only the chain can tell."""
    await here.connected(ana)
    grant = await only(here, ana)
    before = await row(here, "grants", grant).read()
    await here.house.grants.revoke(ana.principal, grant)
    assert await findings(here) == []
    await row(here, "grants", grant).put(before)
    assert await here.house.grants.lives(grant)
    assert await findings(here) == [
        f"the row {grant} of grants counts again, although it has ended (revoked)"
    ]


async def test_a_grant_as_it_was_before_it_was_narrowed_is_found(here: Town, ana: Person) -> None:
    await here.connected(ana)
    grant = await only(here, ana)
    before = await row(here, "grants", grant).read()
    await here.house.grants.narrow(ana.principal, grant, Less(frozenset(), lasts=1000))
    await row(here, "grants", grant).put(before)
    assert await findings(here) == [f"the row {grant} of grants is not what was last recorded of it (until)"]


async def test_a_grant_whose_uses_were_given_back_is_found(here: Town, ana: Person) -> None:
    token = await here.connected(ana)
    (connection,) = await here.house.connections.rows.of(ana.principal)
    await here.house.grants.revoke(ana.principal, await only(here, ana))
    twice = Given(frozenset({"gmail.list_unread"}), frozenset(), None, uses=2)
    async with here.house.ground.store.transaction() as tx:
        actor = (await here.house.agents.named(tx, "triage")).id
        grant = await here.house.grants.give(tx, ana.principal, actor, [connection.id], twice)
    before = await row(here, "grants", grant.id).read()
    async with here.wire(token) as agent:
        assert "structuredContent" in await agent.call("gmail.list_unread", {"limit": 1})
    assert await findings(here) == []
    await row(here, "grants", grant.id).put(before)
    assert await findings(here) == [
        f"the row {grant.id} of grants is not what was last recorded of it (used)"
    ]


async def test_a_connection_a_session_and_an_agent_are_found(here: Town, ana: Person) -> None:
    token = await here.connected(ana, agent="stopped")
    (connection,) = await here.house.connections.rows.of(ana.principal)
    caller = (await here.house.identity.of_token(token)).caller
    places = [
        row(here, "connections", connection.id),
        row(here, "sessions", caller.session),
        row(here, "agents", caller.actor.client),
    ]
    before = [await place.read() for place in places]
    await here.house.connections.revocation.revoke(connection, "person")
    async with here.house.ground.store.transaction() as tx:
        await here.house.sessions.end(tx, caller.session)
        await here.house.agents.suspend(tx, await here.house.agents.named(tx, "stopped"))
        facts = {"session": caller.session}
        ended = AuditEvent("token.revoked", "operator", ana.principal, caller.actor, facts)
        stopped = AuditEvent("agent.suspended", "operator", OPERATOR, Actor(caller.actor.client), {})
        await here.house.ground.audit.append(tx, ended, stopped)
    assert await findings(here) == []
    for place, values in zip(places, before, strict=True):
        await place.put(values)
    assert set(await findings(here)) == {
        f"the row {caller.actor.client} of agents counts again, although it has ended (suspended)",
        f"the row {caller.session} of sessions counts again, although it has ended (ended)",
        f"the row {connection.id} of connections is not what was last recorded of it (state)",
    }


async def test_a_grant_that_is_gone_is_found(here: Town, ana: Person) -> None:
    """What it refused would be allowed again by the one before it."""
    await here.connected(ana)
    grant = await only(here, ana)
    async with here.house.ground.store.transaction() as tx:
        await tx.run("DELETE FROM grants WHERE id = $1", grant)
    assert await findings(here) == [f"the row {grant} of grants is gone, and no event says why"]
