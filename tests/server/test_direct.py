"""The straight way answers as the SDK's way would, whatever comes; and what it cannot answer is done once.

A media type with a parameter is as good to the SDK, and enough for the straight way to leave a request to it:
each request here is made once in either way.
"""

import json
import re
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import httpx2
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.support.town import Town
from tests.support.wire import VERSION, Wire
from valetkey.people import Person

TOOL, LIST = "notes.write_note", "notes.list_notes"
HEADERS = {"Content-Type": "application/json"}
TO_SDK = {"Content-Type": "application/json; charset=utf-8"}
META = {
    "io.modelcontextprotocol/protocolVersion": VERSION,
    "io.modelcontextprotocol/clientCapabilities": {"elicitation": {"url": {}}},
}


@dataclass(slots=True)
class Agent:
    """An agent that has all it needs for its tools, and asks for everything twice."""

    town: Town
    person: Person
    wire: Wire
    more: dict[str, str] = field(default_factory=dict)

    async def twice(self, body: Any, **changed: str) -> httpx2.Response:
        """The answer of the straight way, once it is seen to be the SDK's as well."""
        text = body if isinstance(body, bytes) else json.dumps(body).encode()
        headers = self.wire.headers("tools/call", TOOL) | self.more | changed
        ours = await self._sent(text, headers | HEADERS)
        theirs = await self._sent(text, headers | TO_SDK)
        assert (ours.status_code, _bare(ours.content)) == (theirs.status_code, _bare(theirs.content))
        assert ours.headers.get("content-type") == theirs.headers.get("content-type")
        return ours

    async def _sent(self, text: bytes, headers: Mapping[str, str]) -> httpx2.Response:
        kept = {name: value for name, value in headers.items() if value}
        return await self.wire.http.post(f"{self.wire.url}/mcp", content=text, headers=kept)


def _bare(content: bytes) -> Any:
    """An answer without what is another in each: what is sealed, the links, the number of a note."""
    try:
        said = json.loads(re.sub(rb"note-\d+", b"note", content))
    except ValueError:
        return content
    result = said.get("result", {})
    for request in result.get("inputRequests", {}).values():
        request["params"]["url"] = "a link"
    if "requestState" in result:
        result["requestState"] = "sealed"
    return said


def call(**params: Any) -> dict[str, Any]:
    """A request, with its parameters changed; None takes one out."""
    whole = {"_meta": META, "name": TOOL, "arguments": {"text": "a"}} | params
    kept = {name: value for name, value in whole.items() if value is not None}
    return {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": kept}


@pytest.fixture(scope="module")
async def agent(here: Town) -> AsyncIterator[Agent]:
    person = await here.newcomer()
    token = await here.connected(person, TOOL, {"text": "first"})
    async with here.wire(token) as wire:
        yield Agent(here, person, wire)


async def test_the_plainest_request_is_answered_straight(agent: Agent) -> None:
    reply = await agent.twice(call(arguments={"text": "\u00fc\u00df"}))
    assert reply.json()["result"]["structuredContent"]["text"] == "\u00fc\u00df"
    assert "\u00fc\u00df".encode() in reply.content, "the SDK would have escaped it"


@pytest.mark.parametrize("given_id", [0, -5, 2**70, "", "a\u00e9", True, 1.0, None, [], {}])
async def test_whatever_the_id_is(agent: Agent, given_id: Any) -> None:
    await agent.twice(call() | {"id": given_id})


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b"null",
        b"\xff",
        b"[" * 10_000,
        json.dumps(call()).encode("utf-16"),
        json.dumps(call())[:-1].encode(),
        json.dumps(call()).replace('"a"', "NaN").encode(),
        json.dumps(call()).replace('"a"', '"\\ud800"').encode(),
        json.dumps(call()).replace('"a"', "1" * 5_000).encode(),
        json.dumps(call()).replace('"text"', '"text": "b", "text"').encode(),
        {key: value for key, value in call().items() if key != "id"},
        {key: value for key, value in call().items() if key != "jsonrpc"},
        {key: value for key, value in call().items() if key != "params"},
        call() | {"jsonrpc": "1.0"},
        call() | {"jsonrpc": 2.0},
        call() | {"method": "tools/list"},
        call() | {"method": "Tools/call"},
        call() | {"method": None},
        call() | {"params": []},
        call() | {"more": 1},
        [call()],
    ],
)
async def test_whatever_the_body_is(agent: Agent, body: Any) -> None:
    await agent.twice(body)


