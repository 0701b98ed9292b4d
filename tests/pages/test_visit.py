"""A visit's form: its stamp is good in one browser, and in one session of it."""

import pytest
from starlette.applications import Starlette

from tests.pages.browser import Browser
from tests.pages.conftest import ANA, Counter
from valetkey.pages import Site
from valetkey.people import Sessions
from valetkey.store.sqlite import SqliteStore


async def test_before_anyone_signs_in_a_form_belongs_to_its_browser(
    browser: Browser, counter: Counter, app: Starlette
) -> None:
    page = await browser.open("/signin")
    assert (await browser.send(page)).status == 303
    async with Browser(app) as another:
        await another.open("/signin")
        assert (await another.send(page)).status == 403
    assert len(counter.sent) == 1


async def test_a_browser_keeps_its_mark_from_page_to_page(browser: Browser) -> None:
    first, second = await browser.open("/signin"), await browser.open("/signin")
    assert "set-cookie" in first.response.headers
    assert "set-cookie" not in second.response.headers
    assert first.sheet().fields[0] == second.sheet().fields[0]


@pytest.mark.parametrize("planted", ["", "short", "x" * 44, "x" * 42 + "é"])
async def test_a_mark_that_we_would_not_make_is_replaced(browser: Browser, site: Site, planted: str) -> None:
    header = f"{site.cookie('-form')}={planted}".encode()
    response = await browser.http.get("/signin", headers={b"Cookie": header})
    assert "set-cookie" in response.headers


@pytest.mark.parametrize("stamp", ["", "0" * 64, "wrong"])
async def test_a_form_without_its_stamp_is_refused(browser: Browser, counter: Counter, stamp: str) -> None:
    page = await browser.open("/signin")
    assert (await browser.send(page, {"stamp": stamp})).status == 403
    assert (await browser.send(page, {"stamp": []})).status == 403
    assert not counter.sent


async def test_a_form_does_not_outlive_a_sign_in_or_a_sign_out(
    signed_in: Browser, counter: Counter, site: Site
) -> None:
    before = await signed_in.open("/signin")
    signed_in.http.cookies.clear()
    outside = await signed_in.open("/signin")
    assert (await signed_in.send(before)).status == 403
    assert (await signed_in.send(outside)).status == 303
    assert len(counter.sent) == 1


async def test_a_form_of_one_session_is_worthless_in_another_of_the_same_person(
    signed_in: Browser, site: Site, store: SqliteStore, sessions: Sessions
) -> None:
    page = await signed_in.open("/signin")
    async with store.transaction() as tx:
        _, secret = await sessions.start_browser(tx, ANA)
    signed_in.http.cookies.set(site.cookie(), secret)
    assert (await signed_in.send(page)).status == 403
