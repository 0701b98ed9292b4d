"""The names requests may arrive under, and the forms that only our own pages may send."""

import httpx2
import pytest
from starlette.applications import Starlette

from tests.pages.browser import URL, Browser
from tests.pages.conftest import Counter
from valetkey.pages import Site

EVIL = "https://evil.example"


def test_cookies_are_bound_to_the_host_over_https_and_named_for_the_port_on_loopback() -> None:
    assert Site("https://valetkey.example.com").cookie() == "__Host-vk"
    assert Site("https://valetkey.example.com:8443").cookie("-form") == "__Host-vk-form"
    assert Site("http://localhost:8917").cookie() == "vk-8917"
    assert Site("http://localhost").cookie("-form") == "vk-80-form"


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("localhost:8917", 200),
        ("LOCALHOST:8917", 200),
        ("localhost", 421),
        ("localhost:8918", 421),
        ("127.0.0.1:8917", 421),  # one spelling of loopback: cookies of two would be two sign-ins
        ("evil.example", 421),
        ("localhost:8917.evil.example", 421),
        ("evil.example@localhost:8917", 421),
        ("", 421),
    ],
)
async def test_a_page_is_shown_under_its_own_name_alone(browser: Browser, host: str, status: int) -> None:
    assert (await browser.open("/signin", Host=host)).status == status


async def test_two_host_headers_are_refused(browser: Browser) -> None:
    headers = httpx2.Headers([("Host", "localhost:8917"), ("Host", "localhost:8917")])
    assert (await browser.http.get("/signin", headers=headers)).status_code == 421


async def test_forwarded_names_change_nothing(browser: Browser) -> None:
    forwarded = {
        "X-Forwarded-Host": "evil.example",
        "X-Forwarded-Proto": "https",
        "Forwarded": "host=evil.example",
    }
    seen = await browser.open("/signin", **forwarded)
    assert seen.status == 200
    assert "evil.example" not in seen.response.text + str(seen.response.headers)


@pytest.mark.parametrize("site", [Site(URL, frozenset({"valetkey.internal:8080"}))])
async def test_an_allowed_name_is_shown_and_builds_nothing(browser: Browser) -> None:
    seen = await browser.open("/signin", Host="valetkey.internal:8080")
    assert seen.status == 200
    assert "internal" not in seen.response.text + str(seen.response.headers)


@pytest.mark.parametrize(
    ("headers", "accepted"),
    [
        ({"Sec-Fetch-Site": "same-origin", "Origin": URL}, True),
        ({"Sec-Fetch-Site": "same-origin"}, True),
        ({"Origin": URL}, True),
        ({}, False),
        ({"Sec-Fetch-Site": "cross-site", "Origin": EVIL}, False),
        ({"Sec-Fetch-Site": "cross-site", "Origin": URL}, False),
        ({"Sec-Fetch-Site": "same-site", "Origin": "http://localhost:9000"}, False),
        ({"Sec-Fetch-Site": "none"}, False),
        ({"Origin": EVIL}, False),
        ({"Origin": "null"}, False),
        ({"Origin": f"{URL}.evil.example"}, False),
        ({"Origin": URL.upper()}, False),
        ({"Referer": f"{URL}/signin"}, False),
    ],
)
async def test_a_form_is_taken_from_our_own_pages_alone(
    browser: Browser, counter: Counter, headers: dict[str, str], accepted: bool
) -> None:
    page = await browser.open("/signin")
    answer = await browser.send(page, headers=headers)
    assert answer.status == (303 if accepted else 403)
    assert len(counter.sent) == accepted


async def test_the_application_of_these_tests_has_the_checked_routes(app: Starlette) -> None:
    assert [route.path for route in app.routes] == ["/static/{name}", "/signin"]  # type: ignore[attr-defined]  # all are Routes
