"""A served house with Ana and Ben, who have passwords, and an agent that asks."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.pages.browser import Browser, Seen
from tests.support.town import PASSWORD, Town, town
from valetkey.model import Actor, Caller, Connection, Outcome
from valetkey.needs import AccessRequest
from valetkey.people import Person

EMAIL = "ana@example.com"


@dataclass
class Street:
    """A town, and what the tests of pages do in it over and over."""

    town: Town
    ana: Person
    ben: Person

    async def ask(
        self,
        tool: str = "gmail.list_unread",
        *,
        outcome: Outcome = Outcome.NOT_CONNECTED,
        connection: str | None = None,
        agent: str = "triage",
    ) -> AccessRequest:
        """An agent of Ana's needs something from her."""
        self.town.clock.advance(1)  # ids sort by time: what comes later is newer
        async with self.town.house.ground.store.transaction() as tx:
            actor = await self.town.house.agents.named(tx, agent)
        caller = Caller(self.ana.principal, Actor(actor.id), "ses_of_the_agent")
        return await self.town.house.requests.find_or_make(caller, (tool,), outcome, connection)

    def page(self, request: AccessRequest) -> str:
        """The path of a request's page."""
        return self.town.house.requests.link(request).removeprefix(self.town.url)

    async def state(self, request: AccessRequest) -> str:
        return (await self.town.house.requests.get(request.id)).state

    async def sign_in(self, browser: Browser, name: str = "ana", path: str = "/") -> Seen:
        """Sign in and follow to where that leads."""
        page = await browser.open(f"/signin?return_to={path}")
        return await browser.follow(await browser.send(page, {"name": name, "password": PASSWORD}))

    async def allow(self, browser: Browser, request: AccessRequest, **more: str | list[str]) -> Seen:
        """Say yes on a request's page; the answer is a redirect to the provider, or the page that is done."""
        page = await browser.open(self.page(request))
        return await browser.send(page, {"password": PASSWORD, "decision": "allow", **more})

    def consent(self, location: str, account: str = EMAIL, decision: str = "allow") -> str:
        """Consent at the provider; return the path of the callback it sends the browser to."""
        url = self.town.sandbox.approve(location, account, decision=decision)
        return url.removeprefix(self.town.url)

    async def connect(self, browser: Browser, request: AccessRequest, account: str = EMAIL) -> Connection:
        """Go all the way, and return what is connected then."""
        page = await self.arrive(browser, request, account)
        assert (await browser.send(page, {"decision": "yes"})).status == 303
        return (await self.connections())[0]

    async def arrive(self, browser: Browser, request: AccessRequest, account: str = EMAIL) -> Seen:
        """Go to the provider and back, up to the page that asks whether it is the right account."""
        self.town.clock.advance(1)
        sent = await self.allow(browser, request)
        callback = self.consent(sent.location, account)
        return await browser.follow(await browser.open(callback))

    async def connections(self) -> list[Connection]:
        return await self.town.house.connections.rows.of(self.ana.principal)

    async def events(self, kind: str) -> int:
        """How many audit events there are of a kind."""
        row = await self.town.house.ground.store.one("SELECT count(*) AS n FROM audit WHERE kind = $1", kind)
        return row["n"] if row else 0

    async def everything(self) -> dict[str, list[tuple[object, ...]]]:
        """All rows of all tables but those of the jobs, to see that nothing changed."""
        store = self.town.house.ground.store
        tables = await store.all("SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name")
        names = {one["name"] for one in tables} - {"checkpoints", "leases", "noticed"}
        rows = {name: await store.all(f"SELECT * FROM {name}") for name in names}
        return {name: [tuple(row) for row in found] for name, found in rows.items()}


@pytest.fixture
async def street(tmp_path: Path) -> AsyncIterator[Street]:
    async with town(tmp_path) as here:
        yield Street(here, await here.person("ana"), await here.person("ben"))


@pytest.fixture
async def browser(street: Street) -> AsyncIterator[Browser]:
    """A browser that nobody has signed in with."""
    async with Browser(url=street.town.url) as opened:
        yield opened


@pytest.fixture
async def anas(street: Street) -> AsyncIterator[Browser]:
    """The browser in which Ana is signed in."""
    async with Browser(url=street.town.url) as opened:
        await street.sign_in(opened)
        yield opened


@pytest.fixture
async def bens(street: Street) -> AsyncIterator[Browser]:
    """The browser in which Ben is signed in."""
    async with Browser(url=street.town.url) as opened:
        await street.sign_in(opened, "ben")
        yield opened
