"""Ana signs in at corp in a real Chromium, and once more to say yes, with every header in force."""

from collections.abc import AsyncIterator
from pathlib import Path

import anyio
import pytest
from playwright.async_api import Page, async_playwright

from tests.journeys.test_connect_in_chromium import PHONE, QUIET
from tests.journeys.test_corp import CORP, HER, link_of, token
from tests.support.chromium import CHROMIUM
from tests.support.town import OPERATOR, Town, town
from valetkey.model import Secret
from valetkey.sandbox import CORP_CLIENT

pytestmark = pytest.mark.chromium


@pytest.fixture
async def here(tmp_path: Path) -> AsyncIterator[Town]:
    with anyio.fail_after(60):
        async with town(tmp_path, more=CORP) as made:
            issuer = made.house.trust.issuers.named("corp")
            await made.house.trust.secrets.put(issuer, CORP_CLIENT.id, Secret(CORP_CLIENT.secret), OPERATOR)
            yield made


@pytest.fixture
async def page(here: Town) -> AsyncIterator[Page]:
    async with async_playwright() as playwright:
        chromium = await playwright.chromium.launch(executable_path=CHROMIUM, args=QUIET)
        context = await chromium.new_context(viewport=PHONE, java_script_enabled=False)
        yield await context.new_page()
        await chromium.close()


async def test_a_link_leads_through_corp_and_the_provider_to_done(here: Town, page: Page) -> None:
    complaints: list[str] = []
    page.on("console", lambda message: complaints.append(message.text))
    corp = f"{here.sandbox.base_url}/acme/authorize?*"
    await page.goto(await link_of(here, token(here)))
    await page.get_by_role("button", name="Sign in at Corp").click()
    await page.wait_for_url(corp)  # by the page on the way, which is no redirect
    await page.get_by_role("button", name="Allow").click()
    assert "/connect/" in page.url
    await page.get_by_role("button", name="once more").click()
    await page.wait_for_url(corp)
    await page.get_by_role("button", name="Allow").click()
    await page.get_by_role("button", name="Continue").click()
    assert page.url.startswith(f"{here.sandbox.base_url}/o/oauth2/v2/auth?")
    await page.get_by_role("button", name="Allow").click()
    await page.get_by_role("button", name="Yes, this one").click()
    assert await page.locator("h1").inner_text() == "Done"
    (connection,) = await here.house.connections.rows.of(HER)
    assert connection.state == "connected"
    assert complaints == []
