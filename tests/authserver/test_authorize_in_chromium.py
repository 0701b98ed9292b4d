"""The page of /authorize in a real Chromium: its policy lets the answer through, and nothing else."""

from collections.abc import AsyncIterator

import anyio
import pytest
from playwright.async_api import Page, async_playwright
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from tests.authserver.front import Front
from tests.clients.serving import served
from tests.support.chromium import CHROMIUM
from tests.support.town import PASSWORD
from valetkey.errors import SettingsError
from valetkey.serving import listen

pytestmark = pytest.mark.chromium


@pytest.fixture
async def page(front: Front) -> AsyncIterator[Page]:
    """The person's browser, on a phone, not signed in yet. A dialog fails the test."""
    dialogs: list[str] = []
    with anyio.fail_after(60):
        async with async_playwright() as playwright:
            chromium = await playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
            opened = await chromium.new_page(viewport={"width": 360, "height": 740})
            opened.on("dialog", lambda dialog: dialogs.append(dialog.message))
            yield opened
            await chromium.close()
    assert not dialogs


async def callback(request: Request) -> PlainTextResponse:
    return PlainTextResponse(f"arrived: {' '.join(sorted(request.query_params))}")


async def sign_in(front: Front, page: Page, path: str) -> None:
    """Open what a client opened, and sign in on the way."""
    await page.goto(front.town.url + path)
    await page.fill("#name", front.person.name)
    await page.fill("#password", PASSWORD)
    await page.get_by_role("button", name="Sign in").click()


async def decide(page: Page, word: str) -> None:
    await page.fill("#password", PASSWORD)
    await page.get_by_role("button", name=word).click()


@pytest.mark.parametrize(("bound", "named"), [("127.0.0.1", "localhost"), ("::1", "[::1]")])
@pytest.mark.parametrize(("word", "brings"), [("Allow", "code iss state"), ("Deny", "error")])
async def test_the_answer_reaches_an_application_on_this_computer(
    front: Front, page: Page, bound: str, named: str, word: str, brings: str
) -> None:
    try:
        listener = listen(bound, 0)
    except SettingsError:
        pytest.skip("this machine has no IPv6")
    back = f"http://{named}:{listener.getsockname()[1]}/callback"
    client = await front.client(client_name="Reader", redirect_uris=[f"http://{named}/callback"])
    async with served(Starlette(routes=[Route("/callback", callback)]), listener):
        await sign_in(front, page, front.path(client, redirect_uri=back))
        assert await page.inner_text("h1") == "Let Reader act for you?"
        assert await page.evaluate("document.documentElement.scrollWidth <= innerWidth")
        await decide(page, word)
        await page.wait_for_url(f"{back}?**")
        assert f"arrived: {brings}" in await page.inner_text("body")


async def test_the_answer_reaches_an_application_with_a_scheme_of_its_own(front: Front, page: Page) -> None:
    back = "com.example.reader:/callback"
    client = await front.client(redirect_uris=[back])
    wrong: list[str] = []
    page.on("console", lambda said: wrong.append(said.text))
    await sign_in(front, page, front.path(client, redirect_uri=back))
    async with page.expect_response(lambda response: response.status == 303) as answer:
        await decide(page, "Allow")
    assert (await (await answer.value).all_headers())["location"].startswith(f"{back}?code=")
    assert not [text for text in wrong if "form-action" in text]


async def test_a_name_of_markup_is_only_text(front: Front, page: Page) -> None:
    name = "\"'></bdi><img src=x onerror=alert(1)><script>alert(1)</script>"
    await sign_in(front, page, front.path(await front.client(client_name=name)))
    assert await page.inner_text("h1") == f"Let {name} act for you?"
    assert await page.evaluate("document.querySelectorAll('main script, [onerror], main h1 img').length") == 0
