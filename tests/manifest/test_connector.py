from pathlib import Path

import pytest

from tests.manifest.demo import TOOL, acme
from valetkey.manifest import Catalog, Tool, shipped
from valetkey.model import Effect

GMAIL = "https://www.googleapis.com/auth/gmail."
CATALOG = Catalog.load([shipped()])


@pytest.mark.parametrize("tool", CATALOG.tools, ids=lambda tool: tool.name)
def test_a_shipped_tool_is_described_for_agents_and_people(tool: Tool) -> None:
    assert 20 < len(tool.description) < 400
    assert tool.title
    assert tool.scopes
    assert tool.input_schema["type"] == tool.output_schema["type"] == "object"
    assert all(schema["description"] for schema in tool.input_schema["properties"].values())
    assert tool.annotations["readOnlyHint"] is (tool.effect is Effect.READ)


def test_annotations_are_truthful(tmp_path: Path) -> None:
    destroy = TOOL.replace("get_thing", "drop").replace('"read"', '"destroy"').replace("GET", "DELETE")
    again = TOOL.replace("get_thing", "put").replace('"read"', '"write"').replace("GET", "PUT")
    more = 'preview = "x"\n'
    tools = acme(tmp_path, TOOL + destroy + more + again + more + "idempotent = true\n").tools
    assert [list(tools[name].annotations.values()) for name in ("get_thing", "drop", "put")] == [
        [True, False, True, True],
        [False, True, False, True],
        [False, False, True, True],
    ]


def test_a_preview_says_what_will_happen() -> None:
    tool = CATALOG.tool("gmail.send_message")
    mail = {"to": "ben@example.com", "subject": "Lunch", "text": "Friday?"}
    assert tool.preview(mail) == "Send an email to ben@example.com, with the subject “Lunch”:\n\nFriday?"
    assert ", copy to eve@example.com," in tool.preview({**mail, "cc": "eve@example.com"})


def test_a_preview_hides_nothing_and_shows_no_more_than_a_page() -> None:
    tool = CATALOG.tool("slack.post_message")
    shown = tool.preview({"channel": "C1\u202e\u200b{text}", "text": "x" * 40_000})
    assert shown.startswith("Post to Slack channel C1{text}:\n\nxxx")
    assert len(shown) < 2_100
    assert CATALOG.tool("slack.list_channels").preview({}) == "Slack: list channels"


def test_implied_scopes_are_followed_to_the_end() -> None:
    gmail = CATALOG.connectors["gmail"]
    everything = gmail.satisfied(frozenset({"https://mail.google.com/"}))
    assert {GMAIL + name for name in ("modify", "readonly", "compose", "send")} < everything
    assert gmail.satisfied(frozenset({GMAIL + "readonly"})) == {GMAIL + "readonly"}
    assert gmail.satisfied(frozenset()) == frozenset()


def test_scopes_that_imply_each_other_end_too(tmp_path: Path) -> None:
    (tmp_path / "providers").mkdir()
    (tmp_path / "providers" / "ring.toml").write_text('type = "none"\nimplies = { a = ["b"], b = ["a"] }')
    text = tmp_path / "acme" / "manifest.toml"
    acme(tmp_path, TOOL)
    text.write_text(text.read_text().replace('type = "none"', 'use = "ring"'))
    ring = Catalog.load([tmp_path]).connectors["acme"]
    assert ring.satisfied(frozenset("a")) == {"a", "b"}


def test_a_connection_can_always_be_asked_whose_it_is() -> None:
    gmail, slack = CATALOG.connectors["gmail"], CATALOG.connectors["slack"]
    assert gmail.to_ask(frozenset({GMAIL + "send"})) == {GMAIL + "send", GMAIL + "compose"}
    assert gmail.to_ask(frozenset({GMAIL + "readonly"})) == {GMAIL + "readonly"}
    assert slack.to_ask(frozenset({"chat:write"})) == {"chat:write"}


def test_a_list_is_published_with_its_cursor() -> None:
    tool = CATALOG.tool("slack.list_channels")
    assert "cursor" in tool.input_schema["properties"]
    assert set(tool.output_schema["properties"]) == {"items", "next_cursor", "note"}
    assert tool.output_schema["required"] == ["items", "next_cursor"]
