"""Several connectors on one page: decided once, one trip after another, each counting once confirmed."""

from collections.abc import AsyncIterator

import pytest

from tests.support.browsing import fetched, tick, untick
from tests.support.town import NOTES, PASSWORD, PASTED, Town, town
from valetkey.demo.person import PersonWithBrowser
from valetkey.errors import PageError
from valetkey.model import Actor, Caller, Outcome
from valetkey.needs import AccessRequest
from valetkey.people import Person
from valetkey.sandbox import KEYS, TOKENS

ANA = "ana@example.com"
SETTING = NOTES[:-1] + ", " + PASTED.partition("[")[2]
MAIL, SLACK, NOTE, THING = "gmail.list_unread", "slack.list_channels", "notes.list_notes", "keyed.list_things"


@pytest.fixture(scope="module")
async def here(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Town]:
    home = tmp_path_factory.mktemp("home")
    async with town(home, more=SETTING, clients=("google", "slack", "notes"), hold=0.02) as opened:
        yield opened


@pytest.fixture
async def ana(here: Town) -> Person:
    return await here.newcomer()


@pytest.fixture
async def browser() -> AsyncIterator[PersonWithBrowser]:
    async with PersonWithBrowser() as opened:
        yield opened


async def _asked(here: Town, ana: Person, *tools: str) -> AccessRequest:
    async with here.house.ground.store.transaction() as tx:
        agent = await here.house.agents.named(tx, "triage")
    caller = Caller(ana.principal, Actor(agent.id), "ses_of_the_agent")
    return await here.house.requests.find_or_make(caller, tools, Outcome.NOT_CONNECTED)


async def _opened(here: Town, browser: PersonWithBrowser, ana: Person, *tools: str) -> AccessRequest:
    request = await _asked(here, ana, *tools)
    await here.sign_in(browser, here.house.requests.link(request), ana.name)
    return request


async def _consent(browser: PersonWithBrowser) -> None:
    """Say yes at the provider, and then to the account."""
    await browser.submit(account=ANA, decision="allow")
    assert browser.url.endswith("/confirm")
    await browser.submit(decision="yes")


async def _usable(here: Town, ana: Person, *tools: str) -> list[str]:
    """Those of the tools that an agent can use now."""
    async with here.client(await here.token(ana)) as client:
        return [tool for tool in tools if not (await client.call_tool(tool, {})).is_error]


async def _state(here: Town, request: AccessRequest) -> str:
    return (await here.house.requests.get(request.id)).state


async def test_one_page_one_password_and_one_trip_after_another(
    here: Town, ana: Person, browser: PersonWithBrowser
) -> None:
    request = await _opened(here, browser, ana, MAIL, NOTE, "notes.write_note")
    assert "use <bdi>Gmail and Notes</bdi> for you?" in browser.page
    assert "Gmail: what it may do" in browser.page
    assert browser.page.count('type="password"') == 1
    await browser.submit(password=PASSWORD, decision="allow")
    assert "/o/oauth2/v2/auth" in browser.url
    await _consent(browser)
    assert "/strict/authorize" in browser.url, "the next trip begins at once"
    assert await _usable(here, ana, MAIL, NOTE) == [MAIL], "what is confirmed counts already"
    assert await _state(here, request) == "open"
    await _consent(browser)
    assert "You can go back to your agent." in browser.page
    assert await _usable(here, ana, MAIL, NOTE) == [MAIL, NOTE]
    assert await _state(here, request) == "met"


async def test_a_no_at_one_provider_leaves_the_rest_to_ask_for(
    here: Town, ana: Person, browser: PersonWithBrowser
) -> None:
    request = await _opened(here, browser, ana, MAIL, NOTE)
    await browser.submit(password=PASSWORD, decision="allow")
    await _consent(browser)
    await browser.submit(account=ANA, decision="deny")
    assert "No access was given" in browser.page
    await browser.open(here.house.requests.link(request))
    assert "use <bdi>Notes</bdi> for you?" in browser.page, "Gmail is done"
    assert await _usable(here, ana, MAIL, NOTE) == [MAIL]
    await browser.submit(password=PASSWORD, decision="allow")
    await _consent(browser)
    assert await _state(here, request) == "met"


async def test_an_account_that_was_not_meant_is_asked_about_again_and_nothing_else(
    here: Town, ana: Person, browser: PersonWithBrowser
) -> None:
    request = await _opened(here, browser, ana, MAIL, NOTE)
    await browser.submit(password=PASSWORD, decision="allow")
    await browser.submit(account="ben@example.com", decision="allow")
    await browser.submit(decision="no")
    assert "use <bdi>Gmail and Notes</bdi> for you?" in browser.page
    assert await _state(here, request) == "open"


