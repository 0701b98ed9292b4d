"""The Slack Web API: who sees and says what, and Slack's way of refusing with 200."""

from typing import Any

import pytest

from tests.sandbox.visitor import Visitor, slack
from valetkey.sandbox import Sandbox

EVERY_KIND = "public_channel,private_channel"


async def names(visitor: Visitor, **query: Any) -> list[str]:
    return [
        channel["name"]
        for channel in (await visitor.get("/api/conversations.list", **query)).json()["channels"]
    ]


async def test_auth_test_names_the_tokens_owner(visitor: Visitor) -> None:
    await visitor.connect(slack(), "ben@example.com")
    for answer in (await visitor.get("/api/auth.test"), await visitor.post("/api/auth.test", {})):
        assert (answer.json()["ok"], answer.json()["user"], answer.json()["user_id"]) == (
            True,
            "ben",
            "U0BEN00002",
        )


async def test_private_channels_are_seen_by_their_members_only(visitor: Visitor) -> None:
    await visitor.connect(slack(), "ana@example.com")
    assert "eng" in await names(visitor, types=EVERY_KIND)
    assert await names(visitor, types="private_channel") == ["eng"]
    await visitor.connect(slack(), "carol@example.com")
    assert await names(visitor, types=EVERY_KIND) == ["general", "support", "sales", "random", "attic"]
    assert await names(visitor, types=EVERY_KIND, exclude_archived="true") == [
        "general",
        "support",
        "sales",
        "random",
    ]


async def test_channels_come_in_pages(visitor: Visitor) -> None:
    await visitor.connect(slack(), "ana@example.com")
    found, cursor = [], ""
    for _ in range(3):
        page = (await visitor.get("/api/conversations.list", types=EVERY_KIND, limit=2, cursor=cursor)).json()
        found += [channel["name"] for channel in page["channels"]]
        cursor = page["response_metadata"]["next_cursor"]
    assert (found, cursor) == (["general", "support", "sales", "random", "eng", "attic"], "")


async def test_a_posted_message_is_there_as_the_person(visitor: Visitor, sandbox: Sandbox) -> None:
    await visitor.connect(slack(), "ana@example.com")
    sent = (await visitor.post("/api/chat.postMessage", {"channel": "C0RANDOM03", "text": "Noodles!"})).json()
    assert (sent["ok"], sent["channel"], sent["message"]["user"]) == (True, "C0RANDOM03", "U0ANA00001")
    history = (await visitor.get("/api/conversations.history", channel="C0RANDOM03", limit=1)).json()
    assert (history["messages"], history["has_more"]) == ([sent["message"]], True)
    assert sandbox.slack.counters.posted == [
        {"from": "ana@example.com", "channel": "random", "text": "Noodles!"}
    ]


async def test_a_form_does_as_well_as_json_and_a_name_as_well_as_an_id(visitor: Visitor) -> None:
    await visitor.connect(slack(), "ana@example.com")
    form = {"channel": "#general", "text": "hi", "thread_ts": "1.000001"}
    sent = (await visitor.http.post("/api/chat.postMessage", data=form, headers=visitor.headers)).json()
    assert (sent["ok"], sent["message"]["thread_ts"]) == (True, "1.000001")


@pytest.mark.parametrize(
    ("body", "error"),
    [
        ({"channel": "C0SALES006", "text": "hi"}, "not_in_channel"),
        ({"channel": "C0ATTIC005", "text": "hi"}, "is_archived"),
        ({"channel": "C0NOWHERE0", "text": "hi"}, "channel_not_found"),
        ({"text": "hi"}, "channel_not_found"),
        ({"channel": "general"}, "no_text"),
        ([], "json_not_object"),
    ],
)
async def test_a_post_that_cannot_be_is_refused(
    visitor: Visitor, sandbox: Sandbox, body: Any, error: str
) -> None:
    await visitor.connect(slack(), "ana@example.com")
    answer = await visitor.post("/api/chat.postMessage", body)
    assert (answer.status_code, answer.json()) == (200, {"ok": False, "error": error})
    assert sandbox.slack.counters.posted == []


