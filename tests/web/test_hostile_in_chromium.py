"""Pages under attack in a real Chromium with scripts on: names of markup, frames, redirects, other sites."""

from collections.abc import AsyncIterator
from dataclasses import replace

import anyio
import pytest
from playwright.async_api import Page, Request, async_playwright

from tests.pages.test_returning import ELSEWHERE
from tests.support.chromium import CHROMIUM
from tests.support.town import PASSWORD
from tests.web.conftest import Street
from valetkey.grants import Given
from valetkey.model import Connection, ConnectionState, Outcome
from valetkey.pages import plain as shown
from valetkey.pages import safe_return

pytestmark = pytest.mark.chromium

MARKUP = (
    "<img src=x onerror=alert(1)>",
    "\"'><script>alert(1)</script>",
    "</bdi></h1><svg onload=alert(1)>",
    "javascript:alert(1)",
    "{{ 7 * 7 }}{% raw %}",
    "\u202eright to left\u2028<b>x",
)


@pytest.fixture
async def page(street: Street) -> AsyncIterator[Page]:
    """Ana's browser, signed in. Whatever opens a dialog fails the test."""
    dialogs: list[str] = []
    with anyio.fail_after(60):
        async with async_playwright() as playwright:
            chromium = await playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
            page = await chromium.new_page(viewport={"width": 360, "height": 740})
            page.on("dialog", lambda dialog: dialogs.append(dialog.message))
            await page.goto(f"{street.town.url}/signin")
            await page.fill("#name", "ana")
            await page.fill("#password", PASSWORD)
            await page.get_by_role("button", name="Sign in").click()
            assert await page.inner_text("h1") == "My connections"
            yield page
            await chromium.close()
    assert not dialogs


async def plain(page: Page) -> None:
    """What the page holds is ours: no element or handler that a name brought with it, nothing too wide."""
    assert await page.evaluate("document.querySelectorAll('script, [onerror], [onload], main b').length") == 0
    sources = await page.evaluate("[...document.images].map(image => new URL(image.src).pathname)")
    assert set(sources) == {"/static/mark.svg"}
    assert await page.evaluate("document.documentElement.scrollWidth <= innerWidth")


async def test_an_agents_name_and_an_accounts_are_only_text(street: Street, page: Page) -> None:
    connection = await connected(street)
    request = await street.ask(outcome=Outcome.NOT_GRANTED, connection=connection.id)
    await granted(street, connection, request.actor)
    ground, rows = street.town.house.ground, street.town.house.connections.rows
    for name in MARKUP:
        async with ground.store.transaction() as tx:
            for agent in await street.town.house.agents.all(tx):
                await street.town.house.agents.describe(tx, replace(agent, name=name))
            await rows.set_account(tx, connection.id, "account", name)
        for path in (street.page(request), "/mine", "/mine/agents", "/mine/waiting"):
            answer = await page.goto(street.town.url + path)
            assert answer is not None
            assert answer.status == 200
            assert shown(name) in await page.inner_text("main")
            await plain(page)


async def connected(street: Street) -> Connection:
    """A connection of Ana's, without the trip."""
    state, rows = ConnectionState.CONNECTED, street.town.house.connections.rows
    new = Connection(f"con_{0:032x}", street.ana.principal, "gmail", "my-google", state, "tok_1", frozenset())
    async with street.town.house.ground.store.transaction() as tx:
        await tx.run("INSERT INTO token_sets (id) VALUES ('tok_1')")
        await rows.insert(tx, new)
    return new


async def granted(street: Street, connection: Connection, actor: str) -> None:
    given = Given(frozenset({"gmail.get_message"}), frozenset(), None)
    async with street.town.house.ground.store.transaction() as tx:
        await street.town.house.grants.give(tx, connection.principal, actor, [connection.id], given)


async def test_no_page_can_be_framed(street: Street, page: Page) -> None:
    await page.goto(f"{street.town.sandbox.base_url}/nothing")
    async with page.expect_event("requestfailed", timeout=5_000) as refused:
        await page.set_content(f"<iframe src='{street.town.url}/signin'></iframe>")
    request = await refused.value
    assert (request.url, request.failure) == (f"{street.town.url}/signin", "net::ERR_BLOCKED_BY_RESPONSE")


async def test_a_form_on_another_site_is_refused_though_the_cookie_is_there(
    street: Street, page: Page
) -> None:
    """Another port of localhost is the same site, so the cookie goes with it: the origin decides."""
    elsewhere = street.town.sandbox.base_url.replace("127.0.0.1", "localhost")
    stamp = await page.locator("form[action='/signout'] input[name=stamp]").get_attribute("value")
    await page.goto(f"{elsewhere}/nothing")
    field, target = f"<input name=stamp value='{stamp}'>", f"{street.town.url}/mine/sessions"
    await page.set_content(f"<form method=post action='{target}'>{field}</form>")
    async with page.expect_navigation():
        await page.evaluate("document.forms[0].submit()")
    assert "This form did not come from this page" in await page.inner_text("main")
    await page.goto(f"{street.town.url}/mine")
    assert "Hello, ana" in await page.inner_text("main")


async def test_wherever_a_sign_in_leads_is_our_origin_to_the_browser_too(page: Page) -> None:
    led = [safe_return(wanted) for wanted in ELSEWHERE]
    origins = await page.evaluate("paths => paths.map(path => new URL(path, location).origin)", led)
    ours = await page.evaluate("location.origin")
    assert set(origins) == {ours}
    leaving = "path => URL.canParse(path, location) && new URL(path, location).origin != origin"
    left = await page.evaluate(f"paths => paths.filter({leaving}).length", ELSEWHERE)
    assert left > 100  # the attacks are real ones: followed as they stand, these would have left


async def test_another_page_learns_nothing_of_an_invitation(street: Street, page: Page) -> None:
    """The address of an invitation is its secret: no request elsewhere carries it as a referrer."""
    house = street.town.house
    async with house.ground.store.transaction() as tx:
        secret = await house.accounts.invite(tx, await house.accounts.add(tx, "cleo"))
    await page.goto(f"{street.town.url}/join/{secret}")
    sent: list[Request] = []
    page.on("request", lambda request: sent.append(request))  # noqa: PLW0108 - playwright cannot hold a built-in
    elsewhere = f"{street.town.sandbox.base_url}/elsewhere"
    await page.evaluate(f"location.href = '{elsewhere}'")
    await page.wait_for_url(elsewhere)
    (leaving,) = [request for request in sent if request.url == elsewhere]
    assert "referer" not in await leaving.all_headers()
