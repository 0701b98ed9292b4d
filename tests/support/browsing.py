"""What a person does besides sending forms: tick, untick, and open what somebody sent them."""

import html
import re

import httpx2

from valetkey.demo.person import PersonWithBrowser


async def fetched(browser: PersonWithBrowser, url: str, **headers: str) -> httpx2.Response:
    """Open one page with the browser's cookies and go nowhere from there."""
    return await browser._http.get(url, headers=headers)


def tick(browser: PersonWithBrowser, *tools: str) -> None:
    """Tick the boxes of tools on the page of an access request."""
    for tool in tools:
        box = f'name="tool" value="{tool}"'
        assert box in browser.page, f"the page does not offer {tool}"
        browser.page = browser.page.replace(box, f"{box} checked")


def untick(browser: PersonWithBrowser, *tools: str) -> None:
    """Take the ticks away again."""
    for tool in tools:
        box = f'name="tool" value="{tool}"'
        assert f"{box} checked" in browser.page, f"{tool} is not ticked"
        browser.page = browser.page.replace(f"{box} checked", box)


def options(browser: PersonWithBrowser, kind: str) -> str:
    """What the page's script would hand to the browser to make a passkey (`create`) or to sign (`get`)."""
    (found,) = re.findall(rf'data-passkey="{kind}" data-options="([^"]*)"', browser.page)
    return html.unescape(found)


async def sent(browser: PersonWithBrowser, name: str, passkey: str) -> str:
    """Send what the browser made with the form that has a name, as the page's script does."""
    return await browser._send(browser._form({"name"}, ""), {"name": name, "passkey": passkey})
