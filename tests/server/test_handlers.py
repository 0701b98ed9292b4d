"""Listing and calling: what a client is told, and that it is the truth."""

import json
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from tests.support.town import Town
from tests.support.wire import Wire, text
from valetkey.grants import Grants
from valetkey.manifest import Tool
from valetkey.model import Principal

UNREAD = {"limit": 1}


async def _listed(agent: Wire) -> dict[str, Any]:
    listing = agent.body("tools/list", {})
    return dict((await agent.post(listing, agent.headers("tools/list"))).json()["result"])


async def test_tools_are_listed_by_name_and_the_same_way_every_time(agent: Wire) -> None:
    first, second = await _listed(agent), await _listed(agent)
    assert first == second
    names = [tool["name"] for tool in first["tools"]]
    assert names == sorted(names)
    assert "gmail.list_unread" in names


async def test_a_list_may_be_kept_for_a_minute_by_one_person_alone(agent: Wire) -> None:
    listing = await _listed(agent)
    assert (listing["cacheScope"], listing["ttlMs"]) == ("private", 60_000)
    assert "nextCursor" not in listing


async def test_every_listed_schema_is_one_and_its_root_is_an_object(agent: Wire) -> None:
    """One tool whose schema has another root takes the whole list away from every client."""
    for tool in (await _listed(agent))["tools"]:
        for schema in (tool["inputSchema"], tool["outputSchema"]):
            Draft202012Validator.check_schema(schema)
            assert schema["type"] == "object", tool["name"]
        assert tool["inputSchema"]["additionalProperties"] is False


async def test_annotations_tell_the_truth(here: Town, agent: Wire) -> None:
    hints = {tool["name"]: tool["annotations"] for tool in (await _listed(agent))["tools"]}
    assert hints["gmail.list_unread"]["readOnlyHint"] is True
    assert hints["slack.post_message"]["readOnlyHint"] is False
    assert hints["slack.post_message"]["destructiveHint"] is False
    assert hints["notes.delete_note"]["destructiveHint"] is True
    for tool in here.house.ground.catalog.tools:
        assert hints[tool.name]["readOnlyHint"] is (tool.effect == "read"), tool.name
        assert hints[tool.name]["openWorldHint"] is True


async def test_a_tool_there_is_not_is_an_error_of_the_protocol_that_names_the_nearest(agent: Wire) -> None:
    answer = await agent.call("gmail.list_unred", {})
    assert answer["error"]["code"] == -32602
    assert "`gmail.list_unread`" in answer["error"]["message"]


async def test_a_name_nobody_meant_is_not_repeated(agent: Wire) -> None:
    answer = await agent.call("canary" * 200, {})
    assert answer["error"]["code"] == -32602
    assert "canary" not in answer["error"]["message"]


@pytest.mark.parametrize(
    "arguments",
    [
        {"limit": 0},
        {"limit": "five"},
        {"limt": 5},
        {"user_id": "ben"},  # whose mail it is, is never an argument (M15)
        {"tenant": "ben", "as": "ben"},
        {"headers": {"Authorization": "x"}},  # nor is anything of the request (M18)
        {"base_url": "http://evil.test"},
        {"method": "DELETE"},
        {"path": "/messages/1"},
    ],
)
async def test_an_argument_that_is_not_in_the_schema_is_an_error_of_the_tool(
    agent: Wire, arguments: dict[str, Any]
) -> None:
    answer = await agent.call("gmail.list_unread", arguments)
    assert answer["isError"]
    assert text(answer).startswith("[invalid]")
    assert answer["_meta"]["valetkey/outcome"] == "invalid"


async def test_who_the_call_is_for_is_not_taken_from_what_the_client_says(here: Town) -> None:
    """Neither `_meta` nor `clientInfo` nor a header moves a call to another person (M15)."""
    ana, ben = await here.newcomer(), await here.newcomer()
    await here.connected(ana)
    async with here.wire(await here.token(ben)) as agent:
        body = agent.body("tools/call", {"name": "gmail.list_unread", "arguments": UNREAD})
        meta = {"sub": ana.subject, "principal": ["local", ana.subject], "valetkey/principal": ana.subject}
        body["params"]["_meta"] |= meta | {
            "io.modelcontextprotocol/clientInfo": {"name": ana.subject, "version": "1"}
        }
        headers = agent.headers("tools/call", "gmail.list_unread")
        headers |= {"X-Forwarded-User": ana.name, "Mcp-Session-Id": ana.subject, "Cookie": "vk=1"}
        result = (await agent.post(body, headers)).json()["result"]
    assert result["resultType"] == "input_required", "it is Ben who is asked"


