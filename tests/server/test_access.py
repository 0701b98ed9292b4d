"""The door: who is let in, and what everybody else is told."""

import base64
import json
from typing import Any
from urllib.parse import urlsplit

import anyio
import httpx2
import pytest

from tests.support.tokens import signed
from tests.support.town import Town
from tests.support.wire import Wire
from valetkey.model import MINUTE


async def _asked(
    agent: Wire, headers: dict[str, str | None] | None = None, query: str = ""
) -> httpx2.Response:
    """List the tools with some headers changed, or left out where they are None."""
    changed = agent.headers("tools/list") | (headers or {})
    sent = {name: value for name, value in changed.items() if value is not None}
    return await agent.http.post(f"{agent.url}/mcp{query}", json=agent.body("tools/list", {}), headers=sent)


async def test_a_good_token_is_let_in(agent: Wire) -> None:
    assert (await _asked(agent)).status_code == 200


@pytest.mark.parametrize("scheme", ["bearer", "BEARER"])
async def test_the_scheme_has_no_case(agent: Wire, scheme: str) -> None:
    assert (await _asked(agent, {"Authorization": f"{scheme} {agent.token}"})).status_code == 200


@pytest.mark.parametrize(
    "authorization",
    [None, "", "Bearer", "Bearer  x", "Bearer junk", "Basic YTpi", "Bearer a.b.c", "Bearer " + "x" * 9000],
)
async def test_no_token_or_junk_is_told_where_tokens_come_from(
    agent: Wire, authorization: str | None
) -> None:
    refused = await _asked(agent, {"Authorization": authorization})
    assert refused.status_code == 401
    challenge = refused.headers["www-authenticate"]
    assert challenge.startswith("Bearer ")
    assert f'resource_metadata="{agent.url}/.well-known/oauth-protected-resource/mcp"' in challenge
    assert 'scope="mcp"' in challenge
    assert refused.headers["cache-control"] == "no-store"


async def test_where_that_leads_says_what_the_tokens_are_for(agent: Wire) -> None:
    about = await agent.http.get(f"{agent.url}/.well-known/oauth-protected-resource/mcp")
    assert about.json()["resource"] == f"{agent.url}/mcp"
    assert about.json()["bearer_methods_supported"] == ["header"]


async def test_a_token_in_the_query_is_not_looked_at(agent: Wire) -> None:
    refused = await _asked(agent, {"Authorization": None}, f"?access_token={agent.token}")
    assert refused.status_code == 401


async def test_two_authorization_headers_are_none(agent: Wire) -> None:
    """A proxy and we could each believe another one of them."""
    headers = [*agent.headers("tools/list").items(), ("Authorization", "Bearer junk")]
    both = await agent.http.post(f"{agent.url}/mcp", json=agent.body("tools/list", {}), headers=headers)
    assert both.status_code == 401


async def _by_hand(agent: Wire, name: str, changed: dict[str, str]) -> bytes:
    """Call a tool with a request that a client's library would refuse to write; the start of the answer."""
    host = urlsplit(agent.url)
    body = json.dumps(agent.body("tools/call", {"name": name, "arguments": {}})).encode()
    headers = agent.headers("tools/call", name) | {
        "Host": host.netloc,
        "Content-Type": "application/json",
        "Content-Length": str(len(body)),
        "Connection": "close",
    }
    head = "".join(f"{key}: {value}\r\n" for key, value in (headers | changed).items())
    async with await anyio.connect_tcp("127.0.0.1", host.port or 80) as stream:
        await stream.send(f"POST /mcp HTTP/1.1\r\n{head}\r\n".encode("latin-1") + body)
        with anyio.fail_after(10):
            return await stream.receive()


async def test_whitespace_around_a_header_is_no_part_of_it(agent: Wire) -> None:
    name = "gmail.list_unread"
    assert (await _by_hand(agent, name, {"Mcp-Name": f" \t{name} \t"})).startswith(b"HTTP/1.1 200 ")


