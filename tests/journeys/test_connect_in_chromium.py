"""Ana connects her mail in a real Chromium: our page, the provider, and back, with every header in force."""

from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path

import anyio
import pytest
from playwright.async_api import Page, ViewportSize, async_playwright

from tests.support.chromium import CHROMIUM
from tests.support.town import PASSWORD, Town, town
from valetkey.model import Actor, Caller, Outcome
from valetkey.people import Person

pytestmark = pytest.mark.chromium

QUIET = [
    "--no-sandbox",
    "--disable-gpu",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-quic",
]
PHONE = ViewportSize(width=360, height=740)


@dataclass
class Screen:
    """Ana in front of a phone's browser. `complaints` is what the browser said of our pages."""

    town: Town
    ana: Person
    page: Page
    complaints: list[str] = field(default_factory=list)

    async def link(self, tool: str, outcome: Outcome = Outcome.NOT_CONNECTED) -> str:
        """The link that an agent of hers was given."""
        house = self.town.house
        async with house.ground.store.transaction() as tx:
            agent = await house.agents.named(tx, "triage")
        about = (
            await house.connections.rows.of(self.ana.principal)
            if outcome is not Outcome.NOT_CONNECTED
            else []
        )
        caller = Caller(self.ana.principal, Actor(agent.id), "ses_of_the_agent")
        request = await house.requests.find_or_make(caller, (tool,), outcome, about[0].id if about else None)
        return house.requests.link(request)

    async def sign_in(self) -> None:
        await self.page.get_by_label("Name").fill("ana")
        await self.page.get_by_label("Password").fill(PASSWORD)
        await self.page.get_by_role("button", name="Sign in").click()

    async def heading(self) -> str:
        return await self.page.locator("h1").inner_text()


@pytest.fixture
async def screen(tmp_path: Path) -> AsyncIterator[Screen]:
    with anyio.fail_after(60):
        async with town(tmp_path) as here, async_playwright() as playwright:
            chromium = await playwright.chromium.launch(executable_path=CHROMIUM, args=QUIET)
            context = await chromium.new_context(viewport=PHONE, java_script_enabled=False)
            screen = Screen(here, await here.person("ana"), await context.new_page())
            screen.page.on("console", lambda message: screen.complaints.append(message.text))
            yield screen
            await chromium.close()


async def test_a_link_leads_to_the_provider_and_back_to_done(screen: Screen) -> None:
    page = screen.page
    await page.goto(await screen.link("gmail.list_unread"))
    assert await screen.heading() == "Sign in"
    await screen.sign_in()
    assert await screen.heading() == "Let triage use Gmail for you?"
    assert await page.get_by_role("checkbox", name="List unread").is_checked()
    await page.get_by_role("radio", name="1 hour").check()
    await page.get_by_label("Your password").fill(PASSWORD)
    await page.get_by_role("button", name="Continue").click()
    assert page.url.startswith(f"{screen.town.sandbox.base_url}/o/oauth2/v2/auth?")
    await page.get_by_role("button", name="Allow").click()
    assert await screen.heading() == "Is this the account you mean?"
    assert await page.locator(".account").inner_text() == "ana@example.com"
    await page.get_by_role("button", name="Yes, this one").click()
    assert await screen.heading() == "Done"
    (connection,) = await screen.town.house.connections.rows.of(screen.ana.principal)
    assert (connection.state, connection.label) == ("connected", "ana@example.com")
    (grant,) = await screen.town.house.grants.of(screen.ana.principal)
    assert grant.tools == {"gmail.list_unread"}
    assert screen.complaints == []


async def test_more_scopes_than_the_page_began_with_still_reach_the_provider(screen: Screen) -> None:
    """The person ticks more than the connection covers: the form redirects where it said it may."""
    await screen.town.approve(await screen.link("gmail.list_unread"), "ana", "ana@example.com")
    page = screen.page
    await page.goto(await screen.link("gmail.get_message", Outcome.NOT_GRANTED))
    await screen.sign_in()
    await page.get_by_text("Let it do more").click()
    await page.get_by_role("checkbox", name="Send message").check()
    await page.get_by_label("Your password").fill(PASSWORD)
    await page.get_by_role("button", name="Allow").click()
    assert page.url.startswith(f"{screen.town.sandbox.base_url}/o/oauth2/v2/auth?")
    assert screen.complaints == []


async def test_a_wrong_password_keeps_what_was_chosen(screen: Screen) -> None:
    page = screen.page
    await page.goto(await screen.link("gmail.list_unread"))
    await screen.sign_in()
    await page.get_by_text("Let it do more").click()
    await page.get_by_role("checkbox", name="Send message").check()
    await page.get_by_label("Your password").fill("not her password")
    await page.keyboard.press("Enter")
    assert await page.get_by_role("alert").inner_text() == "This is not your password."
    assert await page.get_by_role("checkbox", name="Send message").is_checked()
    assert await page.get_by_role("checkbox", name="Send message").is_visible()
    assert await page.get_by_label("Your password").input_value() == ""


async def test_she_disconnects_it_on_her_own_page(screen: Screen) -> None:
    await screen.town.approve(await screen.link("gmail.list_unread"), "ana", "ana@example.com")
    page = screen.page
    await page.goto(screen.town.url)
    await screen.sign_in()
    assert await screen.heading() == "My connections"
    await page.get_by_text("Disconnect").first.click()
    await page.get_by_role("button", name="Disconnect").click()
    assert await screen.heading() == "Gmail is disconnected"
    assert [grant.revoked for grant in screen.town.sandbox.google.grants()] == [True]
    assert screen.complaints == []
