"""Slack's messages: changing and deleting one's own, threads, reactions, and who may read."""

from typing import Any

import pytest

from tests.sandbox.visitor import Visitor, slack
from valetkey.sandbox import Sandbox

RANDOM, ENG = "C0RANDOM03", "C0ENG00004"


@pytest.fixture(autouse=True)
async def connected(visitor: Visitor) -> None:
    await visitor.connect(
        slack(), "ana@example.com", user_scope=slack().query["user_scope"] + ",reactions:write"
    )


async def call(visitor: Visitor, method: str, **arguments: Any) -> Any:
    return (await visitor.post(f"/api/{method}", arguments)).json()


async def said(visitor: Visitor, text: str, **more: Any) -> str:
    ts: str = (await call(visitor, "chat.postMessage", channel=RANDOM, text=text, **more))["ts"]
    return ts


async def newest(visitor: Visitor) -> Any:
    return (await visitor.get("/api/conversations.history", channel=RANDOM, limit=1)).json()["messages"][0]


async def test_ones_own_message_is_changed_and_shows_it(visitor: Visitor) -> None:
    ts = await said(visitor, "Noodles!")
    assert (await call(visitor, "chat.update", channel=RANDOM, ts=ts, text="Soup!"))["ok"]
    message = await newest(visitor)
    assert (message["text"], "edited" in message) == ("Soup!", True)


async def test_ones_own_message_is_deleted_for_all(visitor: Visitor) -> None:
    ts = await said(visitor, "Noodles!")
    assert (await call(visitor, "chat.delete", channel=RANDOM, ts=ts))["ok"]
    assert (await newest(visitor))["ts"] != ts
    assert (await call(visitor, "chat.delete", channel=RANDOM, ts=ts))["error"] == "message_not_found"


async def test_nobody_changes_what_somebody_else_said(visitor: Visitor, sandbox: Sandbox) -> None:
    channel = sandbox.workspace.find(RANDOM)
    assert channel is not None
    theirs = channel.said[0]
    assert theirs.person.handle == "ben"
    for method in ("chat.update", "chat.delete"):
        error = "cant_update_message" if method == "chat.update" else "cant_delete_message"
        assert (await call(visitor, method, channel=RANDOM, ts=theirs.ts, text="x"))["error"] == error


async def test_a_thread_holds_its_first_message_and_the_replies(visitor: Visitor) -> None:
    ts = await said(visitor, "Noodles?")
    await said(visitor, "Elsewhere")
    await said(visitor, "Yes.", thread_ts=ts)
    replies = (await visitor.get("/api/conversations.replies", channel=RANDOM, ts=ts)).json()
    assert [message["text"] for message in replies["messages"]] == ["Noodles?", "Yes."]
    assert (await call(visitor, "conversations.replies", channel=RANDOM, ts="1.1"))[
        "error"
    ] == "thread_not_found"


async def test_a_reaction_is_there_once(visitor: Visitor) -> None:
    ts = await said(visitor, "Noodles!")
    arguments = {"channel": RANDOM, "timestamp": ts, "name": "ramen"}
    assert (await call(visitor, "reactions.add", **arguments)) == {"ok": True}
    assert (await newest(visitor))["reactions"] == [{"name": "ramen", "count": 1, "users": ["U0ANA00001"]}]
    assert (await call(visitor, "reactions.add", **arguments))["error"] == "already_reacted"
    assert (await call(visitor, "reactions.add", **arguments | {"name": ""}))["error"] == "invalid_name"


async def test_threads_and_history_ask_for_the_same_scopes(visitor: Visitor) -> None:
    await visitor.connect(slack(), "ana@example.com", user_scope="channels:history")
    for method in ("conversations.history", "conversations.replies"):
        refused = await call(visitor, method, channel=ENG, ts="1.1")
        assert (refused["error"], refused["needed"]) == ("missing_scope", "groups:history")


async def test_a_person_is_named_by_their_id(visitor: Visitor) -> None:
    assert (await call(visitor, "users.info", user="U0BEN00002"))["user"]["real_name"] == "Ben Brandt"
    assert (await call(visitor, "users.info", user="U0NOBODY00"))["error"] == "user_not_found"
