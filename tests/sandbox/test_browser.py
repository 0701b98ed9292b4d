"""The consent page in a real browser, without JavaScript: it is read, ticked and submitted by hand."""

from urllib.parse import parse_qs, urlencode, urlsplit

import pytest
from playwright.async_api import async_playwright

from tests.sandbox.visitor import READ, SEND, google
from tests.support.chromium import CHROMIUM
from valetkey.sandbox import Sandbox


@pytest.mark.chromium
async def test_a_person_unticks_a_scope_and_allows_the_rest(sandbox: Sandbox) -> None:
    # The sandbox itself stands in for the client: all that matters is where the browser is sent.
    query = google().query | {"redirect_uri": f"{sandbox.base_url}/callback/google"}
    complaints: list[str] = []
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        page = await (await browser.new_context(java_script_enabled=False)).new_page()
        page.on("console", lambda message: complaints.append(message.text))
        await page.goto(f"{sandbox.base_url}{google().authorize}?{urlencode(query)}")
        assert "Sandbox - not the real Google" in await page.inner_text("body")
        await page.check("input[value='carol@example.com']")
        await page.uncheck(f"input[value='{SEND}']")
        complaints.clear()
        await page.click("text=Allow")
        landed = urlsplit(page.url)
        await browser.close()
    assert (landed.path, parse_qs(landed.query)["state"]) == ("/callback/google", ["a state"])
    (grant,) = sandbox.google.grants()
    assert (grant.account, grant.scopes) == ("carol@example.com", frozenset({READ}))
    assert not [text for text in complaints if "Content Security Policy" in text]
