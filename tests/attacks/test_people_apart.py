"""What one person's agents ask and hear is theirs: kept for none, told to none, inherited by none."""

from collections.abc import AsyncIterator

import anyio
import mcp_types as types
import pytest
from mcp.client.client import Client
from mcp.client.session import IncomingMessage

from tests.pages.browser import Browser
from tests.support.town import NOTES, PASSWORD, Town, town
from tests.support.wire import Wire
from valetkey.people import Person

ANA, BEN = "ana@example.com", "ben@example.com"


@pytest.fixture(scope="module")
async def here(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Town]:
    home = tmp_path_factory.mktemp("home")
    async with town(home, more=NOTES, clients=("google", "notes"), hold=0.02) as opened:
        yield opened


@pytest.fixture
async def ana(here: Town) -> Person:
    return await here.newcomer()


@pytest.fixture
async def ben(here: Town) -> Person:
    return await here.newcomer()


async def _whose(agent: Wire) -> str:
    result = await agent.call("notes.whose", {"mark": "the same"})
    return str(result["structuredContent"]["account"])


async def test_an_answer_is_kept_for_nobody_not_even_for_whom_it_was(
    here: Town, ana: Person, ben: Person
) -> None:
    """The same call by two people, at the same moment, again and again: each goes to the provider (T4)."""
    arguments = {"mark": "the same"}
    hers = await here.connected(ana, "notes.whose", arguments, account=ANA)
    his = await here.connected(ben, "notes.whose", arguments, account=BEN)
    calls = here.sandbox.strict.counters.api_calls
    before = calls[ANA], calls[BEN]
    whose: list[tuple[str, str]] = []
    async with here.wire(hers) as one, here.wire(his) as other:

        async def ask(agent: Wire, account: str) -> None:
            whose.append((await _whose(agent), account))

        with anyio.fail_after(20):
            async with anyio.create_task_group() as tasks:
                for _ in range(10):
                    tasks.start_soon(ask, one, ANA)
                    tasks.start_soon(ask, other, BEN)
        reply = await one.post(one.body("tools/list", {}), one.headers("tools/list"))
    assert [told for told, _ in whose] == [account for _, account in whose]
    assert (calls[ANA] - before[0], calls[BEN] - before[1]) == (10, 10)
    assert "etag" not in reply.headers
    assert reply.headers.get("cache-control", "no-store") in {"no-store", "no-cache, no-transform"}


async def test_that_her_link_was_answered_is_told_to_her_client_alone(
    here: Town, ana: Person, ben: Person
) -> None:
    """Ben's client listens all the while, and even asks for the id of her request (M14)."""
    hers, his = list[str](), list[str]()

    def into(heard: list[str]):  # type: ignore[no-untyped-def]  # the SDK's own type of callback
        async def hear(message: IncomingMessage) -> None:
            if isinstance(message, types.ElicitCompleteNotification):
                heard.append(message.params.elicitation_id)

        return hear

    async def call(client: Client) -> None:
        await client.call_tool("gmail.list_unread", {"limit": 1})

    legacy, yes = "legacy", here.approving
    async with (
        here.client(await here.token(ben), yes(ben.name, BEN), mode=legacy, heard=into(his)) as other,
        here.client(await here.token(ana), yes(ana.name, ANA), mode=legacy, heard=into(hers)) as agent,
    ):
        with anyio.fail_after(20):
            await call(agent)
            asked = await other.call_tool("valetkey.wait", {"request": hers[0]})
            await call(other)
    assert asked.is_error
    assert len(hers) == len(his) == 1
    assert hers != his


async def test_whoever_comes_after_somebody_under_their_name_inherits_nothing(
    here: Town, ana: Person
) -> None:
    """A person is a random subject, never a name (T6)."""
    await here.connected(ana, "notes.list_notes")
    async with here.house.ground.store.transaction() as tx:
        await tx.run("DELETE FROM people WHERE subject = $1", ana.subject)
    again = await here.person(ana.name)
    assert again.subject != ana.subject
    async with Browser(url=here.url) as browser:
        await browser.send(await browser.open("/signin"), {"name": again.name, "password": PASSWORD})
        for path in ("/mine", "/mine/agents", "/mine/history?agent=you", "/mine/sessions"):
            seen = await browser.open(path)
            assert seen.status == 200, path
            assert "ana@example.com" not in seen.text, path
        assert "Notes" not in (await browser.open("/mine/history")).text
    async with here.wire(await here.token(again)) as agent:
        assert (await agent.call("notes.list_notes", {}))["resultType"] == "input_required"
        told = (await agent.call("valetkey.connections", {}))["structuredContent"]
        assert told["accounts"] == []
