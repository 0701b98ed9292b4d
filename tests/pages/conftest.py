"""Pages over a real store and vault, with two routes of their own to try everything on."""

import secrets
from collections.abc import AsyncIterator

import pytest
from starlette.applications import Starlette
from starlette.responses import Response

from tests.pages.browser import URL, Browser
from tests.support.clock import FakeClock
from valetkey.model import Ids, Json, Principal
from valetkey.pages import Form, Pages, Site, Visit
from valetkey.people import Sessions
from valetkey.store.sqlite import SqliteStore
from valetkey.vault import Vault

ANA = Principal("local", "per_ana")


class Counter:
    """A page with a form, which counts how often the form got through."""

    def __init__(self) -> None:
        self.sent: list[Form] = []
        self.form_to: tuple[str, ...] = ()

    async def show(self, visit: Visit) -> Response:
        nothing: dict[str, Json] = {"problem": "", "name": "", "passkey": "", "issuers": []}
        return visit.page(
            "signin.html", form_to=self.form_to, return_to="/", asked=False, ours=True, **nothing
        )

    async def submit(self, visit: Visit, form: Form) -> Response:
        self.sent.append(form)
        return visit.see("/counter")


@pytest.fixture
def sessions(store: SqliteStore, vault: Vault, ids: Ids, clock: FakeClock) -> Sessions:
    return Sessions(store, vault.keys, ids, clock, secrets.token_bytes)


@pytest.fixture
def site() -> Site:
    return Site(URL)


@pytest.fixture
def pages(site: Site, vault: Vault, sessions: Sessions, clock: FakeClock) -> Pages:
    return Pages(site, vault.keys, sessions, clock)


@pytest.fixture
def counter() -> Counter:
    return Counter()


@pytest.fixture
def app(pages: Pages, counter: Counter) -> Starlette:
    signin = pages.route("/signin", get=counter.show, post=counter.submit)
    return pages.application([pages.static(), signin])


@pytest.fixture
async def browser(app: Starlette) -> AsyncIterator[Browser]:
    async with Browser(app) as opened:
        yield opened


@pytest.fixture
async def signed_in(browser: Browser, site: Site, store: SqliteStore, sessions: Sessions) -> Browser:
    """The browser, with Ana's session."""
    async with store.transaction() as tx:
        _, secret = await sessions.start_browser(tx, ANA)
    browser.http.cookies.set(site.cookie(), secret)
    return browser
