"""Clients hear that their list of tools changed, whichever process changed it, and only their person's do."""

from collections.abc import AsyncIterator

import anyio
import mcp_types as types
import pytest
from anyio.abc import TaskGroup
from mcp.client.client import Client
from mcp.client.session import IncomingMessage

from tests.support.town import Town, town
from valetkey.grants import Given
from valetkey.people import Person

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
