"""Incremental scopes: a trip asks for what is ticked and what is kept; what comes of it is what counts."""

from collections.abc import AsyncIterator, Mapping
from urllib.parse import parse_qs, urlsplit

import pytest

from tests.support.browsing import tick
from tests.support.town import PASSWORD, Town, town
from tests.support.wire import text
from valetkey.demo.person import PersonWithBrowser
from valetkey.people import Person

GMAIL = "https://www.googleapis.com/auth/gmail."
ANA = "ana@example.com"
LIST, CHANGE, SEND = "gmail.list_unread", "gmail.change_labels", "gmail.send_message"
ARGUMENTS: Mapping[str, dict[str, object]] = {
    LIST: {"limit": 1},
    CHANGE: {"id": "18a0000000000001", "add": ["STARRED"]},
    SEND: {"to": "ben@example.com", "subject": "Lunch", "text": "Noodles."},
}


@pytest.fixture(scope="module")
async def here(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Town]:
    async with town(tmp_path_factory.mktemp("home"), clients=("google",), hold=0.02) as opened:
        yield opened


@pytest.fixture
async def ana(here: Town) -> Person:
    return await here.newcomer()


@pytest.fixture
async def browser() -> AsyncIterator[PersonWithBrowser]:
    async with PersonWithBrowser() as opened:
        yield opened


async def _set_out(
    here: Town, browser: PersonWithBrowser, ana: Person, tool: str, *also: str, agent: str = "triage"
) -> set[str]:
    """Let an agent ask for a tool, say yes, and return the scopes that the provider is asked for."""
    async with here.wire(await here.token(ana, agent)) as wire:
        leg = await wire.call(tool, ARGUMENTS[tool])
    await here.sign_in(browser, leg["inputRequests"]["valetkey"]["params"]["url"], ana.name)
    tick(browser, *also)
    await browser.submit(password=PASSWORD, decision="allow")
    asked = parse_qs(urlsplit(browser.url).query).get("scope", [""])[0]
    return {scope.removeprefix(GMAIL) for scope in asked.split()}


async def _arrive(browser: PersonWithBrowser, **ticked: str) -> None:
    await browser.submit(account=ANA, decision="allow", **ticked)
    await browser.submit(decision="yes")


async def _call(here: Town, ana: Person, tool: str, agent: str = "triage") -> str:
    async with here.client(await here.token(ana, agent)) as client:
        result = await client.call_tool(tool, ARGUMENTS[tool])
    return text(result).partition("]")[0] if result.is_error else "ok"


async def test_a_first_trip_asks_for_what_is_ticked_and_no_more(
    here: Town, ana: Person, browser: PersonWithBrowser
) -> None:
    assert await _set_out(here, browser, ana, LIST) == {"readonly"}


async def test_a_tool_that_needs_more_asks_for_that_and_for_what_is_kept(
    here: Town, ana: Person, browser: PersonWithBrowser
) -> None:
    await _set_out(here, browser, ana, LIST)
    await _arrive(browser)
    assert await _call(here, ana, SEND) == "[insufficient_scope"
    assert await _set_out(here, browser, ana, SEND) == {"readonly", "send"}
    await _arrive(browser)
    assert [await _call(here, ana, tool) for tool in (LIST, SEND)] == ["ok", "ok"]
    (one,) = [one for one in await here.house.connections.rows.of(ana.principal) if one.state == "connected"]
    assert {scope.removeprefix(GMAIL) for scope in one.scopes} == {"readonly", "send"}


async def test_a_scope_that_implies_another_covers_its_tools_without_a_trip(
    here: Town, ana: Person, browser: PersonWithBrowser
) -> None:
    assert await _set_out(here, browser, ana, CHANGE) == {"modify"}, "it lets the account be named, too"
    await _arrive(browser)
    assert await _set_out(here, browser, ana, LIST, agent="second") == set()
    assert await _call(here, ana, LIST, "second") == "ok"


async def test_a_scope_the_person_left_out_at_the_provider_is_missing_and_the_rest_works(
    here: Town, ana: Person, browser: PersonWithBrowser
) -> None:
    assert await _set_out(here, browser, ana, LIST, SEND) == {"readonly", "send"}
    await _arrive(browser, scope=f"{GMAIL}readonly")
    assert await _call(here, ana, LIST) == "ok"
    assert await _call(here, ana, SEND) == "[insufficient_scope"
    assert await _set_out(here, browser, ana, SEND) == {"readonly", "send"}
    await _arrive(browser)
    assert await _call(here, ana, SEND) == "ok"
