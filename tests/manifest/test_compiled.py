"""Compiled expressions say what the library's interpreter says, for any value and any expression of ours."""

from typing import Any

import jmespath
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jmespath.exceptions import JMESPathError

from valetkey.manifest import Catalog, helpers, shipped
from valetkey.manifest.compiled import compiled
from valetkey.model import Json

OPTIONS = jmespath.Options(custom_functions=helpers.Helpers())
NAMES = ["a", "b", "items", "id"]
EXPRESSIONS = [
    "a", "a.b", "a[0]", "a[-1]", "a[-9]", "a[]", "a[].b", "a[*].b[]", "a[?b].id", "a[?b=='x'].id",
    "a[?!b]", "a || b", "a.b || id || `[]`", "{id: id, of: a.b}", "a[].{id: id, b: b || a}", "[a, b]",
    "a | [0]", "@", "a.*.b", "a[1:3]", "length(a || `[]`)", "a && b", "!a", "a[?id > `1`]",
    "header(a, 'b')", "sort_by(a, &id)", "`0` || a", "a[].b.items[].id", "items[?a == `1`] | [0].{x: @}",
]  # fmt: skip

texts = st.sampled_from(["", "x", "b", "\u200b"])
plain = st.none() | st.booleans() | st.integers(-2, 2) | st.floats(-1, 1) | texts
values = st.recursive(
    plain,
    lambda below: st.lists(below, max_size=4) | st.dictionaries(st.sampled_from(NAMES), below),
    max_leaves=20,
)


def said(search: Any, value: Json) -> tuple[str, Json]:
    try:
        return "found", search(value)
    except (JMESPathError, TypeError) as error:
        return "refused", type(error)


def same(expression: str, value: Json) -> None:
    parsed = jmespath.compile(expression)
    ours = said(compiled(parsed.parsed, OPTIONS), value)
    theirs = said(lambda value: parsed.search(value, options=OPTIONS), value)
    assert repr(ours) == repr(theirs)  # repr tells True from 1


@pytest.mark.parametrize("expression", EXPRESSIONS)
@settings(max_examples=30)
@given(value=values)
def test_an_expression_finds_what_the_library_finds(expression: str, value: Json) -> None:
    same(expression, value)


def shipped_expressions() -> list[str]:
    tools = Catalog.load([shipped()], allow_hooks=[shipped()]).tools
    return sorted({tool.result.source for tool in tools if tool.result})


@pytest.mark.parametrize("expression", shipped_expressions())
@settings(max_examples=30)
@given(value=values)
def test_every_shipped_result_is_the_librarys_for_replies_that_nobody_expects(
    expression: str, value: Json
) -> None:
    same(expression, value)
