"""The person's own pages in a real Chromium, on a phone and at a desk: all of it within reach and in view."""

from collections.abc import AsyncIterator
from dataclasses import dataclass, field

import anyio
import pytest
from playwright.async_api import Browser, Page, ViewportSize, async_playwright

from tests.journeys.test_connect_in_chromium import QUIET
from tests.support.chromium import CHROMIUM
from tests.support.town import PASSWORD, Town, town
from valetkey.model import Actor, Caller
from valetkey.people import Person

pytestmark = pytest.mark.chromium

PHONE, DESK = ViewportSize(width=390, height=844), ViewportSize(width=1200, height=900)
PLACES = {
    "Connections": "My connections",
    "Agents": "My agents",
    "Waiting": "Waiting for you",
    "History": "What did my agents do",
    "Sign-in": "Sign-in and sessions",
}
"""The navigation's words, and the heading of the page behind each."""


@dataclass
class Screen:
    """Ana, who has let triage read, before a browser without scripts. The agent `night` has asked ahead."""

    town: Town
    ana: Person
    night: str
    browser: Browser
    complaints: list[str] = field(default_factory=list)

    async def page(self, size: ViewportSize, path: str = "/mine") -> Page:
        """Open one of her pages, signed in."""
        context = await self.browser.new_context(viewport=size, java_script_enabled=False)
        page = await context.new_page()
        page.on("console", lambda message: self.complaints.append(message.text))
        await page.goto(f"{self.town.url}/signin?return_to={path}")
        await page.get_by_label("Name").fill(self.ana.name)
        await page.get_by_label("Password").fill(PASSWORD)
        await page.get_by_role("button", name="Sign in", exact=True).click()
        return page


@pytest.fixture(scope="module")
async def here(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Town]:
    async with town(tmp_path_factory.mktemp("home")) as opened:
        yield opened


@pytest.fixture(scope="module")
async def chromium() -> AsyncIterator[Browser]:
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=CHROMIUM, args=QUIET)
        yield browser
        await browser.close()


@pytest.fixture
async def screen(here: Town, chromium: Browser) -> AsyncIterator[Screen]:
    ana = await here.newcomer()
    token = await here.connected(ana, "gmail.list_unread", also=["gmail.get_message"])
    async with here.client(token) as agent:
        await agent.call_tool("gmail.list_unread", {"limit": 2})
    async with here.house.ground.store.transaction() as tx:
        night = await here.house.agents.named(tx, f"night-{ana.name[-6:]}")  # each may ask ahead so often
    caller = Caller(ana.principal, Actor(night.id), "")
    await here.house.requests.ahead(caller, ("gmail.list_labels",), offline=True)
    screen = Screen(here, ana, night.name, chromium)
    with anyio.fail_after(90):
        yield screen
    assert screen.complaints == []


async def _heading(page: Page) -> str:
    return await page.locator("h1").inner_text()


async def _fits(page: Page) -> bool:
    """Whether nothing is wider than the screen. Asked of the layout, which takes no script on the page."""
    box = await page.locator("main").bounding_box()
    wide = await page.locator("body").bounding_box()
    size = page.viewport_size
    assert box is not None
    assert wide is not None
    assert size is not None
    return box["width"] <= size["width"] and wide["width"] <= size["width"]


@pytest.mark.parametrize("size", [PHONE, DESK], ids=["phone", "desk"])
async def test_every_place_is_one_step_away_and_says_where_one_is(screen: Screen, size: ViewportSize) -> None:
    page = await screen.page(size)
    places = page.get_by_role("navigation", name="Your pages")
    for words, heading in PLACES.items():
        await places.get_by_role("link", name=words).click()
        assert await _heading(page) == heading
        assert words in await places.locator("[aria-current=page]").inner_text()
        assert await places.get_by_text("1 to decide").count() == 1
        assert await _fits(page)


async def test_on_a_phone_the_navigation_stays_at_the_foot_and_hides_nothing(screen: Screen) -> None:
    page = await screen.page(PHONE, "/mine/history")
    places = await page.get_by_role("navigation", name="Your pages").bounding_box()
    assert places is not None
    assert places["y"] + places["height"] == PHONE["height"]
    last = page.locator("footer")
    await last.scroll_into_view_if_needed()
    foot = await last.bounding_box()
    assert foot is not None
    assert foot["y"] + foot["height"] <= places["y"]


async def test_she_takes_something_away_and_adds_something_on_a_phone(screen: Screen) -> None:
    page = await screen.page(PHONE, "/mine/agents")
    await page.get_by_role("link", name="Change or revoke").click()
    assert await _heading(page) == "What triage may do"
    await page.get_by_role("checkbox", name="Get message").uncheck()
    await page.get_by_role("button", name="Take it away").click()
    assert await _heading(page) == "My agents"
    (grant,) = await screen.town.house.grants.of(screen.ana.principal)
    assert grant.tools == {"gmail.list_unread"}
    await page.get_by_role("link", name="Change or revoke").click()
    await page.get_by_text("Allow more, or longer").click()
    await page.get_by_role("radio", name="30 days").check()
    await page.get_by_role("checkbox", name="It may act while I am away").check()
    await page.get_by_label("Your password").fill(PASSWORD)
    await page.get_by_role("button", name="Allow", exact=True).click()
    assert await page.get_by_text("Also while you are away").is_visible()
    (now,) = await screen.town.house.grants.of(screen.ana.principal)
    assert (now.offline, (now.until or 0) > (grant.until or 0)) == (True, True)


async def test_a_wrong_password_keeps_the_page_open_where_it_was(screen: Screen) -> None:
    page = await screen.page(PHONE, "/mine/agents")
    await page.get_by_role("link", name="Change or revoke").click()
    await page.get_by_text("Allow more, or longer").click()
    await page.get_by_label("Your password").fill("not her password")
    await page.get_by_role("button", name="Allow", exact=True).click()
    assert await page.get_by_role("alert").inner_text() == "This is not your password."
    assert await page.get_by_label("Your password").is_visible()
    assert ["403 (Forbidden)" in complaint for complaint in screen.complaints] == [True]
    screen.complaints.clear()


async def test_she_stops_an_agent(screen: Screen) -> None:
    page = await screen.page(DESK, "/mine/agents")
    await page.get_by_text("Stop this agent").first.click()
    await page.get_by_role("button", name="Stop triage for me now").click()
    assert await _heading(page) == "triage is stopped"
    await page.get_by_role("link", name="Go back").click()
    assert await page.get_by_text("No agent acts for you").is_visible()


async def test_she_decides_what_waits(screen: Screen) -> None:
    page = await screen.page(PHONE, "/mine/waiting")
    await page.get_by_role("link", name="Look and decide").click()
    assert await _heading(page) == f"Let {screen.night} use Gmail for you?"
    away = page.get_by_role("checkbox", name="It may act while I am away")
    assert (await away.is_visible(), await away.is_checked()) == (True, False)
    await away.check()
    await page.get_by_label("Your password").fill(PASSWORD)
    await page.get_by_role("button", name="Allow").click()
    assert await _heading(page) == "Done"
    assert sorted(one.offline for one in await screen.town.house.grants.of(screen.ana.principal)) == [
        False,
        True,
    ]


async def test_she_unfolds_what_a_call_was_made_with(screen: Screen) -> None:
    page = await screen.page(PHONE, "/mine/history")
    await page.get_by_label("How it ended").select_option("Done")
    await page.get_by_role("button", name="Show").click()
    given = page.locator(".given").first
    assert not await given.is_visible()
    await page.get_by_text("With what").first.click()
    assert await given.inner_text() == "limit\n2"
