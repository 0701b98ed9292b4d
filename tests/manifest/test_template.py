import pytest

from valetkey.manifest.contexts import Unfit
from valetkey.manifest.flaws import Flaw
from valetkey.manifest.template import UNSET, fill, parse, parse_string, slots
from valetkey.model import Json


@pytest.mark.parametrize("value", ["text", 7, 2.5, True, None, ["a"], {"b": 1}, "", 0, False])
def test_a_whole_placeholder_keeps_the_type_of_its_argument(value: Json) -> None:
    filled = fill(parse({"entry": "{it}"}), {"it": value})
    assert filled == {"entry": value}
    assert type(filled["entry"]) is type(value)


def test_an_entry_disappears_with_its_argument() -> None:
    node = parse({"a": "{x}", "b": {"c": "{x}", "d": 1}, "e": ["{x}", "kept"], "f": "x:{x:raw}"})
    assert fill(node, {}) == {"b": {"d": 1}, "e": ["kept"]}


def test_a_null_argument_is_not_an_unset_one() -> None:
    assert fill(parse({"a": "{x}"}), {"x": None}) == {"a": None}


def test_a_bracketed_part_disappears_alone() -> None:
    node = parse("is:unread [from:{from:gmail}]")
    assert fill(node, {}) == "is:unread"
    assert fill(node, {"from": "ana"}) == "is:unread from:ana"


def test_an_entry_of_nothing_but_unset_optional_parts_disappears() -> None:
    assert fill(parse({"q": "[from:{from:gmail}] [to:{to:gmail}]"}), {}) == {}


def test_brackets_without_a_placeholder_are_text() -> None:
    assert fill(parse("a[0] {x:raw}"), {"x": "b"}) == "a[0] b"


@pytest.mark.parametrize("source", ["query { issues { id } }", "{}", "{ id }", '{"a": 1}', "{1}"])
def test_braces_that_are_no_placeholder_are_text(source: str) -> None:
    assert parse_string(source) == source


@pytest.mark.parametrize("source", ["{Limit}", "a {limit:} b", "{limit:SOQL}", "{_x}", "a{fooBar}"])
def test_what_only_looks_like_a_placeholder_is_a_flaw(source: str) -> None:
    with pytest.raises(Flaw, match="is not a placeholder"):
        parse_string(source)


def test_every_placeholder_of_a_node_is_found() -> None:
    node = parse({"a": "{x}", "b": ["{y:gmail} [z:{z:raw}]"], "c": 1})
    assert [(slot.name, slot.context, whole) for slot, whole in slots(node)] == [
        ("x", None, True),
        ("y", "gmail", False),
        ("z", "raw", False),
    ]


def test_the_quotation_mark_open_at_a_placeholder_is_known() -> None:
    node = parse("""a = '{a:soql}' AND b = "{b:jql}" AND c = {c:raw} [d = '{d:soql}']""")
    assert [slot.inside for slot, _ in slots(node)] == ["'", '"', "", "'"]


def test_an_argument_s_own_braces_are_never_read_as_a_placeholder() -> None:
    assert fill(parse({"a": "{x}", "b": "{x:raw}!"}), {"x": "{y}", "y": "secret"}) == {
        "a": "{y}",
        "b": "{y}!",
    }


@pytest.mark.parametrize("value", ["a\nb", "a\rb", "a\0b", "\x7f", "\x85"])
def test_control_characters_never_get_into_text(value: str) -> None:
    with pytest.raises(Unfit, match="control characters"):
        fill(parse("q {x:raw}"), {"x": value})


def test_unset_is_told_from_every_json_value() -> None:
    assert fill(parse("{x}"), {}) is UNSET
