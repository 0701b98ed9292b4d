"""How the story's people answer a link: played by `person`, or by whoever watches, in their own browser."""

import webbrowser
from collections.abc import Awaitable, Callable

import anyio

from valetkey.demo.account import Account
from valetkey.demo.person import PersonWithBrowser
from valetkey.demo.reading import seen
from valetkey.demo.stage import Character, Stage

Approve = Callable[[str, str], Awaitable[None]]
"""Has a link answered; the second is the provider that it leads to."""

_LOOK_AGAIN = 60.0


class AtTheScreen:
    """A character at a browser of their own, which stays open from scene to scene."""

    def __init__(self, here: Stage, tell: Account, who: Character, browser: PersonWithBrowser) -> None:
        self._here, self._tell, self._who, self._browser = here, tell, who, browser

    async def approve(self, link: str, provider: str) -> None:
        """Open a link, look at what is asked, allow it, consent at the provider, confirm the account."""
        await self._open(link)
        asked = seen(self._browser.page)
        self._tell.page(self._who.title, asked)
        await self._browser.submit(password=self._who.password, decision="allow")
        self._tell.says("", "confirms with the password, and is sent on")
        await self._browser.submit(account=self._who.email, decision="allow")
        self._tell.says(provider, f"asks {self._who.email} for consent, and gets it")
        self._tell.page(self._who.title, seen(self._browser.page))
        await self._browser.submit(decision="yes")
        self._tell.says("", "says yes")

    async def look_at(self, link: str) -> str:
        """Open a link that may be somebody else's; return what the page says."""
        await self._open(link)
        return seen(self._browser.page).heading

    async def disconnect(self, connection: str) -> tuple[str, str]:
        """End a connection on the person's own page; return what it says then."""
        await self._open(f"{self._here.url}/mine")
        await self._browser.press(f"/connections/{connection}/revoke")
        said = seen(self._browser.page)
        return said.heading, said.text

    async def _open(self, url: str) -> None:
        await self._browser.open(url)
        if "/signin" in self._browser.url:
            self._tell.says(self._who.title, "opens the page in a browser and signs in")
            await self._browser.submit(name=self._who.name, password=self._who.password)


class InTheirOwnBrowser:
    """Whoever watches plays the character: the link opens for them, and the call waits for their answer."""

    def __init__(self, here: Stage, tell: Account, who: Character) -> None:
        self._here, self._tell, self._who = here, tell, who

    async def approve(self, link: str, provider: str) -> None:
        """Open the link in the browser of this machine, and wait until it is answered or has expired."""
        opened = await anyio.to_thread.run_sync(webbrowser.open, link)
        self._tell.says("You", "look at it in your browser" if opened else "open this link in a browser:")
        self._tell.line_to_copy(link)
        who = self._who
        self._tell.says("", f"sign in as  {who.name}  with the password  {who.password}")
        self._tell.says("", f"and at {provider}, be {who.email}")
        with self._tell.console.status("Waiting for you; the call waits too (Ctrl-C ends the demo)"):
            await self._answered(link)

    async def _answered(self, link: str) -> None:
        requests = self._here.house.requests
        request = await requests.by_handle(link.rpartition("/")[2])
        while request.state == "open":
            await requests.wait(request.id, _LOOK_AGAIN)
            request = await requests.by_handle(link.rpartition("/")[2])  # also once its time is over
