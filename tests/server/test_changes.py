"""Clients hear that their list of tools changed, whichever process changed it, and only their person's do."""

from collections.abc import AsyncIterator, Awaitable, Callable

import anyio
import mcp_types as types
import pytest
from anyio.abc import TaskGroup
from mcp.client.client import Client
from mcp.client.session import IncomingMessage

from tests.support.town import OPERATOR, Town, town
from valetkey.grants import Given, Less, More
from valetkey.model import HOUR, Actor, AuditEvent, Grant
from valetkey.people import Person
from valetkey.server.changes import Changes

UNTIL_REVOKED = Given(frozenset({"gmail.list_unread"}), frozenset({"gmail.send_message"}), None)


@pytest.fixture(scope="module")
async def here(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Town]:
    async with town(tmp_path_factory.mktemp("home"), hold=0.02) as opened:
        yield opened


@pytest.fixture
async def ana(here: Town) -> Person:
    return await here.newcomer()


async def _given(here: Town, person: Person) -> None:
    """A grant, given in another process of the same store."""
    async with here.another() as other, other.house.ground.store.transaction() as tx:
        agent = await other.house.agents.named(tx, "triage")
        await other.house.grants.give(tx, person.principal, agent.id, ["con_none"], UNTIL_REVOKED)


async def _told(agent: Client, heard: anyio.Event) -> None:
    async with agent.listen(tools_list_changed=True) as changes:
        heard.set()
        async for _ in changes:
            return


async def test_a_stream_of_the_modern_era_hears_of_a_change_in_another_process(
    here: Town, ana: Person
) -> None:
    async with here.client(await here.token(ana)) as agent:
        before = {tool.name for tool in (await agent.list_tools()).tools}
        with anyio.fail_after(10):
            async with anyio.create_task_group() as tasks:
                listening = anyio.Event()
                tasks.start_soon(_told, agent, listening)
                await listening.wait()
                await _given(here, ana)
        after = {tool.name for tool in (await agent.list_tools(cache_mode="bypass")).tools}
    assert before - after == {"gmail.send_message"}


async def test_a_connection_of_the_legacy_era_hears_of_it_too(here: Town, ana: Person) -> None:
    heard = anyio.Event()

    async def hear(message: IncomingMessage) -> None:
        if isinstance(message, types.ToolListChangedNotification):
            heard.set()

    async with here.client(await here.token(ana), mode="legacy", heard=hear) as agent:
        assert agent.server_capabilities.tools is not None
        assert agent.server_capabilities.tools.list_changed
        await agent.list_tools()
        await _given(here, ana)
        with anyio.fail_after(10):
            await heard.wait()


async def test_another_person_s_client_hears_nothing(here: Town, ana: Person) -> None:
    ben = await here.newcomer()
    async with here.client(await here.token(ana)) as hers, here.client(await here.token(ben)) as his:
        with anyio.fail_after(10):
            async with anyio.create_task_group() as tasks:
                ana_heard, ben_heard = await _listening(tasks, hers), await _listening(tasks, his)
                await _given(here, ana)
                await ana_heard.wait()
                assert not ben_heard.is_set()
                await _given(here, ben)
                await ben_heard.wait()


async def _listening(tasks: TaskGroup, agent: Client) -> anyio.Event:
    """Begin to listen; the event that is returned is set at the first change heard."""
    ready, heard = anyio.Event(), anyio.Event()

    async def listen() -> None:
        await _told(agent, ready)
        heard.set()

    tasks.start_soon(listen)
    await ready.wait()
    return heard


async def _grant(here: Town, person: Person, given: Given, agent: str = "triage") -> Grant:
    async with here.house.ground.store.transaction() as tx:
        actor = (await here.house.agents.named(tx, agent)).id
        here.clock.advance(1)  # ids sort by time
        return await here.house.grants.give(tx, person.principal, actor, ["con_none"], given)


async def _suspended(here: Town, suspended: bool) -> None:
    """What `valetkey agents suspend` and `resume` do."""
    kind = "agent.suspended" if suspended else "agent.resumed"
    async with here.house.ground.store.transaction() as tx:
        agent = await here.house.agents.named(tx, "triage")
        change = here.house.agents.suspend if suspended else here.house.agents.resume
        await change(tx, agent)
        event = AuditEvent(kind, "operator", OPERATOR, Actor(agent.id), {})
        await here.house.ground.audit.append(tx, event)


async def _names(agent: Client) -> list[str]:
    return [tool.name for tool in (await agent.list_tools(cache_mode="bypass")).tools]


