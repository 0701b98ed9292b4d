"""Ana at her browser, before the addresses that clients print when they want to be let in."""

import httpx2

from tests.pages.browser import Browser
from tests.support.town import PASSWORD, Town


async def say_yes(here: Town, url: str, client: str) -> str:
    """Open an address as Ana, who signs in and lets this client in; return where her browser is sent."""
    async with Browser(url=here.url) as browser:
        page = await browser.follow(await browser.open(url.removeprefix(here.url)))
        consent = await browser.follow(await browser.send(page, {"name": "ana", "password": PASSWORD}))
        assert f"Let {client}" in consent.text
        return (await browser.send(consent, {"password": PASSWORD, "decision": "allow"})).location


async def come_back(url: str) -> None:
    """What a browser does last: it opens the address that it was sent to."""
    async with httpx2.AsyncClient(trust_env=False) as browser:
        assert (await browser.get(url)).status_code == 200
