"""The token endpoint for requests that are no requests: each is refused in the words of RFC 6749."""

import hypothesis.strategies as st
import pytest
from hypothesis import HealthCheck, given, settings

from tests.authserver.issuing import URL, Issuing
from tests.support.tokens import b64
from valetkey.authserver.asking import LARGEST
from valetkey.authserver.authentication import ASSERTION_TYPE

PATHS = ("/token", "/revoke", "/introspect")
FUZZED = 200
"""Inputs for each run of the suite; 10,000 of them found nothing more."""

FORM = {"Content-Type": "application/x-www-form-urlencoded"}


@pytest.mark.parametrize("path", PATHS)
async def test_other_methods_are_not_allowed(desk: Issuing, path: str) -> None:
    for method in ("GET", "PUT", "DELETE", "PATCH"):
        assert (await desk.http.request(method, path)).status_code == 405


@pytest.mark.parametrize("path", PATHS)
async def test_a_name_that_is_not_ours_is_refused(desk: Issuing, path: str) -> None:
    for host in ("evil.test", "localhost", "localhost:8918", "127.0.0.1:8917"):
        refused = await desk.http.post(path, data={"client_id": "x"}, headers={"Host": host})
        assert (refused.status_code, refused.json()["error"]) == (421, "invalid_request")


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"", 400),
        (b"token=a&token=b&client_id=c&grant_type=d", 400),
        (b"client_id=c&client_id=c&grant_type=refresh_token", 400),
        (b"%ff=%ff", 400),
        (b"\xff\xfe", 400),
        (b"&".join(b"p%d=v" % n for n in range(60)), 400),
        (b"grant_type=" + b"x" * LARGEST, 413),
    ],
    ids=("nothing", "twice", "the same twice", "no text", "no bytes of text", "too many", "too large"),
)
async def test_a_form_that_cannot_be_used_is_refused(
    desk: Issuing, path: str, body: bytes, status: int
) -> None:
    refused = await desk.http.post(path, content=body, headers=FORM)
    assert (refused.status_code, refused.json()["error"]) == (status, "invalid_request")


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("kind", ["application/json", "multipart/form-data; boundary=x", "text/plain", ""])
async def test_anything_but_a_form_is_refused(desk: Issuing, path: str, kind: str) -> None:
    body = b'{"grant_type": "refresh_token", "client_id": "x"}'
    refused = await desk.http.post(path, content=body, headers={"Content-Type": kind})
    assert (refused.status_code, refused.json()["error"]) == (400, "invalid_request")


async def test_parameters_in_the_address_are_not_read(desk: Issuing) -> None:
    claude = await desk.client()
    token = (await desk.signed_in(claude))["refresh_token"]
    address = f"/token?grant_type=refresh_token&client_id={claude.id}&refresh_token={token}"
    refused = await desk.http.post(address, content=b"", headers=FORM)
    assert (refused.status_code, refused.json()["error"]) == (400, "invalid_request")


async def test_grant_types_that_this_server_does_not_have_are_named_so(desk: Issuing) -> None:
    claude = await desk.client()
    for kind in (
        "password",
        "implicit",
        "Authorization_Code",
        "urn:ietf:params:oauth:grant-type:device_code",
    ):
        refused = await desk.token(kind, client_id=claude.id)
        assert (refused.status_code, refused.json()["error"]) == (400, "unsupported_grant_type")
    assert (await desk.post("/token", {"client_id": claude.id})).json()["error"] == "invalid_request"


