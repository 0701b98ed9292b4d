"""The door: every error is a page, and no page or log line says more than it may."""

import logging

import pytest
from starlette.applications import Starlette
from starlette.responses import Response

from tests.pages.browser import Browser
from tests.pages.conftest import Counter
from valetkey.errors import PageError
from valetkey.pages import Pages, Visit

SECRET = "canary-of-this-test"


class Failing:
    """A page that raises what it was given."""

    def __init__(self, error: Exception) -> None:
        self.error = error

    async def show(self, visit: Visit) -> Response:
        raise self.error


@pytest.fixture
def error() -> Exception:
    return ValueError(SECRET)


@pytest.fixture
def app(pages: Pages, counter: Counter, error: Exception) -> Starlette:
    failing = pages.route("/failing/{secret}", get=Failing(error).show)
    return pages.application([failing, pages.route("/signin", get=counter.show)])


async def test_whatever_goes_wrong_a_person_gets_a_page_without_detail(
    browser: Browser, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.DEBUG):
        seen = await browser.open(f"/failing/{SECRET}")
    assert seen.status == 500
    assert "Something went wrong here" in seen.text
    (line,) = [record.getMessage() for record in caplog.records if record.name.startswith("valetkey.")]
    assert SECRET not in seen.response.text + line
    assert line.startswith("/failing/{secret} failed: ValueError at ")
    assert "test_door.py:" in line


@pytest.mark.parametrize("error", [PageError(418, "<b>Tea</b>", "No <script>alert(1)</script> coffee.")])
async def test_a_page_error_is_shown_as_it_says_and_escaped(
    browser: Browser, caplog: pytest.LogCaptureFixture
) -> None:
    seen = await browser.open("/failing/x")
    assert seen.status == 418
    assert "<b>Tea</b> No <script>alert(1)</script> coffee." in seen.text
    assert "<script" not in seen.response.text
    assert not caplog.records


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "HEAD", "OPTIONS", "TRACE", "GET2"])
async def test_a_method_that_a_page_does_not_have_is_405(browser: Browser, method: str) -> None:
    response = await browser.http.request(method, "/signin")
    assert (response.status_code, response.headers["allow"]) == (405, "GET")


@pytest.mark.parametrize("path", ["/nothing/here", "/signin/", "//signin", "/SIGNIN", "/signin/.."])
async def test_where_nothing_is_there_is_a_page_and_no_redirect(browser: Browser, path: str) -> None:
    seen = await browser.open(f"{browser.url}{path}")
    assert (seen.status, "There is nothing here" in seen.text) == (404, True)


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "OPTIONS"])
async def test_where_nothing_is_no_method_finds_anything(browser: Browser, method: str) -> None:
    response = await browser.http.request(method, "/nothing/here")
    assert (response.status_code, "There is nothing here" in response.text) == (404, True)
