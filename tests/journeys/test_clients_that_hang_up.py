"""Clients and browsers that hang up in the middle of a refresh or a code exchange: nothing is lost."""

import time
from collections import Counter
from collections.abc import AsyncIterator

import anyio
import anyio.lowlevel
import pytest

from tests.support.scale import scaled
from tests.support.town import NOTES, PASSWORD, Town, town
from valetkey.demo.person import PersonWithBrowser
from valetkey.model import MINUTE, SECOND, ConnectionState
from valetkey.people import Person

pytestmark = pytest.mark.reliability
ANA = "ana@example.com"
LIFETIME = 300 * SECOND


@pytest.fixture(scope="module")
async def here(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Town]:
    async with town(tmp_path_factory.mktemp("home"), more=NOTES, clients=("notes",)) as opened:
        yield opened


async def call(here: Town, token: str) -> bool:
    """Call on a connection of its own; whether it was answered."""
    here.clock.advance(LIFETIME)
    async with here.wire(token) as wire:
        return "structuredContent" in await wire.call("notes.list_notes", {})


async def test_a_client_that_hangs_up_in_a_refresh_costs_one_refresh(here: Town) -> None:
    person, points = await here.newcomer(), scaled(30, 2_000)
    token = await here.connected(person, "notes.list_notes", lasts="until I revoke")
    (*_, grant) = here.sandbox.strict.grants()
    began = time.perf_counter()
    assert await call(here, token)
    took = time.perf_counter() - began
    with anyio.fail_after(3_600):
        for point in range(points):
            with anyio.move_on_after(took * point / points):
                await call(here, token)
            await landed(here)
        assert await call(here, token)
    assert not grant.revoked
    assert here.sandbox.strict.counters.token_requests.keys() == {
        ("authorization_code", "ok"),
        ("refresh_token", "ok"),
    }


async def test_a_browser_that_hangs_up_on_its_way_back_can_begin_anew(here: Town) -> None:
    points, took = scaled(8, 500), (await _connects(here, None))[1]
    with anyio.fail_after(3_600):
        people = [(await _connects(here, took * point / points))[0] for point in range(points)]
    here.clock.advance(11 * MINUTE)
    await here.house.jobs.once()
    for person in people:
        found = await here.house.connections.rows.of(person.principal)
        assert Counter(one.state for one in found)[ConnectionState.CONNECTED] == 1
        assert {one.state for one in found} <= {ConnectionState.CONNECTED, ConnectionState.REVOKED}


async def _connects(here: Town, hangs_up_after: float | None) -> tuple[Person, float]:
    """Somebody new connects; who hangs up so many seconds after their consent begins anew with the same link.

    Returns who it was, and how long their way back took.
    """
    person = await here.newcomer()
    token = await here.token(person)
    async with here.wire(token) as wire:
        leg = await wire.call("notes.list_notes", {})
    link: str = leg["inputRequests"]["valetkey"]["params"]["url"]
    async with PersonWithBrowser() as browser:
        await _allow(here, browser, link, person)
        began = time.perf_counter()
        with anyio.move_on_after(hangs_up_after):
            await browser.submit(account=ANA, decision="allow")
        took = time.perf_counter() - began
    await landed(here)
    async with PersonWithBrowser() as browser:
        await _allow(here, browser, link, person)
        await browser.submit(account=ANA, decision="allow")
        await browser.submit(decision="yes")
    assert await call(here, token)
    return person, took


async def _allow(here: Town, browser: PersonWithBrowser, link: str, person: Person) -> None:
    """Open a link and allow what is asked: then stand before the provider."""
    await here.sign_in(browser, link, person.name)
    await browser.submit(password=PASSWORD, decision="allow", lasts="8 hours")


async def landed(here: Town) -> None:
    """Wait until what the house has begun for them has ended."""
    with anyio.fail_after(30):
        while here.house.ground.tasks._tasks:  # type: ignore[attr-defined]  # anyio's task group shows them to nobody
            await anyio.lowlevel.checkpoint()
