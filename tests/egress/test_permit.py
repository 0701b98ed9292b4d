"""Which URLs, headers and tokens may leave, and that they arrive as they were written (P1, P2, P6, M8)."""

import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.egress.conftest import API, ELSEWHERE
from tests.egress.hostile import Hostile
from valetkey.egress import Credential, Egress, Outgoing, Rules, origin_of
from valetkey.egress.permit import headers, split
from valetkey.errors import EgressError, EgressRefused
from valetkey.model import Secret

ADDRESSES_IN_DISGUISE = [
    "127.0.0.1",
    "127.1",
    "0x7f000001",
    "0x7f.1",
    "0177.0.0.1",
    "2130706433",
    "0",
    "[::1]",
    "[::]",
    "[::ffff:127.0.0.1]",
    "[fd00::1]",
    "[64:ff9b::7f00:1]",
    "[2002:7f00:1::]",
    "[fe80::1%25eth0]",
    "169.254.169.254",
    "100.64.0.1",
    "127.0.0.1.",
    "api.example.127.1",
    "１２７.０.０.１",
    "127。0。0。1",
    "①②⑦.0.0.1",
]
NOT_HOST_NAMES = [
    "",
    "api.example.",
    "api..example",
    ".api.example",
    "-api.example",
    "api.example-",
    "api example",
    "api%2eexample",
    "api.example%00.evil",
    "api.exаmple",
    "a" * 64 + ".example",
    "a." * 127 + "example",
    "person@api.example",
    "person:word@api.example",
    "api.example@evil.example",
    "api.example:443@evil.example",
    "api.example\\@evil.example",
    "api.example:0",
    "api.example:65536",
    "api.example:",
    "api.example:4 3",
]
REFUSED_TARGETS = [
    "/..",
    "/.",
    "/a/../b",
    "/a/./b",
    "/a/..",
    "/%2e%2e/b",
    "/%2E./b",
    "/a/%2e",
    "/%252e%252e/b",
    "/a/..%2fb",
    "/a%2f..%2fb",
    "/a/..%5cb",
    "/a/..;x=1/b",
    "/a\\b",
    "/a\\..\\b",
    "/a#b",
    "#b",
    "/a b",
    "/a\tb",
    "/a\nb",
    "/a\r\nX: y",
    "/a\0b",
    "/a%00b",
    "/a%0d%0aX:%20y",
    "/a%250ab",
    "/a\x7fb",
    "/é",
    "/a․․/b",
    "/．．/b",
    "/a%zz",
    "/a%",
    "/a%4",
    "?q=a b",
    "?q=\r\n",
    "?q=é",
]
EXACT_TARGETS = [
    "/",
    "//double//slash",
    "/a%2eb/%7Euser/group%2Fproject",
    "/x;y=%C3%A9/...",
    "/a..b/main...dev",
    "/drafts:send/me@x.example",
    "/q?q=%2e%2e/../&r=%0A%00",
    "/q?page[size]=2&filter={a|b}^`<>\"'",
    "/q?next=https://evil.example/?x",
    "/%E2%80%AE",
]


@pytest.mark.parametrize("host", ADDRESSES_IN_DISGUISE + NOT_HOST_NAMES)
async def test_a_host_that_is_not_a_plain_name_is_never_asked_for(host: str) -> None:
    asked: list[str] = []

    async def lookup(name: str, _: int) -> list[str]:
        asked.append(name)
        return ["127.0.0.1"]

    async with Egress(Rules(), lookup=lookup) as egress:
        with pytest.raises(EgressRefused):
            await egress.send(Outgoing("GET", f"https://{host}/"), origins=_Everything())
    assert asked == []


@pytest.mark.parametrize(
    "url",
    [
        *("http://api.example/", "file:///etc/passwd", "//api.example/", "/path", "", "api.example"),
        *("ftp://api.example/", "https:/api.example", "https:api.example", " https://api.example/"),
        *("https://api.example/\n", "javascript:alert(1)", "https://api.example/ ", "ws://api.example/"),
    ],
)
def test_only_https_urls_are_sent(url: str) -> None:
    with pytest.raises(EgressRefused):
        split(url)


@pytest.mark.parametrize("target", REFUSED_TARGETS)
async def test_a_path_that_could_climb_or_split_is_never_sent(
    egress: Egress, upstream: Hostile, target: str
) -> None:
    with pytest.raises(EgressRefused):
        await egress.send(Outgoing("GET", API + target), origins=frozenset({API}))
    assert upstream.connections == 0


@pytest.mark.parametrize("target", EXACT_TARGETS)
async def test_a_path_arrives_byte_for_byte(egress: Egress, upstream: Hostile, target: str) -> None:
    await egress.send(Outgoing("GET", API + target), origins=frozenset({API}))
    assert upstream.requests[0].split(b" ")[1] == target.encode()


