"""Cookies: read by their exact name, and set so that no script and no other host gets at them."""

import pytest
from starlette.requests import Request

from tests.pages.browser import Browser
from valetkey.pages import Site
from valetkey.pages.cookies import read


def with_cookies(*headers: bytes) -> Request:
    return Request({"type": "http", "headers": [(b"cookie", header) for header in headers]})


@pytest.mark.parametrize(
    "headers",
    [
        (b"__Host-vk=secret",),
        (b"a=b; __Host-vk=secret; c=d",),
        (b"a=b", b"__Host-vk=secret"),
        (b" \t__Host-vk=secret ",),
    ],
)
def test_a_cookie_is_found_among_others(headers: tuple[bytes, ...]) -> None:
    assert read(with_cookies(*headers), "__Host-vk") == "secret"


@pytest.mark.parametrize(
    "header",
    [
        b"\xa0__Host-vk=planted",  # white space that other parsers strip, and browsers let other hosts set
        b"\x85__Host-vk=planted",
        b"\xe2\x80\x80__Host-vk=planted",
        b"__host-vk=planted",
        b"__Host-vk =planted",
        b"=__Host-vk=planted",
        b'"__Host-vk"=planted',
        b"__Host-vk",
        b"__Host-vk-form=planted",
    ],
)
def test_a_name_that_only_resembles_ours_is_not_ours(header: bytes) -> None:
    assert read(with_cookies(header), "__Host-vk") is None


def test_of_two_cookies_of_one_name_neither_counts() -> None:
    assert read(with_cookies(b"vk-8917=planted; vk-8917=secret"), "vk-8917") is None


async def test_on_loopback_cookies_are_closed_to_scripts_and_to_other_sites(browser: Browser) -> None:
    (cookie,) = (await browser.open("/signin")).response.headers.get_list("set-cookie")
    name, attributes = _parts(cookie)
    assert (name, attributes) == ("vk-8917-form", {"httponly", "path=/", "samesite=lax"})


@pytest.mark.parametrize("site", [Site("https://valetkey.example.com")])
async def test_over_https_cookies_are_secure_and_bound_to_the_host(browser: Browser) -> None:
    page = await browser.open("/signin", Host="valetkey.example.com")
    name, attributes = _parts(page.response.headers["set-cookie"])
    assert (name, attributes) == ("__Host-vk-form", {"httponly", "path=/", "samesite=lax", "secure"})


def _parts(cookie: str) -> tuple[str, set[str]]:
    value, *attributes = cookie.split("; ")
    return value.partition("=")[0], {attribute.lower() for attribute in attributes}
