"""A schema as it is published accepts what the manifest's accepts, and holds no list of types."""

from typing import Any
from unittest.mock import Mock

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from valetkey.calls.answering import Answering
from valetkey.calls.own import OwnTool, own_tools
from valetkey.manifest import Catalog, Tool, shipped
from valetkey.manifest.portable import portable
from valetkey.model import Json

TYPES = ["string", "integer", "number", "boolean", "null", "object", "array"]
LEAVES = st.none() | st.booleans() | st.integers(-2, 2) | st.sampled_from(["", "a", "null", 0.5])
VALUES = st.recursive(
    LEAVES,
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from("ab"), inner, max_size=2),
    max_leaves=5,
)


def _schema(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """Names of properties that are keywords, too: they must not be taken for any."""
    some = {
        "type": st.sampled_from(TYPES) | st.lists(st.sampled_from(TYPES), min_size=1, unique=True),
        "properties": st.dictionaries(st.sampled_from(["a", "b", "type", "title", "not"]), inner, max_size=2),
        "items": inner,
        "not": inner,
        "anyOf": st.lists(inner, min_size=1, max_size=2),
        "enum": st.lists(LEAVES, min_size=1, max_size=2),
        "minLength": st.integers(0, 1),
        "description": st.just("about it"),
    }
    return st.fixed_dictionaries({}, optional=some)


NOTHING_SAID: st.SearchStrategy[Json] = st.just({})
SCHEMAS = st.recursive(NOTHING_SAID, _schema, max_leaves=4)


@given(SCHEMAS, VALUES)
def test_the_same_values_are_accepted(schema: Json, value: Json) -> None:
    asked, published = Draft202012Validator(schema), Draft202012Validator(portable(schema))
    assert asked.is_valid(value) == published.is_valid(value)


def test_what_is_said_of_a_value_stays_beside_it() -> None:
    schema = {"type": ["array", "null"], "description": "Who comes.", "items": {"type": "string"}}
    assert portable(schema) == {
        "anyOf": [{"type": "array", "items": {"type": "string"}}, {"type": "null"}],
        "description": "Who comes.",
    }


def _lists_of_types(schema: Json) -> bool:
    if isinstance(schema, list):
        return any(map(_lists_of_types, schema))
    if not isinstance(schema, dict):
        return False
    return isinstance(schema.get("type"), list) or any(map(_lists_of_types, schema.values()))


@pytest.mark.parametrize("of", ["input_schema", "output_schema"])
def test_no_shipped_tool_is_published_with_a_list_of_types(of: str) -> None:
    catalog = Catalog.load([shipped()], allow_hooks=[shipped()])
    tools: list[Tool | OwnTool] = [*catalog.tools, *own_tools(Mock(Answering))]
    assert not [tool.name for tool in tools if _lists_of_types(getattr(tool, of))]