@pytest.mark.parametrize(
    "params",
    [
        {"name": None},
        {"name": 7},
        {"name": "notes_write_note"},
        {"name": "notes.no_such"},
        {"arguments": None},
        {"arguments": []},
        {"arguments": ""},
        {"arguments": {}},
        {"arguments": {"text": 7}},
        {"arguments": {"text": "a", "more": 1}},
        {"_meta": None},
        {"_meta": {}},
        {"_meta": META | {"io.modelcontextprotocol/protocolVersion": "2025-11-25"}},
        {"_meta": META | {"io.modelcontextprotocol/protocolVersion": None}},
        {"_meta": META | {"io.modelcontextprotocol/clientCapabilities": None}},
        {"_meta": META | {"io.modelcontextprotocol/clientCapabilities": {"elicitation": 7}}},
        {"_meta": META | {"io.modelcontextprotocol/clientInfo": {"name": 7}}},
        {"_meta": META | {"io.modelcontextprotocol/clientInfo": {"name": "x", "version": "1"}}},
        {"_meta": META | {"progressToken": "t", "traceparent": 7}},
        {"requestState": "forged"},
        {"requestState": 7},
        {"inputResponses": {"valetkey": {"action": "eat"}}},
        {"inputResponses": {"valetkey": {"action": "cancel"}}},
        {"task": {"ttl": 1}},
    ],
)
async def test_whatever_the_parameters_are(agent: Agent, params: dict[str, Any]) -> None:
    await agent.twice(call(**params))


@pytest.mark.parametrize(
    "headers",
    [
        {"Mcp-Name": ""},
        {"Mcp-Name": LIST},
        {"Mcp-Name": "=?base64?bm90ZXMud3JpdGVfbm90ZQ==?="},
        {"Mcp-Name": "=?base64?bm90ZXM=?="},
        {"Mcp-Method": ""},
        {"Mcp-Method": "tools/list"},
        {"MCP-Protocol-Version": "2099-01-01"},
        {"Accept": ""},
        {"Accept": "text/html"},
        {"Accept": "xapplication/json"},
        {"Accept": "application/json;q=0"},
        {"Accept": "text/event-stream"},
        {"Accept": "*/*"},
        {"Mcp-Param-Text": "b"},
        {"Mcp-Session-Id": "x"},
    ],
)
async def test_whatever_the_headers_are(agent: Agent, headers: dict[str, str]) -> None:
    await agent.twice(call(), **headers)


async def test_a_header_that_comes_twice_is_refused(agent: Agent) -> None:
    headers = [*(agent.wire.headers("tools/call", TOOL) | HEADERS).items(), ("mcp-name", LIST)]
    reply = await agent.wire.http.post(f"{agent.wire.url}/mcp", json=call(), headers=headers)
    assert reply.status_code == 400


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.text(max_size=20))
async def test_whatever_a_tool_hands_on(agent: Agent, text: str) -> None:
    await agent.twice(call(arguments={"text": text}))


async def test_a_call_that_needs_its_person_is_begun_once_and_goes_on(here: Town) -> None:
    person = await here.newcomer()
    async with here.wire(await here.token(person)) as wire:
        leg = await wire.call(TOOL, {"text": "later"})
        await here.approve(leg["inputRequests"]["valetkey"]["params"]["url"], person.name, "ana@example.com")
        done = await wire.call(TOOL, {"text": "later"}, leg["requestState"], "accept")
    assert done["structuredContent"]["text"] == "later"
    calls = [one for one in await here.records(person) if one.kind == "call"]
    assert [(one.tool, one.outcome) for one in calls] == [(TOOL, "ok")]


async def test_a_call_that_is_refused_is_recorded_once(here: Town, agent: Agent) -> None:
    before = len(await here.records(agent.person))
    assert (await agent.wire.call(TOOL, {"text": 7}))["_meta"]["valetkey/outcome"] == "invalid"
    assert len(await here.records(agent.person)) == before + 1
