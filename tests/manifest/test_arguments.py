import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from valetkey.errors import CallError
from valetkey.manifest.arguments import Arguments
from valetkey.manifest.schema_tools import Arg, Paging
from valetkey.model import Json, Outcome

ARGS = {
    "to": Arg(type="string", format="email", description="To."),
    "limit": Arg(type="integer", default=10, minimum=1, maximum=50, description="How many."),
    "kind": Arg(type="string", optional=True, enum=("a", "b"), description="Kind."),
    "tags": Arg(type="array", optional=True, items={"type": "string"}, max_items=2, description="Tags."),
}
ARGUMENTS = Arguments(ARGS, None)


def refused(value: Json, arguments: Arguments = ARGUMENTS) -> str:
    with pytest.raises(CallError) as error:
        arguments.check(value)
    assert error.value.outcome == Outcome.INVALID
    return error.value.text


def test_the_schema_accepts_what_is_named_and_nothing_else() -> None:
    assert ARGUMENTS.schema["additionalProperties"] is False
    assert ARGUMENTS.schema["required"] == ["to"]
    assert ARGUMENTS.schema["properties"]["limit"] == {
        "type": "integer",
        "description": "How many.",
        "default": 10,
        "minimum": 1,
        "maximum": 50,
    }
    assert ARGUMENTS.schema["properties"]["tags"]["maxItems"] == 2


def test_defaults_are_filled_in() -> None:
    assert ARGUMENTS.check({"to": "a@b.example"}) == {"to": "a@b.example", "limit": 10}
    assert ARGUMENTS.check({"to": "a@b.example", "limit": 3})["limit"] == 3


def test_null_for_an_argument_that_may_be_left_out_is_leaving_it_out() -> None:
    assert "kind" not in ARGUMENTS.check({"to": "a@b.example", "kind": None})
    assert "`to`" in refused({"to": None})


@pytest.mark.parametrize(
    ("value", "says"),
    [
        ({}, "`to` is missing"),
        ({"to": "nobody"}, "`to` must be a valid email"),
        ({"to": "a@b.example\nBcc: c@d.example"}, "`to` must be a valid email"),
        ({"to": "a@b.example, c@d.example"}, "`to` must be a valid email"),
        ({"to": 7}, "`to` must be of type string"),
        ({"to": "a@b.example", "limit": "3"}, "`limit` must be of type integer"),
        ({"to": "a@b.example", "limit": True}, "`limit` must be of type integer"),
        ({"to": "a@b.example", "limit": 51}, "`limit` must be at most 50"),
        ({"to": "a@b.example", "limit": 0}, "`limit` must be at least 1"),
        ({"to": "a@b.example", "kind": "c"}, "`kind` must be one of a, b"),
        ({"to": "a@b.example", "tags": ["a", 1]}, "`tags.1` must be of type string"),
        ({"to": "a@b.example", "tags": ["a", "b", "c"]}, "`tags` must have at most 2 items"),
        ({"to": "a@b.example", "limt": 3}, "unknown argument `limt` (did you mean `limit`?). Accepted: "),
        ({"to": "a@b.example", "headers": {"X": "y"}}, "unknown argument `headers`"),
    ],
)
def test_the_text_says_which_argument_why_and_what_is_accepted(value: Json, says: str) -> None:
    text = refused(value)
    assert says in text
    assert text.endswith("Accepted: to (string), limit (integer), kind (string), tags (array).")


def test_every_problem_is_named_at_once() -> None:
    text = refused({"limit": 99, "kind": "c"})
    assert all(name in text for name in ("`to` is missing", "`limit` must", "`kind` must"))


@pytest.mark.parametrize("name", ["headers", "base_url", "method", "path", "user_id", "as", "_meta", "url"])
def test_nothing_about_the_request_can_be_overridden(name: str) -> None:
    assert f"unknown argument `{name}`" in refused({"to": "a@b.example", name: "x"})


@pytest.mark.parametrize(
    "value", [None, [], "text", 7, {"to": math.nan}, {"to": "\ud800"}, {"a": {"b": math.inf}}]
)
def test_what_is_no_json_object_is_refused(value: Json) -> None:
    assert refused(value) == "The arguments must be one JSON object."


@given(st.text(min_size=60) | st.integers(min_value=10**30) | st.lists(st.text(min_size=60), min_size=1))
def test_a_long_value_is_never_echoed(value: Json) -> None:
    text = refused({"to": value, "limit": value, "kind": value, "n" * 99: 1})
    assert len(text) < 500
    assert str(value)[:50] not in text
    assert "n" * 41 not in text


@pytest.mark.parametrize("style", ["page", "offset"])
def test_a_counted_cursor_is_a_number(style: Any) -> None:
    paged = Arguments({}, Paging(style=style, send="page", read="pages"))
    assert paged.check({"cursor": "12"}) == {"cursor": "12"}
    for wrong in ("-1", "1.5", "x", "1" * 10, "٣", "1\n"):
        assert "`cursor` must match" in refused({"cursor": wrong}, paged)


def test_any_other_cursor_is_a_text_of_the_api_s_own() -> None:
    paged = Arguments({}, Paging(style="cursor", send="page", read="next"))
    assert paged.check({"cursor": "a/b?c=d"}) == {"cursor": "a/b?c=d"}
    assert paged.check({"cursor": None}) == {}
    assert "`cursor` must have at most" in refused({"cursor": "x" * 2049}, paged)


@pytest.mark.parametrize(
    ("kind", "good", "bad"),
    [
        ("date", "2026-11-24", "24.11.2026"),
        ("date-time", "2026-11-24T10:00:00Z", "2026-11-24T10:00:00"),
        ("date-time", "2026-11-24T10:00:00+01:00", "tomorrow"),
        ("uri", "https://a.example/b", "javascript:alert(1)"),
    ],
)
def test_formats_are_checked(kind: Any, good: str, bad: str) -> None:
    arguments = Arguments({"x": Arg(type="string", format=kind, description="X.")}, None)
    assert arguments.check({"x": good}) == {"x": good}
    assert f"`x` must be a valid {kind}" in refused({"x": bad}, arguments)
