"""The endpoint under requests no client would write, and its binds."""

import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.support.town import Town, settings_for, town
from tests.support.wire import Wire
from valetkey.errors import SettingsError
from valetkey.serving import listen, public_url

CALL = {"name": "gmail.list_unread", "arguments": {"limit": 1}}


@pytest.fixture
async def still_well(agent: Wire) -> AsyncIterator[None]:
    """Whatever the test sent: the next call is served."""
    yield
    listing = await agent.post(agent.body("tools/list", {}), agent.headers("tools/list"))
    assert listing.status_code == 200
    assert listing.json()["result"]["tools"]


def _written(agent: Wire, arguments: str) -> bytes:
    """A whole call whose arguments are this text."""
    body = agent.body("tools/call", {"name": "gmail.list_unread", "arguments": "HERE"})
    return json.dumps(body).replace('"HERE"', arguments).encode("utf-8", "surrogatepass")


@pytest.mark.parametrize(
    ("body", "status"),
    [
        pytest.param(b"[" * 100_000, 400, id="deep"),
        pytest.param(b'{"a":' * 100_000, 400, id="deep objects"),
        pytest.param(b"[]", 400, id="empty batch"),
        pytest.param(b'[{"jsonrpc":"2.0","id":1,"method":"tools/list"}]', 400, id="batch"),
        pytest.param(b"\xff\xfe{}", 400, id="not UTF-8"),
        pytest.param(b"", 400, id="nothing"),
        pytest.param(b"x" * (4 * 1024 * 1024 + 1), 413, id="more than 4 MiB"),
    ],
)
@pytest.mark.usefixtures("still_well")
async def test_a_body_that_is_no_request_is_refused(agent: Wire, body: bytes, status: int) -> None:
    assert (await agent.post(body, agent.headers("tools/call", "gmail.list_unread"))).status_code == status


@pytest.mark.parametrize(
    "arguments",
    [
        pytest.param('{"limit": NaN}', id="NaN"),
        pytest.param('{"limit": Infinity}', id="Infinity"),
        pytest.param('{"limit": 1' + "0" * 400 + "}", id="huge number"),
        pytest.param('{"limit": 1e400}', id="number out of range"),
        pytest.param('{"from": "\\ud800"}', id="lone surrogate"),
        pytest.param('{"from": "' + "x" * 1_000_000 + '"}', id="a megabyte"),
        pytest.param('{"limit": ' + "[" * 150 + "]" * 150 + "}", id="nested"),
        pytest.param('{"limit": true}', id="a boolean is no number"),
        pytest.param("[]", id="a list"),
        pytest.param('"text"', id="text"),
    ],
)
@pytest.mark.usefixtures("still_well")
async def test_arguments_that_cannot_be_are_an_error_and_ask_nobody(
    here: Town, agent: Wire, arguments: str
) -> None:
    headers = agent.headers("tools/call", "gmail.list_unread")
    reply = await agent.post(_written(agent, arguments), headers)
    answer = reply.json()
    told = answer.get("error") or answer["result"]
    assert told.get("isError") or told["code"] in {-32602, -32600, -32700}
    assert "inputRequests" not in told


@pytest.mark.usefixtures("still_well")
async def test_a_name_with_a_lone_surrogate_is_no_tool(agent: Wire) -> None:
    body = json.dumps(agent.body("tools/call", {"name": "\ud800", "arguments": {}})).encode()
    reply = await agent.post(body, agent.headers("tools/call", "x"))
    assert reply.status_code == 400


@pytest.mark.parametrize(
    ("name", "value"), [("Mcp-Method", "tools/list"), ("Mcp-Name", "slack.post_message"), ("Mcp-Name", "")]
)
async def test_headers_that_say_something_else_than_the_body_are_refused(
    agent: Wire, name: str, value: str
) -> None:
    """What a proxy decides by the headers, and we by the body, is the same call (M11)."""
    headers = agent.headers("tools/call", "gmail.list_unread") | {name: value}
    reply = await agent.post(agent.body("tools/call", CALL), headers)
    assert reply.status_code == 400
    assert reply.json()["error"]["code"] == -32020


async def test_the_public_keys_hold_no_private_half(here: Town, agent: Wire) -> None:
    (key,) = (await agent.http.get(f"{here.url}/.well-known/jwks.json")).json()["keys"]
    assert key.keys() == {"kty", "crv", "kid", "use", "alg", "x"}


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.1"])
def test_listening_beyond_this_machine_needs_a_public_url(tmp_path: Path, host: str) -> None:
    with pytest.raises(SettingsError, match="public_url"):
        public_url(settings_for(tmp_path, "http://127.0.0.1:1"), host, 8917)


async def test_bound_to_every_address_only_names_of_ours_are_served(tmp_path: Path) -> None:
    """The library's own check is off for such a bind; ours is not (M9)."""
    listener = listen("0.0.0.0", 0)
    port = listener.getsockname()[1]
    more = f'public_url = "http://localhost:{port}"\nallowed_hosts = ["valetkey.internal:{port}"]'
    async with (
        town(tmp_path, more=more, listener=listener) as here,
        here.wire(await here.token(await here.newcomer())) as agent,
    ):
        for host, status in ((None, 200), (f"valetkey.internal:{port}", 200), ("evil.test", 421)):
            headers = agent.headers("tools/list") | ({"Host": host} if host else {})
            assert (await agent.post(agent.body("tools/list", {}), headers)).status_code == status, host
        page = await agent.http.get(f"{here.url}/signin", headers={"Host": "evil.test"})
        assert page.status_code == 421
