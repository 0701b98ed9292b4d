"""The path of a call, end to end: what stops it, what reaches the upstream, and how often."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from typing import Any

import anyio
import pytest

from tests.support.town import NOTES, Town, town
from tests.support.wire import Wire, text
from valetkey.model import HOUR, Connection, ConnectionState
from valetkey.people import Person

ACCOUNT = "ana@example.com"
NOTE = {"text": "x"}


@pytest.fixture(scope="module")
async def here(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Town]:
    home = tmp_path_factory.mktemp("home")
    async with town(home, more=NOTES, clients=("google", "slack", "notes"), hold=0.02) as opened:
        yield opened


@pytest.fixture
async def ana(here: Town) -> AsyncIterator[Person]:
    here.links.clear()
    yield await here.newcomer()
    for provider in here.sandbox.providers.values():
        provider.faults.clear()


def _written(here: Town) -> int:
    return len(here.sandbox.strict.counters.posted)


async def _live(here: Town, person: Person) -> Connection:
    (connection,) = [
        one
        for one in await here.house.connections.rows.of(person.principal)
        if one.state is not ConnectionState.REVOKED
    ]
    return connection


async def test_the_upstream_sees_its_own_token_and_nothing_of_the_clients(here: Town, ana: Person) -> None:
    """Neither the client's token nor a cookie nor a header of its request goes on (M8)."""
    token = await here.connected(ana)
    async with here.wire(token) as agent:
        body = agent.body("tools/call", {"name": "gmail.list_unread", "arguments": {"limit": 1}})
        more = {"Cookie": "a=1", "X-Forwarded-For": "192.0.2.1", "X-Api-Key": "k", "Mcp-Param-X": "1"}
        headers = agent.headers("tools/call", "gmail.list_unread") | more
        assert (await agent.post(body, headers)).status_code == 200
    seen = here.sandbox.google.counters.last["api"]
    assert seen.account == ACCOUNT, "it is the provider's own token that came"
    assert set(seen.headers) <= {"host", "authorization", "accept", "accept-encoding", "user-agent"}


async def test_many_people_at_once_each_get_their_own(here: Town, ana: Person) -> None:
    """Three people, sixty calls at once: each answer is from the account of the one who asked (T3)."""
    wrong: list[str] = []

    async def ask(agent: Wire, account: str) -> None:
        found = await agent.call("gmail.search_messages", _to(account))
        mail = found.get("structuredContent", {"items": []})["items"]
        if not mail or any(account not in one["to"] for one in mail):
            wrong.append(f"{account}: {found}")

    async with AsyncExitStack() as stack:
        agents = []
        for account in ("ana@example.com", "ben@example.com", "carol@example.com"):
            token = await here.connected(
                await here.newcomer(), "gmail.search_messages", _to(account), account=account
            )
            agents.append((await stack.enter_async_context(here.wire(token)), account))
        with anyio.fail_after(30):
            async with anyio.create_task_group() as tasks:
                for agent, account in agents * 20:
                    tasks.start_soon(ask, agent, account)
    assert wrong == []


def _to(account: str) -> dict[str, Any]:
    return {"query": f"to:{account}", "limit": 1}


async def test_a_grant_that_ends_stops_the_very_next_call_and_a_new_one_lets_it_go_on(
    here: Town, ana: Person
) -> None:
    token = await here.connected(ana, "notes.list_notes", lasts="1 hour")
    here.sandbox.strict.change(lifetime=2 * 3600)
    async with here.client(token) as agent:
        assert not (await agent.call_tool("notes.list_notes", {})).is_error
        here.clock.advance(HOUR)
        before = here.sandbox.strict.counters.requests["api"]
        assert "[not_granted]" in text(await agent.call_tool("notes.list_notes", {}))
        assert here.sandbox.strict.counters.requests["api"] == before
    async with here.client(token, here.approving(ana.name, ACCOUNT)) as agent:
        assert not (await agent.call_tool("notes.list_notes", {})).is_error
    assert len(here.links) == 1


async def test_a_call_outside_the_grant_asks_and_then_goes_on(here: Town, ana: Person) -> None:
    token = await here.connected(ana)
    async with here.client(token, here.approving(ana.name, ACCOUNT)) as agent:
        found = await agent.call_tool("gmail.search_messages", {"query": "is:unread", "limit": 1})
    assert not found.is_error
    assert len(here.links) == 1
    assert await here.outcomes(ana) == ["not_connected", "ok"], "the first is the call that began it"


