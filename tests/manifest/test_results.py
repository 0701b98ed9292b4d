"""The quick look at a result never accepts what jsonschema would not."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from valetkey.manifest.arguments import FORMATS, Validator
from valetkey.manifest.plainly import plainly
from valetkey.manifest.results import Results
from valetkey.model import Json

NAMES = st.sampled_from(["id", "title", "items"])
KINDS = st.sampled_from(["string", "integer", "number", "boolean", "null", "object", "array"])
LISTED = {
    "type": "object",
    "required": ["items"],
    "properties": {
        "items": {
            "type": "array",
            "items": {"type": "object", "required": ["id"], "properties": {"id": {"type": "string"}}},
        },
        "next_cursor": {"type": ["string", "null"], "description": "Where to go on."},
    },
    "additionalProperties": False,
}


def deeper(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    known: dict[str, st.SearchStrategy[Any]] = {
        "type": KINDS | st.lists(KINDS, min_size=1, max_size=3, unique=True),
        "properties": st.dictionaries(NAMES, inner, max_size=3),
        "required": st.lists(NAMES, max_size=2, unique=True),
        "additionalProperties": st.booleans() | inner,
        "items": inner,
        "description": st.just("words"),
    }
    others = {
        "enum": st.lists(st.sampled_from([1, "a", None]), min_size=1, max_size=2),
        "maxLength": st.integers(0, 2),
        "minItems": st.integers(0, 2),
        "format": st.just("date"),
        "not": inner,
    }
    return st.fixed_dictionaries({}, optional=known) | st.fixed_dictionaries({}, optional=known | others)


schemas: st.SearchStrategy[Any] = st.recursive(st.just({}) | st.booleans(), deeper, max_leaves=8)
values = st.recursive(
    st.none() | st.booleans() | st.integers(-2, 2) | st.sampled_from([1.0, 1.5, "a", "long", ""]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=3),
    max_leaves=8,
)


@given(schemas, values)
def test_a_quick_yes_is_always_right(schema: Json, value: Json) -> None:
    if plainly(schema)(value):
        assert Validator(schema, format_checker=FORMATS).is_valid(value)


@given(schemas.filter(lambda schema: isinstance(schema, dict)), values)
def test_a_result_is_held_to_the_whole_schema(schema: Json, value: Json) -> None:
    assert Results(schema).is_valid(value) == Validator(schema, format_checker=FORMATS).is_valid(value)


@pytest.mark.parametrize(
    ("value", "fits"),
    [
        ({"items": [{"id": "a"}, {"id": "b", "more": 1}], "next_cursor": None}, True),
        ({"items": []}, True),
        ({"items": [{}]}, False),
        ({"items": [{"id": 1}]}, False),
        ({"items": None}, False),
        ({"next_cursor": "a"}, False),
        ({"items": [], "more": 1}, False),
    ],
)
def test_a_list_is_looked_at_quickly(value: Json, *, fits: bool) -> None:
    assert plainly(LISTED)(value) is fits


@pytest.mark.parametrize("schema", [{"type": "integer"}, {"type": ["integer", "string"]}])
def test_a_boolean_is_no_integer(schema: Json) -> None:
    assert not plainly(schema)(True)
