"""Our authorization server: its token side alone, and the whole of it in a town with people."""

from collections.abc import AsyncIterator

import httpx2
import pytest

from tests.authserver.front import Front
from tests.authserver.issuing import Issuing, issuing
from tests.pages.browser import Browser
from tests.support.clock import FakeClock
from tests.support.town import Town, town
from valetkey.model import Ids
from valetkey.store.sqlite import SqliteStore
from valetkey.vault import Vault


@pytest.fixture
async def desk(store: SqliteStore, vault: Vault, ids: Ids, clock: FakeClock) -> AsyncIterator[Issuing]:
    async with issuing(store, vault, ids, clock) as opened:
        yield opened


@pytest.fixture(scope="module")
async def here(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Town]:
    """One town for each file."""
    async with town(tmp_path_factory.mktemp("home")) as opened_town:
        yield opened_town


@pytest.fixture
async def front(here: Town) -> AsyncIterator[Front]:
    """The front of the authorization server, and somebody new who is signed in there."""
    async with (
        Browser(url=here.url) as browser,
        httpx2.AsyncClient(base_url=here.url, trust_env=False) as http,
    ):
        opened = Front(here, await here.newcomer(), browser, http)
        await opened.sign_in(browser)
        yield opened