async def test_a_pasted_secret_and_a_trip_on_one_page(
    here: Town, ana: Person, browser: PersonWithBrowser
) -> None:
    request = await _opened(here, browser, ana, NOTE, THING)
    await browser.submit(password=PASSWORD, decision="allow", **{"secret-keyed": "keyed-nobody"})
    assert 'id="secret-keyed-wrong"' in browser.page
    assert await here.house.connections.rows.of(ana.principal) == [], "nothing was begun"
    await browser.submit(password=PASSWORD, decision="allow", **{"secret-keyed": KEYS[ANA][0]})
    assert browser.url.endswith("/confirm")
    await browser.submit(decision="yes")
    assert "/strict/authorize" in browser.url
    await _consent(browser)
    assert await _usable(here, ana, NOTE, THING) == [NOTE, THING]
    assert await _state(here, request) == "met"


async def test_a_yes_that_is_sent_twice_is_no_yes_to_the_next_account_of_the_same_name(
    here: Town, ana: Person, browser: PersonWithBrowser
) -> None:
    """A button pressed twice: the second yes must not reach an account its person has not seen."""
    request = await _opened(here, browser, ana, THING, "beared.list_things")
    secrets = {"secret-keyed": KEYS[ANA][0], "secret-beared": TOKENS[ANA][0]}
    await browser.submit(password=PASSWORD, decision="allow", **secrets)
    confirming, question = browser.url, browser.page
    await browser.submit(decision="yes")
    assert browser.url == confirming, "the other account waits"
    browser.page = question
    await browser.submit(decision="yes")
    assert "Another account arrived since this page was shown." in browser.page
    assert len(await _usable(here, ana, THING, "beared.list_things")) == 1
    await browser.submit(decision="yes")
    assert await _state(here, request) == "met"


async def test_what_is_connected_already_is_given_at_once(
    here: Town, ana: Person, browser: PersonWithBrowser
) -> None:
    await here.connected(ana, NOTE)
    request = await _opened(here, browser, ana, MAIL, "slack.list_users")
    untick(browser, "slack.list_users")
    await browser.submit(password=PASSWORD, decision="allow")
    await _consent(browser)
    assert await _state(here, request) == "met", "what was not ticked is passed over"
    assert await _usable(here, ana, MAIL, SLACK) == [MAIL]


async def test_nothing_begins_where_one_of_them_cannot(
    here: Town, ana: Person, browser: PersonWithBrowser
) -> None:
    request = await _opened(here, browser, ana, NOTE, "github.list_repositories")
    await browser.submit(password=PASSWORD, decision="allow")
    assert "Not set up yet" in browser.page
    assert await _state(here, request) == "open"
    assert await here.house.ground.store.all("SELECT 1 AS n FROM flows WHERE request = $1", request.id) == []


async def test_more_of_one_connector_can_be_ticked_beside_another(
    here: Town, ana: Person, browser: PersonWithBrowser
) -> None:
    await _opened(here, browser, ana, MAIL, NOTE)
    tick(browser, "notes.write_note")
    await browser.submit(password=PASSWORD, decision="allow")
    await _consent(browser)
    assert "notes.write" in browser.url
    await _consent(browser)
    granted = {tool for grant in await here.house.grants.of(ana.principal) for tool in grant.tools}
    assert granted == {MAIL, NOTE, "notes.write_note"}


async def test_the_order_of_what_is_asked_makes_no_other_need(here: Town, ana: Person) -> None:
    first, again = await _asked(here, ana, MAIL, NOTE), await _asked(here, ana, NOTE, MAIL)
    assert first.id == again.id
    assert (await _asked(here, ana, MAIL)).id != first.id


async def test_a_connector_is_answered_once(here: Town, ana: Person) -> None:
    request = await _asked(here, ana, MAIL, NOTE)
    requests, store = here.house.requests, here.house.ground.store
    async with store.transaction() as tx:
        assert not await requests.answered(tx, request, ["gmail"])
    with pytest.raises(PageError) as again:
        async with store.transaction() as tx:
            await requests.answered(tx, request, ["gmail"])
    assert again.value.status == 409
    async with store.transaction() as tx:
        assert await requests.answered(tx, request, ["notes"])
    assert await _state(here, request) == "met"


async def test_the_whole_request_can_be_declined(here: Town, ana: Person, browser: PersonWithBrowser) -> None:
    request = await _opened(here, browser, ana, MAIL, NOTE)
    await browser.submit(decision="deny")
    assert await _state(here, request) == "declined"
    assert (await fetched(browser, here.house.requests.link(request))).status_code == 200
