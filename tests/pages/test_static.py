"""Static files: ours alone, each under an address that changes with its content."""

import re

import pytest

from tests.pages.browser import Browser
from valetkey.pages.static import static_files


@pytest.mark.parametrize(
    ("name", "kind"), [("valetkey.css", "text/css; charset=utf-8"), ("mark.svg", "image/svg+xml")]
)
async def test_a_page_links_each_file_by_its_digest(browser: Browser, name: str, kind: str) -> None:
    page = (await browser.open("/signin")).response.text
    (link,) = {found for found in re.findall(r'(?:src|href)="(/static/[^"]+)"', page) if name in found}
    answer = await browser.http.get(link)
    assert (answer.status_code, answer.headers["content-type"]) == (200, kind)
    assert answer.content == static_files()[name].content


@pytest.mark.parametrize("name", ["nothing.css", "..%2f..%2ferrors.py", "%2e%2e/door.py", "", "mark.svg/"])
async def test_nothing_but_those_files_is_served(browser: Browser, name: str) -> None:
    assert (await browser.http.get(f"/static/{name}")).status_code == 404


def test_no_file_fetches_anything_from_anywhere() -> None:
    for file in static_files().values():
        text = file.content.decode().replace("http://www.w3.org/2000/svg", "")
        assert not re.search(r"url\(|@import|https?:|//\w|<script|<style|\bon\w+=", text), file.name
