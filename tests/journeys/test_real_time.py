"""What was withdrawn ends within a second, in every process: streams, held calls, and calls under way.

Nothing here waits for a time: each test waits for the end that it is about.
"""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any

import anyio
import httpx2
import pytest
from anyio.abc import TaskGroup

from tests.support.agents import exchanged, given, named
from tests.support.stores import STORES, setting
from tests.support.town import OPERATOR, Town, town
from valetkey.model import Actor, AuditEvent
from valetkey.people import Person

WITHIN = 20
UNREAD = {"limit": 1}
HELLO: dict[str, Any] = {
    "protocolVersion": "2025-11-25",
    "capabilities": {"elicitation": {"url": {}}},
    "clientInfo": {"name": "tests", "version": "1"},
}
ACCEPT = {"Accept": "application/json, text/event-stream"}


@pytest.fixture(scope="module", params=STORES)
async def here(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Town]:
    home = tmp_path_factory.mktemp("home")
    async with setting(request.param) as store, town(home, more=store, hold=60) as opened:
        yield opened


@pytest.fixture(scope="module")
async def there(here: Town) -> AsyncIterator[Town]:
    """Another process, in which everything is withdrawn."""
    async with here.another() as other:
        yield other


@pytest.fixture
async def ana(here: Town) -> Person:
    return await here.newcomer()


async def soon(event: anyio.Event) -> None:
    """Wait for something that is bound to come."""
    with anyio.fail_after(WITHIN):
        await event.wait()


@dataclass(slots=True)
class Legacy:
    """A client of 2025-11-25 written by hand, with a session that is open."""

    http: httpx2.AsyncClient
    url: str

    @classmethod
    @asynccontextmanager
    async def of(cls, here: Town, token: str) -> AsyncIterator["Legacy"]:
        headers = {"Authorization": f"Bearer {token}", **ACCEPT}
        async with httpx2.AsyncClient(headers=headers, timeout=WITHIN, trust_env=False) as http:
            client = cls(http, f"{here.url}/mcp")
            answer = await client.post("initialize", HELLO)
            http.headers["Mcp-Session-Id"] = answer.headers["mcp-session-id"]
            yield client

    async def post(self, method: str, params: Any) -> httpx2.Response:
        body = {"jsonrpc": "2.0", "id": 1, "method": method, "params": params}
        return await self.http.post(self.url, json=body)

    async def stream(self, opened: anyio.Event) -> None:
        """Read what the server sends of itself, until the server ends the stream."""
        async with self.http.stream("GET", self.url) as answer:
            assert answer.status_code == 200
            opened.set()
            async for _ in answer.aiter_raw():
                pass


async def session_of(here: Town, token: str) -> str:
    return (await here.house.identity.of_token(token)).caller.session


async def revoke(there: Town, person: Person, session: str) -> None:
    """As `valetkey tokens revoke` does."""
    ground = there.house.ground
    async with ground.store.transaction() as tx:
        ended = await there.house.sessions.end(tx, session)
        assert ended
        event = AuditEvent("token.revoked", "operator", person.principal, Actor(ended.actor or ""), {})
        await ground.audit.append(tx, event)


async def suspend(there: Town, agent: str) -> None:
    """As `valetkey agents suspend` does."""
    ground = there.house.ground
    async with ground.store.transaction() as tx:
        found = await there.house.agents.named(tx, agent)
        await there.house.agents.suspend(tx, found)
        event = AuditEvent("agent.suspended", "operator", OPERATOR, Actor(found.id), {})
        await ground.audit.append(tx, event)


async def listening(tasks: TaskGroup, here: Town, token: str) -> anyio.Event:
    """Begin to listen on a stream of the modern era; the event is set when the server ends it."""
    ready, over = anyio.Event(), anyio.Event()

    async def listen() -> None:
        async with here.client(token) as agent, agent.listen(tools_list_changed=True) as changes:
            ready.set()
            async for _ in changes:
                pass

    async def until_over() -> None:
        try:
            await listen()
        except Exception:  # noqa: BLE001 - however the SDK says that its stream was ended
            assert ready.is_set()
        over.set()

    tasks.start_soon(until_over)
    await soon(ready)
    return over


async def streaming(tasks: TaskGroup, client: Legacy) -> anyio.Event:
    """The same over a stream of the legacy era."""
    ready, over = anyio.Event(), anyio.Event()

    async def until_over() -> None:
        await client.stream(ready)
        over.set()

    tasks.start_soon(until_over)
    await soon(ready)
    return over


@pytest.mark.parametrize("suspended", [False, True], ids=["token revoked", "agent suspended"])
async def test_a_stream_of_the_modern_era_ends_and_no_other(
    here: Town, there: Town, ana: Person, suspended: bool
) -> None:
    name = here.house.ground.ids.new("agent").replace("_", "-")
    token, other = await here.token(ana, name), await here.token(ana, "another")
    async with anyio.create_task_group() as tasks:
        over, others = await listening(tasks, here, token), await listening(tasks, here, other)
        await (suspend(there, name) if suspended else revoke(there, ana, await session_of(here, token)))
        await soon(over)
        assert not others.is_set()
        tasks.cancel_scope.cancel()


