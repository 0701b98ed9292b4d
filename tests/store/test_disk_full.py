"""A disk that is full and a store that is read-only: nothing is sent, nothing is half done, and it passes."""

import sqlite3
from collections.abc import AsyncIterator
from contextlib import closing
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import anyio
import httpx2
import pytest

from tests.support.clock import FakeClock
from tests.support.desk import until
from tests.support.disk import HARMS, Harm, make_read_only
from tests.support.linked import Linked, linked
from tests.support.scale import scaled
from tests.support.town import NOTES, PASSWORD, Town, town
from tests.support.wire import Wire, text
from valetkey import sandbox
from valetkey.audit.verify import verify
from valetkey.demo.person import PersonWithBrowser
from valetkey.errors import StoreError
from valetkey.model import HOUR
from valetkey.people import Person
from valetkey.sandbox import Sandbox
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


async def refreshing(here: Town, agent: Wire, harm: Harm) -> list[dict[str, Any]]:
    """Let the store fail after a refresh was sent and before its answer comes; how the call ended."""
    answers: list[dict[str, Any]] = []
    answered = anyio.Event()

    async def call() -> None:
        answers.append(await agent.call("notes.list_notes", {}))
        answered.set()

    held = here.sandbox.strict.faults.set("token", "hold", 1, after=True)
    here.clock.advance(2 * HOUR)
    with anyio.fail_after(30):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(call)
            await held.arrived.wait()
            async with harm(store_of(here)):
                here.sandbox.strict.faults.release()
                await answered.wait()
                answers.append(await agent.call("notes.list_notes", {}))
    return answers


def spent(here: Town) -> int:
    """How often the provider gave new tokens for a refresh token, and how often it refused to."""
    counted = here.sandbox.strict.counters.token_requests
    return sum(count for (grant, _), count in counted.items() if grant == "refresh_token")


async def test_tokens_that_cannot_be_stored_are_held_until_they_can(
    here: Town, ana: Person, harm: Harm
) -> None:
    token = await here.connected(ana, "notes.list_notes")
    async with here.wire(token) as agent:
        for refreshed in range(1, ROUNDS + 1):
            for answer in await refreshing(here, agent, harm):
                assert answer["_meta"]["valetkey/outcome"] == "unavailable"
            assert "structuredContent" in await agent.call("notes.list_notes", {})
            assert spent(here) == refreshed, "the old token was not spent again"


async def test_held_tokens_are_stored_though_nobody_calls(here: Town, ana: Person, harm: Harm) -> None:
    async def stored() -> bool:
        return bool(await here.house.ground.store.all(_REFRESHED))

    token = await here.connected(ana, "notes.list_notes")
    async with here.wire(token) as agent:
        await refreshing(here, agent, harm)
        await until(stored)
        async with here.another() as other, other.wire(token) as elsewhere:
            assert "structuredContent" in await elsewhere.call("notes.list_notes", {})
    assert spent(here) == 1


async def test_a_code_that_was_exchanged_just_then_is_not_spent_for_nothing(
    here: Town, ana: Person, harm: Harm
) -> None:
    answered = anyio.Event()

    async def consents(browser: PersonWithBrowser) -> None:
        await browser.submit(account="ana@example.com", decision="allow")
        answered.set()

    async with PersonWithBrowser() as browser:
        link = await here.setting_out(browser, ana)
        held = here.sandbox.strict.faults.set("token", "hold", 1, after=True)
        with anyio.fail_after(30):
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(consents, browser)
                await held.arrived.wait()
                async with harm(store_of(here)):
                    here.sandbox.strict.faults.release()
                    await answered.wait()
            assert f'href="{urlsplit(link).path}/confirm"' in browser.page
            while "Yes, this one" not in browser.page:
                await browser.open(f"{link}/confirm")
        await browser.submit(decision="yes")
    assert sum(here.sandbox.strict.counters.token_requests.values()) == 1
    async with here.wire(await here.token(ana)) as agent:
        assert "structuredContent" in await agent.call("notes.list_notes", {})


async def test_a_house_that_closes_meanwhile_closes_and_says_what_is_lost(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    providers, clock = Sandbox(FakeClock()), FakeClock()
    async with sandbox.running(providers):
        with anyio.fail_after(30):
            async with linked(tmp_path, providers, clock) as here:
                await here.connect()
                clock.advance(2 * HOUR)
                held = providers.strict.faults.set("token", "hold", 1, after=True)
                async with anyio.create_task_group() as tasks:
                    tasks.start_soon(refused, here)
                    await held.arrived.wait()
                    store = here.house.ground.store
                    assert isinstance(store, SqliteStore)
                    await make_read_only(store)
                    providers.strict.faults.release()
    assert "are lost: the store never took them" in caplog.text


async def refused(here: Linked) -> None:
    with pytest.raises(StoreError):
        await here.call()


_REFRESHED = "SELECT 1 FROM audit WHERE kind = 'tokens.refreshed'"