@given(st.text(string.printable + "é․．\u2028", max_size=40))
def test_whatever_is_permitted_has_no_way_to_leave_its_line(target: str) -> None:
    try:
        _, sent = split(f"https://api.example/{target}")
    except EgressRefused:
        return
    assert sent == f"/{target}"
    assert sent.isascii()
    assert sent.isprintable()
    assert not set(sent) & set(" #\\")


@given(st.text(max_size=60))
def test_no_text_before_the_path_moves_the_origin(noise: str) -> None:
    try:
        origin = origin_of(f"https://api.example{noise}")
    except EgressRefused:
        return
    assert origin.startswith("https://api.example")
    assert noise[:1] in {"", "/", "?", ":", "."} or noise[0].isalnum() or noise[0] in "-_"


@pytest.mark.parametrize(
    ("url", "origin"),
    [
        ("https://API.Example", "https://api.example"),
        ("HTTPS://api.example:443/x", "https://api.example"),
        ("https://api.example:8443?x", "https://api.example:8443"),
        ("https://xn--bcher-kva.example/", "https://xn--bcher-kva.example"),
        ("https://gitlab/", "https://gitlab"),
        ("https://my_bucket.s3.example/", "https://my_bucket.s3.example"),
    ],
)
def test_an_origin_has_one_spelling(url: str, origin: str) -> None:
    assert origin_of(url) == origin


async def test_an_origin_outside_the_list_is_refused_and_sees_nothing(
    egress: Egress, elsewhere: Hostile
) -> None:
    with pytest.raises(EgressRefused, match="not an origin this request may go to"):
        await egress.send(Outgoing("GET", f"{ELSEWHERE}/x"), origins=frozenset({API}))
    assert elsewhere.connections == 0


async def test_a_credential_goes_only_to_its_own_origins(egress: Egress, elsewhere: Hostile) -> None:
    token = Credential({"Authorization": Secret("Bearer t")}, frozenset({API}), 1)
    both = frozenset({API, ELSEWHERE})
    with pytest.raises(EgressRefused, match="credential may not be sent"):
        await egress.send(Outgoing("GET", f"{ELSEWHERE}/x"), origins=both, credential=token)
    assert elsewhere.connections == 0


@pytest.mark.parametrize("port", ["444", "8443"])
async def test_another_port_is_another_origin(egress: Egress, port: str) -> None:
    with pytest.raises(EgressRefused, match="not an origin"):
        await egress.send(Outgoing("GET", f"{API}:{port}/"), origins=frozenset({API}))


@pytest.mark.parametrize("method", ["CONNECT", "TRACE", "get", "GET /x HTTP/1.1\r\nX:", "", "PROPFIND"])
async def test_a_method_outside_the_list_is_refused(egress: Egress, upstream: Hostile, method: str) -> None:
    with pytest.raises(EgressRefused):
        await egress.send(Outgoing(method, API), origins=frozenset({API}))
    assert upstream.connections == 0


@pytest.mark.parametrize(
    "name",
    [
        *("Host", "Authorization", "authorization", "Content-Length", "Transfer-Encoding", "Connection"),
        *("Cookie", "Proxy-Authorization", "Proxy-Connection", "X-HTTP-Method-Override", "X-Forwarded-For"),
        *("x-forwarded-host", "X_Forwarded_For", "Forwarded", "Mcp-Session-Id", "mcp-method", "Keep-Alive"),
        *("TE", "Trailer", "Upgrade", "Expect", "Accept-Encoding", "X-Original-URL", "X-Real-IP", "Via"),
        *("X-Bad Name", "X-Bad\r\nHost", "X:", "", "X\0", "Х-Cyrillic", "X" * 257),
    ],
)
async def test_a_header_that_is_not_the_callers_to_set_is_refused(
    egress: Egress, upstream: Hostile, name: str
) -> None:
    with pytest.raises(EgressRefused):
        await egress.send(Outgoing("GET", API, ((name, "value"),)), origins=frozenset({API}))
    assert upstream.connections == 0


UNSENDABLE = ["a\r\nX: y", "a\nb", "a\rb", "a\0b", "a\x7fb", "a\x1bb", "Ā", "é", "a\u2028b", "x" * 16385]


@pytest.mark.parametrize("value", UNSENDABLE)
async def test_a_header_value_that_could_break_out_is_refused(
    egress: Egress, upstream: Hostile, value: str
) -> None:
    with pytest.raises(EgressRefused) as caught:
        await egress.send(Outgoing("GET", API, (("X-Query", value),)), origins=frozenset({API}))
    assert value not in str(caught.value)
    assert upstream.connections == 0