async def _hears(agent: Client, change: Callable[[], Awaitable[object]]) -> list[str]:
    """Listen, change something, hear of it, and return what is listed then."""
    with anyio.fail_after(10):
        async with anyio.create_task_group() as tasks:
            heard = await _listening(tasks, agent)
            await change()
            await heard.wait()
    return await _names(agent)


async def test_a_grant_that_is_narrowed_extended_or_revoked_is_heard_of(here: Town, ana: Person) -> None:
    given = Given(frozenset({"gmail:read", "gmail.send_message"}), frozenset(), None)
    grants, tool = here.house.grants, frozenset({"gmail.send_message"})
    async with here.client(await here.token(ana)) as agent:
        before = await _hears(agent, lambda: _grant(here, ana, given))
        (grant,) = await grants.of(ana.principal)
        narrowed = await _hears(agent, lambda: grants.narrow(ana.principal, grant.id, Less(tool)))
        assert set(before) - set(narrowed) == tool
        extended = await _hears(agent, lambda: grants.extend(ana.principal, grant.id, More(tool)))
        assert extended == before, "in the same order, too"
        await _hears(agent, lambda: grants.narrow(ana.principal, grant.id, Less(tool)))
        assert await _hears(agent, lambda: grants.revoke(ana.principal, grant.id)) == before


async def test_what_a_grant_refused_is_listed_again_once_its_time_is_over(here: Town, ana: Person) -> None:
    """No fact in the audit says so: the clock alone does."""
    refusing = Given(frozenset({"gmail.get_message"}), frozenset({"gmail.send_message"}), HOUR)

    async def wait() -> None:
        here.clock.advance(HOUR)

    async with here.client(await here.token(ana)) as agent:
        assert "gmail.send_message" not in await _hears(agent, lambda: _grant(here, ana, refusing))
        assert "gmail.send_message" in await _hears(agent, wait)


async def test_a_grant_that_ends_and_refused_nothing_changes_no_list(here: Town, ana: Person) -> None:
    short = Given(frozenset({"gmail.get_message"}), frozenset(), HOUR)
    async with here.client(await here.token(ana)) as agent:
        await _hears(agent, lambda: _grant(here, ana, short))
        with anyio.fail_after(10):
            async with anyio.create_task_group() as tasks:
                heard = await _listening(tasks, agent)
                here.clock.advance(HOUR)
                # A change that is heard comes after those that were there to hear before it.
                other = await here.newcomer()
                async with here.client(await here.token(other)) as theirs:
                    told = await _listening(tasks, theirs)
                    await _grant(here, other, UNTIL_REVOKED)
                    await told.wait()
                assert not heard.is_set()
                await _grant(here, ana, UNTIL_REVOKED)
                await heard.wait()


async def test_a_suspended_agent_lists_nothing_until_it_is_resumed(here: Town, ana: Person) -> None:
    async with here.client(await here.token(ana)) as agent:
        before = await _names(agent)
        await _suspended(here, True)
        try:
            assert await _names(agent) == []
        finally:
            await _suspended(here, False)
        assert await _names(agent) == before


async def test_a_legacy_client_hears_that_its_agent_goes_on(here: Town, ana: Person) -> None:
    heard = anyio.Event()

    async def hear(message: IncomingMessage) -> None:
        if isinstance(message, types.ToolListChangedNotification):
            heard.set()

    async with here.client(await here.token(ana), mode="legacy", heard=hear) as agent:
        await agent.list_tools()
        await _suspended(here, False)
        with anyio.fail_after(10):
            await heard.wait()


async def test_another_agent_of_the_person_hears_nothing(here: Town, ana: Person) -> None:
    async with (
        here.client(await here.token(ana)) as agent,
        here.client(await here.token(ana, "other")) as other,
    ):
        with anyio.fail_after(10):
            async with anyio.create_task_group() as tasks:
                heard, others = await _listening(tasks, agent), await _listening(tasks, other)
                await _grant(here, ana, UNTIL_REVOKED)
                await heard.wait()
                assert not others.is_set()
                await _grant(here, ana, UNTIL_REVOKED, "other")
                await others.wait()


async def test_what_was_looked_through_is_not_looked_through_again(here: Town) -> None:
    """Calls are events, too, and change no list: an hour of them would be read anew twice a second."""
    ground = here.house.ground
    changes = Changes(ground.store, ground.clock)
    await ground.audit.note(*[AuditEvent("callback.refused", "person", None, None) for _ in range(3)])
    async with anyio.create_task_group() as tasks:
        seen = await changes._look(0, tasks)
    assert seen == await changes._head()
