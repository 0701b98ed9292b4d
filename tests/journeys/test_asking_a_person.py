"""Every way a person can answer a link, or not answer it, as a client of MCP 2026-07-28 sees it."""

from collections.abc import AsyncIterator

import anyio
import mcp_types as types
import pytest

from tests.support.browsing import tick, untick
from tests.support.town import PASSWORD, Town, town
from tests.support.wire import text
from valetkey.demo.person import PersonWithBrowser
from valetkey.people import Person
from valetkey.server.elicit import MOST_LEGS

UNREAD = {"limit": 1}
NOT_YET = 0.02
"""How long this town's server holds a leg: long enough to be approved, never long enough to wait for."""


@pytest.fixture(scope="module")
async def here(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Town]:
    async with town(tmp_path_factory.mktemp("home"), hold=NOT_YET) as opened:
        yield opened


@pytest.fixture
async def ana(here: Town) -> Person:
    here.links.clear()
    return await here.newcomer()


async def test_approved_the_same_call_goes_on(here: Town, ana: Person) -> None:
    async with here.client(await here.token(ana), here.approving(ana.name, "ana@example.com")) as agent:
        mail = await agent.call_tool("gmail.list_unread", UNREAD)
    assert not mail.is_error
    assert await here.outcomes(ana) == ["ok"]


async def test_declined_to_the_client_the_call_ends_and_is_recorded_as_that(here: Town, ana: Person) -> None:
    async with here.client(await here.token(ana), here.answering("decline")) as agent:
        said = await agent.call_tool("gmail.list_unread", UNREAD)
    assert said.is_error
    assert "[declined]" in text(said)
    assert len(here.links) == 1, "no second leg asked again"
    assert await here.outcomes(ana) == ["declined"]


async def test_declined_on_the_page_the_call_ends_and_the_next_one_has_a_new_link(
    here: Town, ana: Person
) -> None:
    async def says_no(context: object, params: types.ElicitRequestParams) -> types.ElicitResult:
        assert isinstance(params, types.ElicitRequestURLParams)
        here.links.append(params.url)
        async with PersonWithBrowser() as browser:
            await here.sign_in(browser, params.url, ana.name)
            await browser.submit(decision="deny")
        return types.ElicitResult(action="accept")

    async with here.client(await here.token(ana), says_no) as agent:
        first = await agent.call_tool("gmail.list_unread", UNREAD)
        second = await agent.call_tool("gmail.list_unread", UNREAD)
    assert "[declined]" in text(first)
    assert "[declined]" in text(second)
    assert len(set(here.links)) == 2
    assert await here.outcomes(ana) == ["declined", "declined"]


async def test_cancelled_the_link_comes_as_text(here: Town, ana: Person) -> None:
    """Headless clients cancel by themselves: the person has not said no."""
    async with here.client(await here.token(ana), here.answering("cancel")) as agent:
        said = await agent.call_tool("gmail.list_unread", UNREAD)
    assert said.is_error
    assert here.links[0] in text(said)
    assert await here.outcomes(ana) == ["not_connected"]


async def test_never_approved_the_link_comes_as_text_after_six_legs(here: Town, ana: Person) -> None:
    async with here.wire(await here.token(ana)) as agent:
        leg = await agent.call("gmail.list_unread", UNREAD)
        link = leg["inputRequests"]["valetkey"]["params"]["url"]
        for _ in range(MOST_LEGS - 1):
            leg = await agent.call("gmail.list_unread", UNREAD, leg["requestState"], "accept")
            assert "inputRequests" not in leg, "the person is asked once, then only waited for"
        last = await agent.call("gmail.list_unread", UNREAD, leg["requestState"], "accept")
    assert last["isError"]
    assert link in text(last)


async def test_a_client_of_the_sdk_is_not_driven_past_its_patience(here: Town, ana: Person) -> None:
    async with here.client(await here.token(ana), here.answering("accept")) as agent:
        said = await agent.call_tool("gmail.list_unread", UNREAD)
    assert said.is_error
    assert here.links[0] in text(said)
    assert await here.outcomes(ana) == ["not_connected"], "accepting a link is not opening it"
    assert await here.house.connections.rows.of(ana.principal) == []


async def test_approved_between_two_legs_the_next_leg_goes_on(here: Town, ana: Person) -> None:
    async with here.wire(await here.token(ana)) as agent:
        leg = await agent.call("gmail.list_unread", UNREAD)
        link = leg["inputRequests"]["valetkey"]["params"]["url"]
        leg = await agent.call("gmail.list_unread", UNREAD, leg["requestState"], "accept")
        await here.approve(link, ana.name, "ana@example.com")
        mail = await agent.call("gmail.list_unread", UNREAD, leg["requestState"])
    assert len(mail["structuredContent"]["items"]) == 1
    assert await here.outcomes(ana) == ["ok"]


async def test_approved_while_a_leg_is_held_it_goes_on_at_once(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    async with town(tmp_path_factory.mktemp("home"), hold=25) as here:
        ana = await here.person("ana")
        async with here.wire(await here.token(ana)) as agent:
            leg = await agent.call("gmail.list_unread", UNREAD)
            link = leg["inputRequests"]["valetkey"]["params"]["url"]
            with anyio.fail_after(20):
                async with anyio.create_task_group() as tasks:
                    tasks.start_soon(here.approve, link, "ana", "ana@example.com")
                    mail = await agent.call("gmail.list_unread", UNREAD, leg["requestState"], "accept")
    assert len(mail["structuredContent"]["items"]) == 1


async def test_an_expired_request_is_asked_anew_in_the_same_call(here: Town, ana: Person) -> None:
    async with here.wire(await here.token(ana)) as agent:
        leg = await agent.call("gmail.list_unread", UNREAD)
        first = leg["inputRequests"]["valetkey"]["params"]["url"]
        here.clock.advance(11 * 60_000)
        leg = await agent.call("gmail.list_unread", UNREAD, leg["requestState"], "accept")
        second = leg["inputRequests"]["valetkey"]["params"]["url"]
        assert second != first
        await here.approve(second, ana.name, "ana@example.com")
        mail = await agent.call("gmail.list_unread", UNREAD, leg["requestState"], "accept")
    assert not mail.get("isError")


async def test_a_tool_the_person_refuses_disappears_from_the_list(here: Town, ana: Person) -> None:
    """They untick what was asked and allow another: the call asks again, and the tool is listed no more."""
    token = await here.token(ana)
    async with here.wire(token) as agent, PersonWithBrowser() as browser:
        leg = await agent.call("gmail.list_unread", UNREAD)
        link = leg["inputRequests"]["valetkey"]["params"]["url"]
        await here.sign_in(browser, link, ana.name)
        untick(browser, "gmail.list_unread")
        tick(browser, "gmail.get_message")
        await browser.submit(password=PASSWORD, decision="allow")
        await browser.submit(account="ana@example.com", decision="allow")
        await browser.submit(decision="yes")
        again = await agent.call("gmail.list_unread", UNREAD, leg["requestState"], "accept")
        assert again["inputRequests"]["valetkey"]["params"]["url"] != link
    async with here.client(token) as agent_without_links:
        listed = [tool.name for tool in (await agent_without_links.list_tools()).tools]
        assert "gmail.list_unread" not in listed
        assert "gmail.get_message" in listed
        said = await agent_without_links.call_tool("gmail.list_unread", UNREAD)
        assert "[not_granted]" in text(said)