async def test_a_suspended_agent_is_refused_before_anybody_is_asked(here: Town, ana: Person) -> None:
    token = await here.token(ana, f"agent-{ana.subject[-12:]}")
    actor = here.house.tokens.verified(token).client
    async with here.client(token, here.answering("accept")) as agent:
        async with here.house.ground.store.transaction() as tx:
            await here.house.agents.suspend(tx, await here.house.agents.find(tx, actor))
        said = await agent.call_tool("gmail.list_unread", {})
    assert "[denied]" in text(said)
    assert here.links == []
    assert await here.outcomes(ana) == ["denied"]


async def test_an_ended_access_is_renewed_in_the_same_call(here: Town, ana: Person) -> None:
    """The provider took the access back: a link, and the call that met it goes on."""
    token = await here.connected(ana, "notes.write_note", NOTE)
    here.sandbox.strict.revoke(ACCOUNT)
    before = _written(here)
    async with here.client(token, here.approving(ana.name, ACCOUNT)) as agent:
        assert not (await agent.call_tool("notes.write_note", NOTE)).is_error
    assert _written(here) == before + 1
    assert len(here.links) == 1


async def test_half_a_write_is_never_sent_again(here: Town, ana: Person) -> None:
    """The first of two requests wrote; the second finds the access gone. Anew would write the first twice."""
    token = await here.connected(ana, "notes.write_pair", NOTE)
    before, faults = _written(here), here.sandbox.strict.faults
    first = faults.set("api", "hold", times=1)
    answers: list[dict[str, Any]] = []
    async with here.wire(token) as agent:

        async def call() -> None:
            answers.append(await agent.call("notes.write_pair", NOTE))

        with anyio.fail_after(20):
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(call)
                await first.arrived.wait()
                faults.set("api", "status", times=2, status=401)  # also for the token that is got anew
                first.released.set()
    (answer,) = answers
    assert answer["isError"]
    assert answer["_meta"]["valetkey/outcome"] == "unknown"
    assert "inputRequests" not in answer
    assert _written(here) == before + 1


async def test_a_damaged_token_asks_its_person_and_touches_nobody_else(here: Town, ana: Person) -> None:
    """Rows swapped under a running server: neither person's token opens in the other's place (T5)."""
    ben = await here.newcomer()
    hers, his = (
        await here.connected(ana, account=ACCOUNT),
        await here.connected(ben, account="ben@example.com"),
    )
    carol = await here.connected(await here.newcomer(), account="carol@example.com")
    mine, yours = (await _live(here, ana)).token_set, (await _live(here, ben)).token_set
    async with here.house.ground.store.transaction() as tx:
        move = "UPDATE sealed SET id = $1 WHERE purpose = 'token' AND id = $2"
        for new, old in (("aside", mine), (mine, yours), (yours, "aside")):
            await tx.run(move, new, old)
    before = here.sandbox.google.counters.requests["api"]
    for token in (hers, his):
        async with here.client(token) as agent:
            assert "[reconnect]" in text(await agent.call_tool("gmail.list_unread", {}))
    assert here.sandbox.google.counters.requests["api"] == before
    async with here.client(carol) as agent:
        assert not (await agent.call_tool("gmail.list_unread", {})).is_error


async def test_a_damaged_record_that_is_no_token_is_the_operators_business(here: Town, ana: Person) -> None:
    store = here.house.ground.store
    find = "SELECT content FROM sealed WHERE purpose = 'client_secret' AND id = 'my-slack'"
    put = "UPDATE sealed SET content = $1 WHERE purpose = 'client_secret' AND id = 'my-slack'"
    good = await store.one(find)
    assert good is not None
    async with store.transaction() as tx:
        await tx.run(put, b"spoiled")
    try:
        async with here.client(await here.token(ana)) as agent:
            said = await agent.call_tool("slack.list_channels", {})
    finally:
        async with store.transaction() as tx:
            await tx.run(put, good["content"])
    assert "[failed]" in text(said)
    assert "operator" in text(said)


async def test_a_call_that_cannot_be_recorded_is_not_made(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    async with town(tmp_path_factory.mktemp("home"), more=NOTES, clients=("notes",), hold=0.02) as here:
        ana = await here.person("ana")
        token = await here.connected(ana, "notes.write_note", NOTE)
        store = here.house.ground.store
        async with here.client(token) as agent:
            async with store.transaction() as tx:
                await tx.run(_FULL)
            said = await agent.call_tool("notes.write_note", NOTE)
            async with store.transaction() as tx:
                await tx.run("DROP TRIGGER full")
        assert "[unavailable]" in text(said)
        assert "not done" in text(said)
        assert _written(here) == 0


_FULL = """
CREATE TRIGGER full BEFORE INSERT ON audit WHEN NEW.kind = 'call.opened'
BEGIN SELECT RAISE(ABORT, 'no room'); END"""