@pytest.mark.parametrize("value", UNSENDABLE)
async def test_a_token_that_is_too_long_or_holds_a_control_character_is_refused(
    egress: Egress, upstream: Hostile, value: str
) -> None:
    token = Credential({"Authorization": Secret(f"Bearer {value}")}, frozenset({API}), 1)
    with pytest.raises(EgressRefused) as caught:
        await egress.send(Outgoing("GET", API), origins=frozenset({API}), credential=token)
    assert value not in str(caught.value)
    assert upstream.connections == 0


@pytest.mark.parametrize("name", ["X-Api-Key", "x-api-key", "X-API-KEY"])
def test_the_caller_cannot_set_a_header_that_the_credential_sets(name: str) -> None:
    key = Credential({"X-Api-Key": Secret("k")}, frozenset({API}), 1)
    with pytest.raises(EgressRefused, match="only a credential"):
        headers(Outgoing("GET", API, ((name, "mine"),)), key)


@pytest.mark.parametrize("name", ["Host", "Content-Length", "Cookie", "X-Forwarded-For", "Mcp-Session-Id"])
def test_not_even_a_credential_sets_framing_cookies_or_hops(name: str) -> None:
    with pytest.raises(EgressRefused):
        headers(Outgoing("GET", API), Credential({name: Secret("x")}, frozenset({API}), 1))


KEY = Credential({}, frozenset({API}), 1, {"api_key": Secret("a b&c=d/é")})


@pytest.mark.parametrize(
    ("target", "arrives"),
    [("/x", b"/x?api_key="), ("/x?y=1", b"/x?y=1&api_key="), ("/x?", b"/x?&api_key="), ("", b"/?api_key=")],
)
async def test_a_key_for_the_query_is_put_on_last_and_cannot_break_out(
    egress: Egress, upstream: Hostile, target: str, arrives: bytes
) -> None:
    await egress.send(Outgoing("GET", API + target), origins=frozenset({API}), credential=KEY)
    assert upstream.requests[0].split(b" ")[1] == arrives + b"a%20b%26c%3Dd%2F%C3%A9"


@pytest.mark.parametrize(
    "query", ["api_key=mine", "x=1&api_key", "api%5Fkey=mine", "API=1&api_key=", "x;api_key=1&api_key=2"]
)
async def test_the_caller_cannot_set_a_parameter_that_the_credential_sets(
    egress: Egress, upstream: Hostile, query: str
) -> None:
    with pytest.raises(EgressRefused, match="only a credential") as caught:
        await egress.send(Outgoing("GET", f"{API}/x?{query}"), origins=frozenset({API}), credential=KEY)
    assert "mine" not in str(caught.value)
    assert upstream.connections == 0


async def test_a_key_for_the_query_shows_in_no_error_and_no_log(
    egress: Egress, upstream: Hostile, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("DEBUG")
    key = Credential({}, frozenset({API}), 1, {"api_key": Secret("canary-1")})
    for path in ("/not-gzip", "/redirect-302", "/two-encodings"):
        with pytest.raises(EgressError) as caught:
            await egress.send(Outgoing("GET", API + path), origins=frozenset({API}), credential=key)
        error = caught.value
        assert "canary-1" not in f"{error!r} {error.__cause__!r} {error.__context__!r}"
    assert all(b"canary-1" in request for request in upstream.requests)
    assert "canary-1" not in caplog.text
    assert "canary-1" not in repr(key)


async def test_what_arrives_is_the_callers_headers_ours_and_the_credential(
    egress: Egress, upstream: Hostile
) -> None:
    request = Outgoing("POST", f"{API}/x?y", (("Content-Type", "application/json"),), b"{}")
    token = Credential({"Authorization": Secret("Bearer t")}, frozenset({API}), 1)
    await egress.send(request, origins=frozenset({API}), credential=token)
    assert upstream.requests == [
        b"POST /x?y HTTP/1.1\r\n"
        b"Host: 127.0.0.1:%d\r\n" % upstream.port + b"Accept-Encoding: gzip\r\n"
        b"User-Agent: valetkey\r\n"
        b"Accept: */*\r\n"
        b"Content-Type: application/json\r\n"
        b"Authorization: Bearer t\r\n"
        b"Content-Length: 2\r\n\r\n{}"
    ]


async def test_the_caller_may_name_its_agent_and_what_it_accepts(egress: Egress, upstream: Hostile) -> None:
    mine = (("User-Agent", "mine"), ("Accept", "text/calendar"))
    await egress.send(Outgoing("GET", API, mine), origins=frozenset({API}))
    assert upstream.requests[0].count(b"User-Agent: mine\r\nAccept: text/calendar\r\n") == 1
    assert upstream.requests[0].lower().count(b"accept: ") == 1


class _Everything(frozenset[str]):
    """Origins that would permit anything, so that only the URL's own shape can be what refuses."""

    def __contains__(self, _: object) -> bool:
        return True
