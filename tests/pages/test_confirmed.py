"""A password given a moment ago: it counts for one thing, in one session, for two minutes."""

import pytest
from starlette.applications import Starlette
from starlette.responses import Response

from tests.pages.browser import Browser
from tests.pages.conftest import ANA, Counter
from tests.support.clock import FakeClock
from valetkey.model import MINUTE
from valetkey.pages import Form, Pages, Site, Visit
from valetkey.people import Sessions
from valetkey.store.sqlite import SqliteStore


class Confirmable:
    """Two routes: one confirms a thing, one says whether it is confirmed."""

    async def say(self, visit: Visit) -> Response:
        return Response(str(visit.confirmed(visit.request.query_params["about"])))

    async def confirm(self, visit: Visit, form: Form) -> Response:
        return visit.confirm(visit.see("/"), "one")


@pytest.fixture
def app(pages: Pages, counter: Counter) -> Starlette:
    one = Confirmable()
    signin = pages.route("/signin", get=counter.show, post=one.confirm)
    return pages.application([signin, pages.route("/said", get=one.say)])


async def said(browser: Browser, about: str = "one") -> bool:
    return (await browser.open(f"/said?about={about}")).response.text == "True"


async def test_a_given_password_counts_for_its_thing_and_for_two_minutes(
    signed_in: Browser, clock: FakeClock
) -> None:
    assert not await said(signed_in)
    await signed_in.send(await signed_in.open("/signin"))
    assert await said(signed_in)
    assert not await said(signed_in, "another")
    clock.advance(2 * MINUTE - 1)
    assert await said(signed_in)
    clock.advance(1)
    assert not await said(signed_in)


async def test_a_given_password_does_not_count_in_another_session_or_before_its_time(
    signed_in: Browser, site: Site, store: SqliteStore, sessions: Sessions, clock: FakeClock
) -> None:
    await signed_in.send(await signed_in.open("/signin"))
    clock.advance(-1)
    assert not await said(signed_in)
    clock.advance(1)
    async with store.transaction() as tx:
        _, secret = await sessions.start_browser(tx, ANA)
    signed_in.http.cookies.set(site.cookie(), secret)
    assert not await said(signed_in)


@pytest.mark.parametrize("value", ["", ".", "99999999999999.", "1.abc", "x.y.z"])
async def test_a_confirmation_cannot_be_made_up(signed_in: Browser, site: Site, value: str) -> None:
    signed_in.http.cookies.set(site.cookie("-confirmed"), value)
    assert not await said(signed_in)


async def test_without_a_session_nothing_is_confirmed(browser: Browser) -> None:
    await browser.send(await browser.open("/signin"))
    assert not await said(browser)