@pytest.mark.parametrize("suspended", [False, True], ids=["token revoked", "agent suspended"])
async def test_a_stream_of_the_legacy_era_ends_with_its_session(
    here: Town, there: Town, ana: Person, suspended: bool
) -> None:
    name = here.house.ground.ids.new("agent").replace("_", "-")
    token = await here.token(ana, name)
    async with Legacy.of(here, token) as client, anyio.create_task_group() as tasks:
        over = await streaming(tasks, client)
        await (suspend(there, name) if suspended else revoke(there, ana, await session_of(here, token)))
        await soon(over)
        answer = await client.post("tools/list", {})
        assert answer.status_code == (404 if suspended else 401)


async def test_a_suspended_agent_opens_no_new_stream(here: Town, there: Town, ana: Person) -> None:
    name = here.house.ground.ids.new("agent").replace("_", "-")
    token = await here.token(ana, name)
    await suspend(there, name)
    async with here.wire(token) as wire:
        asked = {"notifications": {"toolsListChanged": True}}
        reply = await wire.post(
            wire.body("subscriptions/listen", asked), wire.headers("subscriptions/listen")
        )
    assert "suspended" in reply.text


async def test_an_exchanged_token_s_stream_ends_with_its_grant(here: Town, there: Town, ana: Person) -> None:
    agent = await named(here)
    grant = await given(here, ana, agent)
    answer = await exchanged(here, agent, await here.token(ana))
    async with anyio.create_task_group() as tasks:
        over = await listening(tasks, here, answer["access_token"])
        await there.house.grants.revoke(ana.principal, grant.id)
        await soon(over)


async def held(here: Town) -> None:
    """Wait until a call waits for its person."""
    with anyio.fail_after(WITHIN):
        while not here.house.requests._settled:
            await anyio.lowlevel.checkpoint()


async def test_a_call_that_is_held_in_legs_ends(here: Town, there: Town, ana: Person) -> None:
    token = await here.token(ana)
    async with here.wire(token) as agent, anyio.create_task_group() as tasks:
        first = await agent.call("gmail.list_unread", UNREAD)
        second = Later(
            tasks, partial(agent.call, "gmail.list_unread", UNREAD, first["requestState"], "accept")
        )
        await held(here)
        await revoke(there, ana, await session_of(here, token))
        assert "session has ended" in (await second.answer())["error"]["message"]


async def test_a_call_that_is_held_by_a_push_ends(here: Town, there: Town, ana: Person) -> None:
    name = here.house.ground.ids.new("agent").replace("_", "-")
    token = await here.token(ana, name)
    accepting = here.answering("accept")
    async with here.client(token, accepting, mode="legacy") as agent, anyio.create_task_group() as tasks:
        call = Later(tasks, partial(_failing, partial(agent.call_tool, "gmail.list_unread", UNREAD)))
        await held(here)
        await suspend(there, name)
        assert await call.answer()


async def test_a_call_under_way_ends_and_its_answer_is_handed_to_nobody(
    here: Town, there: Town, ana: Person
) -> None:
    token = await here.connected(ana)
    fault = here.sandbox.google.faults.set("api", "hold", 1)
    async with here.wire(token) as agent, anyio.create_task_group() as tasks:
        call = Later(tasks, partial(agent.call, "gmail.list_unread", UNREAD))
        await soon(fault.arrived)
        await revoke(there, ana, await session_of(here, token))
        answer = await call.answer()
        here.sandbox.google.faults.release()
    assert "session has ended" in answer["error"]["message"]
    assert (await here.outcomes(ana))[-1] == "unknown"


@pytest.mark.parametrize("what", ["connection", "grant"])
async def test_a_call_that_was_sent_before_is_answered_and_the_next_is_refused(
    here: Town, there: Town, ana: Person, what: str
) -> None:
    """It was allowed when it was sent, and whoever sent it has to learn what became of it."""
    token = await here.connected(ana, "slack.list_channels")
    fault = here.sandbox.slack.faults.set("api", "hold", 1, after=True)
    async with here.wire(token) as agent, anyio.create_task_group() as tasks:
        call = Later(tasks, partial(agent.call, "slack.list_channels", {}))
        await soon(fault.arrived)
        if what == "connection":
            (connection,) = await there.house.connections.rows.of(ana.principal)
            await there.house.connections.revocation.revoke(connection, "person")
        else:
            (grant,) = await there.house.grants.of(ana.principal)
            await there.house.grants.revoke(ana.principal, grant.id)
        here.sandbox.slack.faults.release()
        assert (await call.answer())["structuredContent"]["items"]
        after = await agent.call("slack.list_channels", {})
    assert after["inputRequests"]


class Later:
    """Something that was begun, and its answer once there is one."""

    def __init__(self, tasks: TaskGroup, work: Callable[[], Awaitable[Any]]) -> None:
        self._done, self._answers = anyio.Event(), list[Any]()
        tasks.start_soon(self._run, work)

    async def _run(self, work: Callable[[], Awaitable[Any]]) -> None:
        self._answers.append(await work())
        self._done.set()

    async def answer(self) -> Any:
        await soon(self._done)
        return self._answers[0]


async def _failing(work: Callable[[], Awaitable[Any]]) -> str:
    """Do what has to fail, and return how."""
    try:
        return f"it did not: {await work()}"
    except Exception as error:  # noqa: BLE001 - however the SDK says that the server ended the session
        return str(error)
