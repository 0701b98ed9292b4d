"""/welcome, on one person's own machine: the owner's first password, on the way to a link, and once."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

import pytest

from tests.pages.browser import URL, Browser, Seen
from tests.support.clock import FakeClock
from tests.support.town import PASSWORD, settings_for
from valetkey.assemble import House, opened
from valetkey.model import MINUTE, Actor, Caller, Outcome
from valetkey.people import Person
from valetkey.serving import pages_application


@dataclass
class Home:
    """A new home over stdio: an owner without a password, and the agent that asks."""

    house: House
    owner: Person
    clock: FakeClock

    async def link(self, person: Person | None = None) -> str:
        """The path of a link that an agent gives a person."""
        async with self.house.ground.store.transaction() as tx:
            agent = await self.house.agents.named(tx, "local")
        caller = Caller((person or self.owner).principal, Actor(agent.id), "local")
        asked = await self.house.requests.find_or_make(caller, ("gmail.list_unread",), Outcome.NOT_CONNECTED)
        return self.house.requests.link(asked).removeprefix(URL)

    def code(self) -> str:
        """What the owner reads in the file that the page names."""
        return self.house.welcome.file.read_text()


@pytest.fixture
async def here(tmp_path: Path, clock: FakeClock) -> AsyncIterator[Home]:
    settings = settings_for(tmp_path, "http://127.0.0.1:1")
    async with opened(settings, public_url=URL, clock=clock) as house:
        async with house.ground.store.transaction() as tx:
            owner = await house.accounts.add(tx, "ana")
        yield Home(house, owner, clock)


@pytest.fixture
async def browser(here: Home) -> AsyncIterator[Browser]:
    async with Browser(pages_application(here.house)) as opened_browser:
        yield opened_browser


def welcome(path: str) -> str:
    return f"/welcome?return_to={quote(path, safe='')}"


async def first_page(browser: Browser, path: str) -> Seen:
    return await browser.follow(await browser.open(path))


async def test_a_link_leads_its_owner_to_choose_a_password_and_then_back(
    here: Home, browser: Browser
) -> None:
    link = await here.link()
    page = await first_page(browser, link)
    assert "Welcome, ana" in page.text
    sent = await browser.send(page, {"password": PASSWORD, "code": here.code()})
    assert (sent.status, sent.location) == (303, link)
    assert "Gmail" in (await browser.follow(sent)).text
    assert await here.house.accounts.sign_in("ana", PASSWORD) is not None
    assert not here.house.welcome.file.exists()


@pytest.mark.parametrize("password", ["", "too short", "x" * 1001])
async def test_a_password_that_cannot_be_is_explained_and_the_owner_stays_new(
    here: Home, browser: Browser, password: str
) -> None:
    page = await first_page(browser, await here.link())
    again = await browser.send(page, {"password": password, "code": here.code()})
    assert again.status == 422
    assert "Welcome, ana" in again.text
    assert await here.house.accounts.newcomer(here.house.ground.store) is not None


async def test_it_is_there_once(here: Home, browser: Browser) -> None:
    link = await here.link()
    page = await first_page(browser, link)
    await here.house.accounts.choose_first(here.owner.principal, PASSWORD)
    assert (await browser.send(page, {"password": "another long sentence"})).status == 404
    assert (await browser.open(welcome(link))).status == 404
    assert await here.house.accounts.sign_in("ana", PASSWORD) is not None
    assert (await browser.open(link)).location.startswith("/signin")
    assert (await browser.open("/signin")).status == 200


@pytest.mark.parametrize(
    "path", ["/", "/mine", "/connect/", f"/connect/{'A' * 43}", "//evil.example/connect/"]
)
async def test_without_a_link_nobody_chooses_the_owners_password(
    here: Home, browser: Browser, path: str
) -> None:
    await here.link()
    assert (await browser.open(welcome(path))).status == 404
    posted = await browser.post(welcome(path), [("password", PASSWORD)])
    assert posted.status in {403, 404}
    assert await here.house.accounts.newcomer(here.house.ground.store) is not None


async def test_a_link_that_is_over_or_somebody_elses_is_none(here: Home, browser: Browser) -> None:
    async with here.house.ground.store.transaction() as tx:
        ben = await here.house.accounts.add(tx, "ben")
    assert (await browser.open(welcome(await here.link(ben)))).status == 404
    link = await here.link()
    here.clock.advance(11 * MINUTE)
    assert (await browser.open(welcome(link))).status == 404


async def test_a_program_that_can_only_open_pages_does_not_choose_in_the_owners_place(
    here: Home, browser: Browser
) -> None:
    """An agent has the link and may have a browser; the file is for whoever has the owner's account."""
    page = await first_page(browser, await here.link())
    assert here.code().strip() not in page.response.text
    assert here.house.welcome.file.stat().st_mode & 0o777 == 0o600
    for code in ("", "0000-0000", here.code().strip()[:-1]):
        sent = await browser.send(page, {"password": PASSWORD, "code": code})
        assert (sent.status, "This is not the code" in sent.text) == (403, True)
    assert await here.house.accounts.newcomer(here.house.ground.store) is not None


async def test_the_code_cannot_be_guessed_at_any_pace(here: Home, browser: Browser) -> None:
    page = await first_page(browser, await here.link())
    for _ in range(5):
        await browser.send(page, {"password": PASSWORD, "code": "0000-0000"})
    sent = await browser.send(page, {"password": PASSWORD, "code": here.code()})
    assert (sent.status, "Try again in" in sent.text) == (429, True)
    here.clock.advance(MINUTE)
    typed = here.code().upper().replace("-", " ")
    assert (await browser.send(page, {"password": PASSWORD, "code": typed})).status == 303


async def test_a_form_that_another_site_sends_chooses_nothing(here: Home, browser: Browser) -> None:
    page = await first_page(browser, await here.link())
    foreign = {"Origin": "http://evil.example", "Sec-Fetch-Site": "cross-site"}
    assert (await browser.send(page, {"password": PASSWORD}, headers=foreign)).status == 403
    assert await here.house.accounts.newcomer(here.house.ground.store) is not None
