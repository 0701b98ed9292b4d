"""A disk that is full and a store that is read-only: nothing is sent, nothing is half done, and it passes."""

import sqlite3
from collections.abc import AsyncIterator
from contextlib import closing
from pathlib import Path

import httpx2
import pytest

from tests.support.disk import HARMS, Harm
from tests.support.scale import scaled
from tests.support.town import NOTES, PASSWORD, Town, town
from tests.support.wire import text
from valetkey.audit.verify import verify
from valetkey.demo.person import PersonWithBrowser
from valetkey.people import Person
from valetkey.store.sqlite import SqliteStore

ROUNDS = scaled(3, 50)
NOTE = {"text": "x"}

pytestmark = pytest.mark.reliability


@pytest.fixture
async def here(tmp_path: Path) -> AsyncIterator[Town]:
    async with town(tmp_path, more=NOTES, clients=("google", "slack", "notes"), hold=0.02) as opened:
        yield opened


@pytest.fixture
async def ana(here: Town) -> Person:
    return await here.person("ana")


@pytest.fixture(params=HARMS)
def harm(request: pytest.FixtureRequest) -> Harm:
    return HARMS[request.param]


def store_of(here: Town) -> SqliteStore:
    store = here.house.ground.store
    assert isinstance(store, SqliteStore)
    return store


def content(here: Town) -> list[str]:
    """Every row of the store, but for the leases, which are nobody's doing."""
    with closing(sqlite3.connect(here.house.ground.settings.store_file)) as connection:
        return [line for line in connection.iterdump() if '"leases"' not in line]


async def test_calls_are_refused_and_not_sent_and_work_again_by_themselves(
    here: Town, ana: Person, harm: Harm
) -> None:
    token = await here.connected(ana, "notes.write_note", NOTE)
    posted = here.sandbox.strict.counters.posted
    async with here.wire(token) as agent:
        for sent in range(1, ROUNDS + 1):
            await here.records(ana)  # what waits to be written is
            before, seen = content(here), here.sandbox.strict.counters.requests["api"]
            async with harm(store_of(here)):
                for tool, arguments in (("notes.write_note", NOTE), ("notes.list_notes", {})):
                    said = await agent.call(tool, arguments)
                    assert said["_meta"]["valetkey/outcome"] == "unavailable"
                    assert "not done" in text(said)
            assert content(here) == before
            assert here.sandbox.strict.counters.requests["api"] == seen
            assert "structuredContent" in await agent.call("notes.write_note", NOTE)
            assert len(posted) == sent
    assert (await verify(here.house.ground.store, here.house.ground.keys)).events > 4 * ROUNDS


async def test_a_call_that_needs_its_person_is_refused_too(here: Town, ana: Person, harm: Harm) -> None:
    async with here.wire(await here.token(ana)) as agent:
        async with harm(store_of(here)):
            said = await agent.call("notes.list_notes", {})
            assert said["_meta"]["valetkey/outcome"] == "unavailable"
        assert (await agent.call("notes.list_notes", {}))["inputRequests"]


async def test_pages_say_it_and_what_was_begun_goes_on(here: Town, ana: Person, harm: Harm) -> None:
    async with PersonWithBrowser() as browser:
        link = await here.setting_out(browser, ana)
        asked = here.sandbox.strict.counters.token_requests
        async with harm(store_of(here)):
            await browser.submit(account="ana@example.com", decision="allow")
            assert "cannot be written" in browser.page
            assert not asked, "the code was not spent"
            async with PersonWithBrowser() as another:
                await another.open(f"{here.url}/mine")
                assert "cannot be written" in await another.submit(name="ana", password=PASSWORD)
        await browser.open(browser.url)  # the same callback, once more
        await browser.submit(decision="yes")
    assert sum(asked.values()) == 1
    async with here.wire(await here.token(ana)) as agent:
        assert "structuredContent" in await agent.call("notes.list_notes", {}), link


async def test_what_is_no_page_says_it_as_json(here: Town, harm: Harm) -> None:
    client = {"redirect_uris": ["http://localhost/callback"]}
    async with httpx2.AsyncClient(trust_env=False) as http:
        assert (await http.get(f"{here.url}/healthz")).status_code == 200
        async with harm(store_of(here)):
            said = await http.post(f"{here.url}/register", json=client)
        assert (said.status_code, said.json()["error"]) == (503, "temporarily_unavailable")
        assert (await http.post(f"{here.url}/register", json=client)).status_code == 201