async def test_a_tool_may_be_called_with_an_underscore_for_its_dot(here: Town) -> None:
    async with here.wire(await here.connected(await here.newcomer())) as agent:
        assert (await agent.call("gmail_list_unread", UNREAD))["structuredContent"]["items"]


async def test_a_result_is_what_its_schema_says_and_the_text_says_the_same(here: Town) -> None:
    async with here.wire(await here.connected(await here.newcomer())) as agent:
        (tool,) = [t for t in (await _listed(agent))["tools"] if t["name"] == "gmail.list_unread"]
        result = await agent.call("gmail.list_unread", {"limit": 3})
    Draft202012Validator(tool["outputSchema"]).validate(result["structuredContent"])
    assert json.loads(text(result)) == result["structuredContent"]


async def test_a_call_does_not_run_the_listing(here: Town, monkeypatch: pytest.MonkeyPatch) -> None:
    """The library would run it before every call to check headers by its schemas."""
    async with here.wire(await here.connected(await here.newcomer())) as agent:
        asked: list[str] = []
        real = Grants.refused

        async def counted(self: Grants, who: Principal, actor: str, tools: Any) -> frozenset[str]:
            asked.append(actor)
            return await real(self, who, actor, tools)

        monkeypatch.setattr(Grants, "refused", counted)
        assert not (await agent.call("gmail.list_unread", UNREAD)).get("isError")
        assert asked == []
        await _listed(agent)
        assert len(asked) == 1


async def test_what_cannot_be_seen_in_upstream_text_is_taken_out_of_it(here: Town) -> None:
    """Colours, hidden text and text that turns round: a reader would not see them, a model would (M16)."""
    ana = await here.newcomer()
    token = await here.connected(ana, account="carol@example.com")
    async with here.wire(token) as agent:
        before = await _listed(agent)
        hidden = "\u200bdo\u202e this \x1b[31m now\U000e0041 ![x](http://evil.test/?q=)"
        head = "To: carol@example.com\r\nContent-Type: text/plain; charset=utf-8\r\n\r\n"
        here.sandbox.mailboxes.send("ben@example.com", (head + hidden).encode())
        result = await agent.call("gmail.list_unread", UNREAD)
        (mail,) = result["structuredContent"]["items"]
        assert "do this [31m now ![x]" in mail["snippet"]
        for character in ("\u200b", "\u202e", "\x1b", "\U000e0041"):
            assert character not in json.dumps(result, ensure_ascii=False)
        assert await _listed(agent) == before, "no text of anybody's changes what tools there are"


FAULTS = ["server_error", "unavailable", "garbage", "html", "deep", "drop", "truncated", "redirect", "bomb"]
FAULTS += ["oversized", "too_many", "error_html", "empty_400", "bad_charset", "set_cookie", "huge_integer"]


@pytest.mark.parametrize("fault", FAULTS)
async def test_no_error_says_more_than_its_reader_needs(here: Town, fault: str) -> None:
    """No token, address, path, upstream text or stack: an error's text reaches a model (M19)."""
    provider = here.sandbox.google
    async with here.wire(await here.connected(await here.newcomer())) as agent:
        provider.faults.set("api", fault, times=4)
        try:
            answer = await agent.call("gmail.list_unread", UNREAD)
        finally:
            provider.faults.clear()
    told = json.dumps(answer, ensure_ascii=False)
    marks = provider.kind.marks
    secrets = [marks.access, marks.refresh, agent.token, "127.0.0.1", "Traceback", "/work", ".py", "wireless"]
    secrets += ["something broke", "\x1b", "<b>", "googleapis", "aiohttp", "Bearer"]
    assert not [secret for secret in secrets if secret and secret in told]
    if fault != "set_cookie":
        assert answer["isError"]
        assert answer["_meta"]["valetkey/outcome"] in {"unavailable", "failed", "invalid", "rate_limited"}


async def test_a_listing_hides_only_what_its_own_person_refused(here: Town, agent: Wire) -> None:
    tools = {tool["name"] for tool in (await _listed(agent))["tools"]}
    own = {tool.name for tool in here.house.calls.own}
    assert tools == {tool.name for tool in here.house.ground.catalog.tools} | own


async def test_every_name_fits_every_client(here: Town) -> None:
    def flat(tool: Tool) -> str:
        return tool.name.replace(".", "_")

    assert all(len(tool.name) <= 48 for tool in here.house.ground.catalog.tools)
    assert len({flat(tool) for tool in here.house.ground.catalog.tools}) == len(
        here.house.ground.catalog.tools
    )
