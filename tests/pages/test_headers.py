"""The headers of every kind of answer, as a table."""

from collections.abc import Mapping

import pytest

from tests.pages.browser import Browser
from tests.pages.conftest import Counter
from valetkey.pages import page_headers

EVERYWHERE = {
    "referrer-policy": "same-origin",
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "cross-origin-opener-policy": "same-origin",
    "permissions-policy": "camera=(), display-capture=(), geolocation=(), microphone=(), payment=(), usb=()",
}
POLICY = (
    "default-src 'none'; style-src 'self'; img-src 'self'; script-src 'self'; "
    "base-uri 'none'; frame-ancestors 'none'; form-action 'self'"
)
ANSWERS = {
    "a page": ("GET", "/signin", 200),
    "an error": ("GET", "/static/nothing", 404),
    "a refused form": ("POST", "/signin", 403),
    "a wrong method": ("DELETE", "/signin", 405),
    "a wrong host": ("GET", "http://evil.example/signin", 421),
}


@pytest.mark.parametrize(("method", "path", "status"), ANSWERS.values(), ids=ANSWERS.keys())
async def test_every_page_has_every_header(browser: Browser, method: str, path: str, status: int) -> None:
    response = await browser.http.request(method, path)
    assert response.status_code == status
    expected = EVERYWHERE | {"content-security-policy": POLICY, "cache-control": "no-store"}
    assert _of(response.headers, expected) == expected


async def test_a_redirect_has_every_header(browser: Browser) -> None:
    answer = await browser.send(await browser.open("/signin"))
    expected = EVERYWHERE | {"cache-control": "no-store"}
    assert (answer.status, _of(answer.response.headers, expected)) == (303, expected)


async def test_a_form_may_lead_to_the_one_origin_it_redirects_to(browser: Browser, counter: Counter) -> None:
    counter.form_to = ("https://accounts.google.com/o/oauth2/v2/auth?client_id=x",)
    page = await browser.open("/signin")
    assert page.response.headers["content-security-policy"] == f"{POLICY} https://accounts.google.com"


async def test_only_static_files_are_kept_by_browsers(browser: Browser) -> None:
    page = await browser.open("/signin")
    link = page.response.text.partition('rel="stylesheet" href="')[2].partition('"')[0]
    kept = (await browser.http.get(link)).headers
    assert kept["cache-control"] == "public, max-age=31536000, immutable"
    assert _of(kept, EVERYWHERE) == EVERYWHERE
    for other in ("/static/valetkey.css", "/static/valetkey.css?v=0123456789abcdef"):
        assert (await browser.http.get(other)).headers["cache-control"] == "no-cache"


def test_an_origin_elsewhere_is_never_more_than_an_origin() -> None:
    policy = page_headers(["https://evil.example/;script-src *"])["Content-Security-Policy"]
    assert policy.endswith("form-action 'self' https://evil.example")


def _of(found: Mapping[str, str], expected: Mapping[str, str]) -> dict[str, str | None]:
    return {name: found.get(name) for name in expected}
