"""Ana and her passkey in a real Chromium, which plays the device too: from adding it to approving with it."""

from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import anyio
import pytest
from playwright.async_api import CDPSession, Page, async_playwright

from tests.support.chromium import CHROMIUM
from tests.support.town import PASSWORD, Town, town
from valetkey.model import Actor, Caller, Outcome
from valetkey.people import Person

pytestmark = pytest.mark.chromium

DEVICE = {
    "protocol": "ctap2",
    "transport": "internal",
    "hasResidentKey": True,
    "hasUserVerification": True,
    "isUserVerified": True,
    "automaticPresenceSimulation": True,
}


@dataclass
class Screen:
    """Ana in front of a browser and a device that keeps passkeys. `complaints` is what the browser said."""

    town: Town
    ana: Person
    page: Page
    cdp: CDPSession
    device: str
    complaints: list[str] = field(default_factory=list)

    async def open(self, path: str) -> None:
        await self.page.goto(f"{self.town.url}{path}")

    async def press(self, name: str) -> None:
        await self.page.get_by_role("button", name=name, exact=True).click()

    async def heading(self, text: str) -> None:
        """Wait for the page that says so."""
        await self.page.locator("h1", has_text=text).wait_for(timeout=10_000)

    async def sign_in(self) -> None:
        await self.open("/signin")
        await self.page.get_by_label("Name").fill("ana")
        await self.page.get_by_label("Password").fill(PASSWORD)
        await self.press("Sign in")
        await self.page.locator("h1").wait_for()

    async def add_passkey(self) -> None:
        await self.open("/mine/sessions")
        await self.page.get_by_role("link", name="Add a passkey").click()
        await self.page.get_by_label("Your password").fill(PASSWORD)
        await self.press("Continue")
        await self.page.get_by_label("A name for it").fill("Ana's phone")
        await self.press("Create the passkey")
        await self.heading("Sign-in and sessions")

    async def link(self) -> str:
        """The path of a link that an agent of hers was given."""
        house = self.town.house
        async with house.ground.store.transaction() as tx:
            agent = await house.agents.named(tx, "triage")
        caller = Caller(self.ana.principal, Actor(agent.id), "ses_of_the_agent")
        request = await house.requests.find_or_make(caller, ("gmail.list_unread",), Outcome.NOT_CONNECTED)
        return house.requests.link(request).removeprefix(self.town.url)

    async def credential(self) -> dict[str, Any]:
        """The one passkey that the device keeps."""
        found = await self.cdp.send("WebAuthn.getCredentials", {"authenticatorId": self.device})
        (one,) = found["credentials"]
        return dict(one)

    def heard(self, complaint: str) -> None:
        """A refusal is an answer, whatever Chromium calls it."""
        if "status of 403" not in complaint:
            self.complaints.append(complaint)

    async def events(self, kind: str) -> int:
        row = await self.town.house.ground.store.one("SELECT count(*) AS n FROM audit WHERE kind = $1", kind)
        return row["n"] if row else 0


@pytest.fixture
async def screen(tmp_path: Path) -> AsyncIterator[Screen]:
    with anyio.fail_after(90):
        async with town(tmp_path) as here, async_playwright() as playwright:
            chromium = await playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
            page = await chromium.new_page(viewport={"width": 1280, "height": 900})
            cdp = await page.context.new_cdp_session(page)
            await cdp.send("WebAuthn.enable")
            made = await cdp.send("WebAuthn.addVirtualAuthenticator", {"options": DEVICE})
            screen = Screen(here, await here.person("ana"), page, cdp, made["authenticatorId"])
            page.on("console", lambda message: screen.heard(message.text))
            page.on("pageerror", lambda error: screen.complaints.append(str(error)))
            yield screen
            await chromium.close()
            assert screen.complaints == []


async def test_she_adds_a_passkey_signs_in_with_it_and_approves_with_it(screen: Screen) -> None:
    await screen.sign_in()
    await screen.add_passkey()
    assert "Ana's phone" in await screen.page.inner_text("main")
    assert (await screen.credential())["rpId"] == "localhost"
    await screen.press("Sign out everywhere")
    await screen.heading("Sign in")
    await screen.press("Use a passkey")
    await screen.page.wait_for_url(f"{screen.town.url}/mine")
    await screen.open(await screen.link())
    await screen.heading("Let triage use Gmail for you?")
    await screen.page.get_by_role("radio", name="1 hour").check()
    await screen.press("Continue with your passkey")
    await screen.page.wait_for_url(f"{screen.town.sandbox.base_url}/o/oauth2/v2/auth?**")
    await screen.press("Allow")
    await screen.heading("Is this the account you mean?")
    await screen.press("Yes, this one")
    await screen.heading("Done")
    (grant,) = await screen.town.house.grants.of(screen.ana.principal)
    assert grant.tools == {"gmail.list_unread"}
    assert await screen.events("passkey.added") == 1


async def test_somebody_invited_needs_no_password_at_all(screen: Screen) -> None:
    house = screen.town.house
    async with house.ground.store.transaction() as tx:
        secret = await house.accounts.invite(tx, await house.accounts.add(tx, "cleo"))
    await screen.open(f"/join/{secret}")
    await screen.press("Use a passkey instead")
    await screen.page.wait_for_url(f"{screen.town.url}/mine")
    await screen.open("/mine/sessions")
    assert "None: you sign in with a passkey alone" in await screen.page.inner_text("main")
    await screen.press("Sign out everywhere")
    await screen.press("Use a passkey")
    await screen.page.wait_for_url(f"{screen.town.url}/mine")
    cleo = await house.accounts.named(house.ground.store, "cleo")
    assert (cleo.joined, cleo.has_password) == (True, False)


async def test_a_copy_of_her_passkey_is_found_out_by_its_counter(screen: Screen) -> None:
    await screen.sign_in()
    await screen.add_passkey()
    copied = await screen.credential()
    for _ in range(2):
        await screen.press("Sign out everywhere")
        await screen.press("Use a passkey")
        await screen.page.wait_for_url(f"{screen.town.url}/mine")
        await screen.open("/mine/sessions")
    await screen.press("Sign out everywhere")
    await screen.heading("Sign in")
    device = {"authenticatorId": screen.device}
    await screen.cdp.send("WebAuthn.removeCredential", {**device, "credentialId": copied["credentialId"]})
    await screen.cdp.send("WebAuthn.addCredential", {**device, "credential": copied})
    await screen.press("Use a passkey")
    await screen.page.get_by_role("alert").wait_for()
    assert "seems to exist twice" in await screen.page.get_by_role("alert").inner_text()
    assert await screen.events("passkey.copied") == 1


async def test_where_nobody_is_verified_the_page_stays_and_the_password_does(screen: Screen) -> None:
    await screen.sign_in()
    await screen.add_passkey()
    link = await screen.link()
    await screen.cdp.send(
        "WebAuthn.setUserVerified", {"authenticatorId": screen.device, "isUserVerified": False}
    )
    await screen.open(link)
    await screen.press("Continue with your passkey")
    await screen.page.get_by_text("No passkey was used. You can try again.").wait_for()
    await screen.page.get_by_label("Your password").fill(PASSWORD)
    await screen.page.keyboard.press("Enter")
    await screen.page.wait_for_url(f"{screen.town.sandbox.base_url}/o/oauth2/v2/auth?**")
