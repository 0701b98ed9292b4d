"""People before a fleet of servers: they open the links they are given, and take back what they gave."""

import re
from dataclasses import dataclass, field
from random import Random

import anyio
import httpx2

from tests.support.fleet import PUBLIC, Balancer
from tests.support.town import PASSWORD
from valetkey.demo.person import PersonWithBrowser

PATIENCE = 6
"""The most seconds for which a person to whom no link comes leaves everything as it is."""

_GRANT = re.compile(r'action="(/mine/grants/[^"]+)"')


class Visitor(PersonWithBrowser):
    """A person whose browser goes through the balancer: any page may come of any server."""

    def __init__(self, balancer: Balancer) -> None:
        super().__init__()
        self._http = httpx2.AsyncClient(transport=balancer, timeout=60)


@dataclass(slots=True)
class Somebody:
    """A person, their account at every provider, and the links they were given and did not open yet."""

    name: str
    account: str
    subject: str
    waiting: list[str] = field(default_factory=list)
    given: set[str] = field(default_factory=set)
    news: anyio.Event = field(default_factory=anyio.Event)
    gone: bool = False
    taken_back: int = 0

    def take(self, link: str) -> None:
        """Be given a link: by several calls perhaps, and opened once."""
        if link not in self.given:
            self.given.add(link)
            self.waiting.append(link)
            self.news.set()

    def go(self) -> None:
        """Finish what is begun, and go."""
        self.gone = True
        self.news.set()

    async def answer(self, browser: PersonWithBrowser, chance: Random) -> None:
        """Open the links that come, in any order; when none has come for a while, take something back."""
        while not self.gone:
            self.news = anyio.Event()
            if self.waiting:
                await self._approve(browser, self.waiting.pop(chance.randrange(len(self.waiting))))
                continue
            with anyio.move_on_after(chance.uniform(1, PATIENCE)) as patience:
                await self.news.wait()
            if patience.cancelled_caught:
                await self._take_back(browser, chance)

    async def _take_back(self, browser: PersonWithBrowser, chance: Random) -> None:
        """End one of the grants on their page: what it allowed has to be asked for anew."""
        await browser.open(f"{PUBLIC}/mine")
        if grants := _GRANT.findall(browser.page):
            await browser.press(chance.choice(grants))
            self.taken_back += 1

    async def _approve(self, browser: PersonWithBrowser, link: str) -> None:
        await browser.open(link)
        if "/signin" in browser.url:
            await browser.submit(name=self.name, password=PASSWORD)
        await browser.submit(password=PASSWORD, decision="allow")
        if not browser.url.startswith(PUBLIC):
            await browser.submit(account=self.account, decision="allow")
            await browser.submit(decision="yes")