async def test_a_private_channel_of_others_is_like_none(visitor: Visitor) -> None:
    await visitor.connect(slack(), "carol@example.com")
    for body in ({"channel": "C0ENG00004", "text": "hi"}, {"channel": "#eng", "text": "hi"}):
        assert (await visitor.post("/api/chat.postMessage", body)).json()["error"] == "channel_not_found"
    assert (await visitor.get("/api/conversations.history", channel="eng")).json()[
        "error"
    ] == "channel_not_found"
    assert (await visitor.get("/api/search.messages", query="staging")).json()["messages"]["total"] == 0


async def test_search_finds_pages_of_what_one_may_see_newest_first(visitor: Visitor) -> None:
    await visitor.connect(slack(), "ana@example.com")
    first = (await visitor.get("/api/search.messages", query="noodle", count=1)).json()["messages"]
    second = (await visitor.get("/api/search.messages", query="noodle", count=1, page=2)).json()["messages"]
    assert first["paging"] == {"count": 1, "total": 2, "page": 1, "pages": 2}
    assert [found["username"] for found in first["matches"] + second["matches"]] == ["ana", "ben"]
    assert first["matches"][0]["channel"]["name"] == "random"


@pytest.mark.parametrize(
    ("query", "total"),
    [('"release notes"', 1), ("from:@ben in:#eng", 1), ("in:sales", 0), ('"unclosed', 0), ("Thursday", 2)],
)
async def test_search_knows_phrases_people_and_channels(visitor: Visitor, query: str, total: int) -> None:
    await visitor.connect(slack(), "ana@example.com")
    assert (await visitor.get("/api/search.messages", query=query)).json()["messages"]["total"] == total


@pytest.mark.parametrize(
    ("path", "query", "error"),
    [
        ("search.messages", {}, "no_query"),
        ("search.messages", {"query": "a", "page": "0"}, "invalid_arguments"),
        ("conversations.list", {"limit": "many"}, "invalid_arguments"),
        ("conversations.list", {"cursor": "junk"}, "invalid_cursor"),
        ("conversations.history", {"channel": "sales"}, "not_in_channel"),
    ],
)
async def test_arguments_that_make_no_sense_are_refused(
    visitor: Visitor, path: str, query: dict[str, str], error: str
) -> None:
    await visitor.connect(slack(), "ana@example.com")
    assert (await visitor.get(f"/api/{path}", **query)).json() == {"ok": False, "error": error}


@pytest.mark.parametrize(
    ("path", "needed"),
    [
        ("chat.postMessage", "chat:write"),
        ("search.messages", "search:read"),
        ("users.list", "users:read"),
        ("conversations.list?types=public_channel,private_channel", "groups:read"),
        ("conversations.list?types=im", "im:read"),
        ("conversations.history?channel=general", "channels:history"),
        ("conversations.history?channel=eng", "groups:history"),
    ],
)
async def test_a_missing_scope_is_named_with_those_that_are_there(
    visitor: Visitor, path: str, needed: str
) -> None:
    await visitor.connect(slack(), "ana@example.com", user_scope="channels:read")
    answer = await visitor.post(f"/api/{path}", {})
    expected = {"ok": False, "error": "missing_scope", "needed": needed, "provided": "channels:read"}
    assert (answer.status_code, answer.json()) == (200, expected)


async def test_people_are_listed_with_their_names(visitor: Visitor) -> None:
    await visitor.connect(slack(), "ana@example.com")
    page = (await visitor.get("/api/users.list", limit=2)).json()
    assert [member["real_name"] for member in page["members"]] == ["Ana Almeida", "Ben Brandt"]
    assert page["response_metadata"]["next_cursor"]


async def test_each_way_of_having_no_token_has_its_word(visitor: Visitor, sandbox: Sandbox) -> None:
    async def error() -> str:
        return str((await visitor.get("/api/auth.test")).json()["error"])

    assert await error() == "not_authed"
    visitor.headers = {"Authorization": "Bearer xoxp-unknown"}
    assert await error() == "invalid_auth"
    await visitor.connect(slack(), "ana@example.com")
    sandbox.slack.expire()
    assert await error() == "token_expired"
    sandbox.slack.revoke("ana@example.com")
    assert await error() == "token_revoked"
