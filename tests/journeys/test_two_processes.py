"""Several processes on one store: whichever a request reaches, it is the same house."""

from collections.abc import AsyncIterator

import anyio
import pytest
from mcp.client.client import Client

from tests.support.stores import STORES, setting
from tests.support.town import Town, town
from tests.support.wire import text
from valetkey.grants import Given
from valetkey.people import Person

UNREAD = {"limit": 1}


@pytest.fixture(scope="module", params=STORES)
async def both(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[tuple[Town, Town]]:
    home = tmp_path_factory.mktemp("home")
    async with (
        setting(request.param) as store,
        town(home, more=store, hold=5) as here,
        here.another() as there,
    ):
        yield here, there


@pytest.fixture
async def ana(both: tuple[Town, Town]) -> Person:
    return await both[0].newcomer()


async def test_a_call_waiting_in_one_process_goes_on_when_its_person_answers_in_another(
    both: tuple[Town, Town], ana: Person
) -> None:
    here, there = both
    yes = here.approving(ana.name, "ana@example.com")  # the pages are here, the call waits there
    async with there.client(await there.token(ana), yes) as agent:
        mail = await agent.call_tool("gmail.list_unread", UNREAD)
    assert not mail.is_error
    assert await there.outcomes(ana) == ["ok"]


async def test_a_leg_may_land_in_another_process(both: tuple[Town, Town], ana: Person) -> None:
    here, there = both
    token = await here.token(ana)
    async with here.wire(token) as first, there.wire(token) as second:
        leg = await first.call("gmail.list_unread", UNREAD)
        await here.approve(leg["inputRequests"]["valetkey"]["params"]["url"], ana.name, "ana@example.com")
        mail = await second.call("gmail.list_unread", UNREAD, leg["requestState"], "accept")
        assert len(mail["structuredContent"]["items"]) == 1
        replayed = await first.call("gmail.list_unread", UNREAD, leg["requestState"], "accept")
    assert replayed["isError"]
    assert "not sent twice" in text(replayed)


async def test_a_revoked_connection_is_refused_by_the_next_call_in_another_process(
    both: tuple[Town, Town], ana: Person
) -> None:
    here, there = both
    token = await here.token(ana)
    yes = here.approving(ana.name, "ana@example.com")
    async with here.client(token, yes) as agent:
        assert not (await agent.call_tool("gmail.list_unread", UNREAD)).is_error
    async with there.client(token) as agent:
        assert not (await agent.call_tool("gmail.list_unread", UNREAD)).is_error, "its tokens are warm"
        rows = here.house.connections.rows
        (connection,) = await rows.live(rows.store, ana.principal, "gmail")
        await here.house.connections.revocation.revoke(connection, "person")
        before = here.sandbox.google.counters.requests["api"]
        refused = await agent.call_tool("gmail.list_unread", UNREAD)
    assert "[not_connected]" in text(refused)
    assert here.sandbox.google.counters.requests["api"] == before


async def test_a_session_ended_here_is_refused_there(both: tuple[Town, Town], ana: Person) -> None:
    here, there = both
    token = await here.token(ana)
    async with there.wire(token) as agent:
        listing = agent.body("tools/list", {})
        assert (await agent.post(listing, agent.headers("tools/list"))).status_code == 200
        async with here.house.ground.store.transaction() as tx:
            for session in await here.house.sessions.all(tx, "token"):
                if session.principal == ana.principal:
                    await here.house.sessions.end(tx, session.id)
        assert (await agent.post(listing, agent.headers("tools/list"))).status_code == 401


async def test_a_grant_given_in_one_process_changes_the_list_that_another_shows(
    both: tuple[Town, Town], ana: Person
) -> None:
    here, there = both
    heard = anyio.Event()
    async with here.client(await here.token(ana)) as agent, anyio.create_task_group() as tasks:
        listening = anyio.Event()
        tasks.start_soon(_hear, agent, listening, heard)
        await listening.wait()
        async with there.house.ground.store.transaction() as tx:
            named = await there.house.agents.named(tx, "triage")
            terms = Given(frozenset({"gmail.list_unread"}), frozenset({"gmail.send_message"}), None)
            await there.house.grants.give(tx, ana.principal, named.id, ["con_none"], terms)
        with anyio.fail_after(10):
            await heard.wait()
        listed = {tool.name for tool in (await agent.list_tools(cache_mode="bypass")).tools}
    assert "gmail.send_message" not in listed


async def _hear(agent: Client, listening: anyio.Event, heard: anyio.Event) -> None:
    async with agent.listen(tools_list_changed=True) as changes:
        listening.set()
        async for _ in changes:
            heard.set()
            return
