"""Redirect URIs: what can be registered, and what fits it, to the letter (attack O10)."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from valetkey.authserver.redirects import (
    LONGEST,
    answered,
    fits,
    on_this_computer,
    place,
    usable,
    usable_all,
)
from valetkey.errors import OAuthError

GOOD = [
    "https://app.example/callback",
    "https://app.example",
    "https://app.example:8443/a/b?x=1&y=%20",
    "https://xn--mnchen-3ya.example/cb",
    "http://localhost/callback",
    "http://localhost:3118/callback",
    "http://127.0.0.1:33418/",
    "http://[::1]:4000/cb",
    "com.example.app:/oauth2redirect",
    "com.example.app://callback/done",
    "cursor://anysphere.cursor-mcp/oauth/callback",
]
BAD = [
    "",
    "/callback",
    "//app.example/callback",
    "app.example/callback",
    "http://app.example/callback",
    "http://127.0.0.2/callback",
    "http://0.0.0.0/callback",
    "http://localhost.evil.example/callback",
    "http://localhost@evil.example/callback",
    "http://LOCALHOST/callback",
    "http://localhost./callback",
    "http://[::ffff:127.0.0.1]/callback",
    "http://2130706433/callback",
    "http://localhost:0/callback",
    "http://localhost:65536/callback",
    "http://localhost:3118x/callback",
    "https://app.example:99999/",
    "https://ana@app.example/callback",
    "https://ana:secret@app.example/callback",
    "https://app.example/callback#part",
    "https://app.example#@evil.example/",
    "https://app.example/callback#",
    "https://app.example\\@evil.example/",
    "https://app.example/a\\b",
    "https:/app.example/callback",
    "https:app.example",
    "https://",
    "https:///callback",
    "https://.example/",
    "https://app..example/",
    "https://app.example./",
    "https://-app.example/",
    "https://app_example/",
    "https://*.example/callback",
    "https://app.example/../callback",
    "https://app.example/a/./b",
    "https://app.example/a/%2e%2e/b",
    "https://app.example/a/..%2fb",
    "https://app.example/a/%2E",
    "https://app.example/a%",
    "https://app.example/a%zz",
    "https://app.example/a b",
    "https://app.example/a\tb",
    "https://app.example/a\nb",
    "https://app.example/\x00",
    " https://app.example/",
    "https://app.example/ ",
    "https://app.example/\u200b",
    "https://app.\u0435xample/",
    "https://app\uff0eexample/",
    "https://app.example/<script>",
    'https://app.example/"',
    "javascript:alert(1)",
    "JavaScript:alert(1)",
    "javascript://app.example/%0aalert(1)",
    "data:text/html,x",
    "file:///etc/passwd",
    "blob:https://app.example/x",
    "about:blank",
    "vbscript:x",
    "ftp://app.example/",
    "ws://app.example/",
    "myapp://callback",
    "myapp:/callback",
    "com.example.app",
    "com.example.app:callback",
    "com.example.app://ana@callback/",
    "com.example.app:/a/../b",
    "com.example.app:/a#b",
    "CURSOR://x/",
    "urn:ietf:wg:oauth:2.0:oob",
    "https://app.example/" + "a" * LONGEST,
]


@pytest.mark.parametrize("uri", GOOD)
def test_these_may_be_registered(uri: str) -> None:
    assert usable(uri)
    assert fits(uri, [uri])


@pytest.mark.parametrize("uri", BAD)
def test_these_may_not_and_fit_nothing_even_where_they_are_registered(uri: str) -> None:
    assert not usable(uri)
    assert not fits(uri, [uri])


@pytest.mark.parametrize(
    "uris", [None, [], "https://app.example/", {}, [1], [None], ["https://app.example/", 1]]
)
def test_what_is_no_list_of_uris_is_refused(uris: object) -> None:
    with pytest.raises(OAuthError, match="invalid_redirect_uri"):
        usable_all(uris)


def test_ten_uris_may_be_registered_and_not_eleven() -> None:
    uris = [f"https://app.example/{number}" for number in range(11)]
    assert usable_all(uris[:10]) == tuple(uris[:10])
    with pytest.raises(OAuthError, match="invalid_redirect_uri"):
        usable_all(uris)


REGISTERED = ["https://app.example/callback", "http://localhost/callback", "http://127.0.0.1:33418/"]
FIT = [*REGISTERED, "http://localhost:1/callback", "http://localhost:65535/callback", "http://127.0.0.1:9"]
OTHERS = [
    "https://app.example/callback/",
    "https://app.example/Callback",
    "https://app.example/callback?x=1",
    "https://app.example/callback?",
    "https://app.example/callbac%6B",
    "https://app.example:443/callback",
    "https://app.example:8443/callback",
    "https://APP.example/callback",
    "https://evil.example/callback",
    "https://app.example.evil.example/callback",
    "http://app.example/callback",
    "http://localhost:3118/",
    "http://localhost:3118/callback/",
    "http://localhost:3118/callback?x=1",
    "http://127.0.0.1:3118/callback",  # another name for this machine is another URI
    "http://[::1]:3118/callback",
    "http://localhost:33418/",
    "https://localhost/callback",
]


@pytest.mark.parametrize("asked", FIT)
def test_only_the_port_on_this_machine_may_be_another(asked: str) -> None:
    assert fits(asked, REGISTERED)


@pytest.mark.parametrize("asked", OTHERS)
def test_whatever_else_differs_does_not_fit(asked: str) -> None:
    assert not fits(asked, REGISTERED)


CURIOUS = st.text(alphabet="/\\@:#?.%&=; \t\n\x00aA0-_~[]*２／。\u202e", max_size=12)


@settings(max_examples=2_000)
@given(CURIOUS, CURIOUS)
def test_nothing_that_is_put_into_a_uri_fits_it_any_longer(before: str, after: str) -> None:
    asked = f"https://{before}app.example/callback{after}"
    assert fits(asked, REGISTERED) == (not before and not after)


@settings(max_examples=2_000)
@given(st.text(max_size=60))
def test_no_text_brings_anything_down(text: str) -> None:
    for uri in (text, f"https://{text}", f"http://localhost{text}", f"com.example.app:{text}"):
        assert not usable(uri) or (uri.isascii() and uri.isprintable() and "#" not in uri and " " not in uri)


def test_a_person_is_told_where_it_leads() -> None:
    assert place("https://app.example:8443/callback?x=1") == "app.example:8443"
    assert place("http://localhost:3118/callback") == "localhost"
    assert place("com.example.app:/cb") == "com.example.app:"
    assert on_this_computer("http://localhost:3118/callback")
    assert on_this_computer("cursor://anysphere.cursor-mcp/oauth/callback")
    assert not on_this_computer("https://app.example/")


def test_an_answer_is_added_to_the_query_that_is_there() -> None:
    assert (
        answered("https://app.example/cb", {"code": "a b", "state": None})
        == "https://app.example/cb?code=a+b"
    )
    assert answered("https://app.example/cb?x=1", {"code": "c"}) == "https://app.example/cb?x=1&code=c"