@pytest.mark.parametrize(("header", "status"), [("Host", b"421"), ("Origin", b"403")])
async def test_what_a_refused_header_holds_does_not_reach_the_log(
    agent: Wire, caplog: pytest.LogCaptureFixture, header: str, status: bytes
) -> None:
    """A terminal obeys what follows U+009B, and one line that looks like two is believed to be two (A3)."""
    answer = await _by_hand(agent, "gmail.list_unread", {header: "evil.test\x9b31m\x85canary"})
    assert answer.split()[1] == status
    assert "canary" not in caplog.text
    assert b"canary" not in answer


async def test_an_expired_token_is_refused(here: Town, agent: Wire) -> None:
    agent.token = await here.token(await here.newcomer(), lasts=10 * MINUTE)
    assert (await _asked(agent)).status_code == 200
    here.clock.advance(10 * MINUTE)
    assert (await _asked(agent)).status_code == 401


async def test_a_session_that_was_ended_is_refused_at_once(here: Town, agent: Wire) -> None:
    claims = here.house.tokens.verified(agent.token)
    async with here.house.ground.store.transaction() as tx:
        await here.house.sessions.end(tx, claims.sid)
    refused = await _asked(agent)
    assert refused.status_code == 401
    assert "session has ended" in refused.json()["error_description"]


def _claims(agent: Wire, **changed: str | None) -> dict[str, Any]:
    """What the agent's token says, with some of it changed, or left out where None."""
    payload = agent.token.split(".")[1]
    claims: dict[str, Any] = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
    return {name: value for name, value in (claims | changed).items() if value is not None}


@pytest.mark.parametrize("changed", [{"sub": None}, {"scope": "operate"}, {"scope": ""}, {"scope": "mcp2"}])
async def test_a_token_for_nobody_or_for_something_else_is_forbidden(
    here: Town, agent: Wire, changed: dict[str, str | None]
) -> None:
    """Good in every other way: signed here, for this place, now (M5)."""
    keys = here.house.ground.keys
    agent.token = signed(keys, _claims(agent))
    assert (await _asked(agent)).status_code == 200
    agent.token = signed(keys, _claims(agent, **changed))
    refused = await _asked(agent)
    assert refused.status_code == 403
    assert 'error="insufficient_scope"' in refused.headers["www-authenticate"]


@pytest.mark.parametrize("aud", ["http://localhost:1/mcp", "https://other.example/mcp", ""])
async def test_a_token_for_another_place_is_refused(here: Town, agent: Wire, aud: str) -> None:
    agent.token = signed(here.house.ground.keys, _claims(agent, aud=aud))
    assert (await _asked(agent)).status_code == 401


async def test_every_method_is_behind_the_door(agent: Wire) -> None:
    for method in ("GET", "POST", "DELETE", "PUT", "OPTIONS", "HEAD"):
        reply = await agent.http.request(method, f"{agent.url}/mcp")
        assert reply.status_code == 401, method


async def test_a_refusal_repeats_nothing_of_what_was_sent(agent: Wire) -> None:
    refused = await _asked(agent, {"Authorization": 'Bearer canary", evil="1'})
    assert "canary" not in refused.text + str(refused.headers)


@pytest.mark.parametrize(
    "host", ["evil.test", "127.0.0.1", "localhost", "localhost:1", "localhost.evil.test"]
)
async def test_another_name_for_this_server_is_refused(agent: Wire, host: str) -> None:
    """A name that somebody else's DNS points here makes a browser of ours their browser (M9)."""
    assert (await _asked(agent, {"Host": host})).status_code == 421


@pytest.mark.parametrize("origin", ["http://evil.test", "null", "https://localhost", "http://127.0.0.1"])
async def test_a_page_of_another_origin_is_refused(agent: Wire, origin: str) -> None:
    assert (await _asked(agent, {"Origin": origin})).status_code == 403


async def test_a_page_of_our_own_origin_is_not(agent: Wire) -> None:
    assert (await _asked(agent, {"Origin": agent.url})).status_code == 200


async def test_an_agent_that_came_alone_is_on_record(here: Town, agent: Wire) -> None:
    claims = _claims(agent, sub=None)
    agent.token = signed(here.house.ground.keys, claims)
    assert (await _asked(agent)).status_code == 403
    row = await here.house.ground.store.one("SELECT * FROM audit WHERE kind = 'caller.refused'")
    assert row
    assert (row["actor"], row["subject"]) == (claims["client_id"], None)