async def test_a_refresh_may_ask_for_less_and_never_for_more(desk: Issuing) -> None:
    claude = await desk.client()
    token = (await desk.signed_in(claude))["refresh_token"]
    for form, error in (
        ({"resource": "https://evil.test/mcp"}, "invalid_target"),
        ({"resource": f"{URL}/mcp/"}, "invalid_target"),
        ({"resource": f"{URL}/MCP"}, "invalid_target"),
        ({"resource": f"{URL}/mcp/../admin"}, "invalid_target"),
        ({"resource": f"{URL}/mcp/flat\n"}, "invalid_target"),
        ({"scope": "mcp operate"}, "invalid_scope"),
        ({"scope": "audit"}, "invalid_scope"),
    ):
        refused = await desk.refresh(token, claude, **form)
        assert (refused.status_code, refused.json()["error"]) == (400, error)
    desk.clock.advance(60_000)
    narrow = (await desk.refresh(token, claude, resource=f"{URL}/mcp/flat", scope="mcp")).json()
    assert desk.tokens.verified(narrow["access_token"]).resource == f"{URL}/mcp/flat"
    wide = (await desk.refresh(narrow["refresh_token"], claude)).json()
    assert desk.tokens.verified(wide["access_token"]).resource == f"{URL}/mcp"


async def test_a_refresh_of_what_was_for_one_endpoint_stays_there(desk: Issuing) -> None:
    claude = await desk.client()
    resource = f"{URL}/mcp/flat"
    code = await desk.code(claude, resource=resource)
    token = (await desk.redeem(code, client_id=claude.id)).json()["refresh_token"]
    for other in (f"{URL}/mcp", f"{URL}/mcp/readers", f"{URL}/mcp/flat/more"):
        assert (await desk.refresh(token, claude, resource=other)).json()["error"] == "invalid_target"
    body = (await desk.refresh(token, claude)).json()
    assert desk.tokens.verified(body["access_token"]).resource == resource


NAMES = st.sampled_from(
    [
        "grant_type",
        "client_id",
        "client_secret",
        "client_assertion",
        "client_assertion_type",
        "code",
        "code_verifier",
        "redirect_uri",
        "refresh_token",
        "resource",
        "scope",
        "token",
    ]
)
KNOWN = st.sampled_from(
    [
        "authorization_code",
        "refresh_token",
        "cli_claude",
        "cli_basic",
        ASSERTION_TYPE,
        f"{b64(b'{}')}.{b64(b'{}')}.",
        f"{b64(b'[' * 300)}.{b64(b'[' * 3000)}.AA",
        f"ses_{'0' * 32}.{'A' * 43}.{'0' * 64}",
    ]
)
VALUES = st.one_of(KNOWN, st.text(max_size=60), st.text("%=&+\x00\r\n\ud7ff.", max_size=20))
SECRETS = ("client_secret", "refresh_token", "code", "token", "code_verifier")
HEADERS = st.one_of(
    st.none(),
    st.binary(max_size=30).map(lambda raw: b"Basic " + b64(raw).encode()),
    st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=30).map(str.encode),
)


@settings(max_examples=FUZZED, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    path=st.sampled_from(PATHS),
    form=st.dictionaries(NAMES, VALUES, max_size=8),
    header=HEADERS,
    content=st.one_of(st.none(), st.binary(max_size=60)),
)
async def test_no_input_breaks_an_endpoint_or_is_repeated(
    desk: Issuing, path: str, form: dict[str, str], header: bytes | None, content: bytes | None
) -> None:
    if await desk.agents.get(desk.store, "cli_claude") is None:
        await desk.client("claude")
        await desk.client("basic", secret="s", token_endpoint_auth_method="client_secret_basic")
    headers = {**FORM, **({"Authorization": header} if header is not None else {})}
    sent = (
        {"content": content, "headers": headers}
        if content is not None
        else {"data": form, "headers": headers}
    )
    answer = await desk.http.post(path, **sent)
    assert answer.status_code in {200, 400, 401, 413, 429}
    assert answer.status_code != 200 or path == "/revoke"
    if answer.status_code != 200:
        assert set(answer.json()) == {"error", "error_description"}
    secret = [form[name] for name in SECRETS if len(form.get(name, "")) > 20 and form[name] != ASSERTION_TYPE]
    assert not [value for value in secret if value in answer.text]
