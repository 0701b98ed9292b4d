"""Where a sign-in may lead: hundreds of spellings of another place, and the few that are ours."""

from itertools import product
from urllib.parse import urljoin, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.pages.browser import URL
from valetkey.pages import safe_return

OURS = [
    "/",
    "/mine",
    "/connect/Ab-_9",
    "/connect/Ab-_9/confirm",
    "/authorize?client_id=x&redirect_uri=http%3A%2F%2Flocalhost%3A1%2Fcallback&scope=mcp+audit",
    "/mine?",
    "/.well-known/valetkey",
]
STARTS = (
    *(
        "",
        "/",
        "//",
        "///",
        "////",
        "\\",
        "/\\",
        "\\/",
        "\\\\",
        "/\t/",
        "\t//",
        "/\n/",
        "/\r/",
        "/%09/",
        "/%5c",
        "/%2f",
        "/%2F/",
    ),
    *(
        "%2f%2f",
        "%5c%5c",
        "./",
        "../",
        "/./",
        "/../",
        "/.//",
        "/..//",
        "/.\\",
        ";/",
        "/;/",
        "/;//",
        "?//",
        "#//",
        " /",
        " //",
    ),
    *(
        "http:",
        "http:/",
        "http://",
        "http:///",
        "https:",
        "https:/",
        "https://",
        "https:\\\\",
        "HTTPS://",
        "hTtp:\\/",
        "ht\ntp://",
    ),
    *(
        "javascript:",
        "javascript://",
        "java\nscript:",
        "JaVaScRiPt:",
        "vbscript:",
        "data:text/html,",
        "blob:",
        "file:///",
        "ftp://",
    ),
    *(
        "//localhost:8917@",
        "//localhost:8917\\@",
        "http://localhost:8917@",
        "//localhost:8917.",
        "/@",
        "@",
        ":",
        "//:80@",
        "//[::1]@",
    ),
    *(
        "／／",
        "/／",
        "⁄⁄",
        "∕∕",
        "/\u2028/",
        "\ufeff//",
        "\u00a0//",
        "\u3000//",
        "\x00//",
        "/\x00/",
        "\x1f//",
        "/\u200b/",
        "\u202e//",
    ),
)
PLACES = (
    "evil.example",
    "evil.example/x",
    "evil.example\\x",
    "evil。example",
    "evil%2Eexample",
    "2130706433",
    "[::1]:1",
    "alert(1)",
)
ELSEWHERE = [start + place for start, place in product(STARTS, PLACES)]
PATHS = {"/evil.example", "/evil.example/x", "/2130706433"}  # plain paths of our own, whatever they are named


def test_there_are_hundreds_of_spellings() -> None:
    assert len(set(ELSEWHERE)) > 500


def test_no_spelling_of_another_place_is_followed() -> None:
    followed = {wanted for wanted in ELSEWHERE if safe_return(wanted) != "/"}
    assert followed == PATHS


@pytest.mark.parametrize("wanted", OURS)
def test_a_path_of_ours_is_followed(wanted: str) -> None:
    assert safe_return(wanted) == wanted


@pytest.mark.parametrize(
    "wanted",
    ["/" + "a" * 2_000, "/mine\n", "/mine#x", "/a/../b", "/a/.", "/..", "/a//b", "/é", "/%zz", "/?%2"],
)
def test_what_is_not_a_plain_path_leads_home(wanted: str) -> None:
    assert safe_return(wanted) == "/"


@given(st.text(alphabet="/\\.:@?#%;&=+ \t\n\r\x00aé／⁄2fF5cC", max_size=40))
def test_whatever_is_followed_stays_on_our_origin(wanted: str) -> None:
    led = urlsplit(urljoin(f"{URL}/signin", safe_return(wanted)))
    assert f"{led.scheme}://{led.netloc}" == URL
