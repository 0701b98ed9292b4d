"""For each query language: whatever the value, the query around it still means what its author wrote."""

import json
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from valetkey.manifest.contexts import CONTEXTS, Unfit, escaped
from valetkey.manifest.template import fill, parse

HOSTILE = st.text(
    alphabet=st.sampled_from("ab1 '\"\\/-:(){}[]|&*~?^!=<>%;#.,\u201c\u201d\uff02\n\tOR"), max_size=20
)
ANY = st.one_of(HOSTILE, st.text(alphabet=st.characters(exclude_categories=["Cs"])))
STRINGS = {
    "soql": re.compile(r"'((?:[^'\\]|\\.)*)'", re.DOTALL),
    "drive": re.compile(r"'((?:[^'\\]|\\.)*)'", re.DOTALL),
    "jql": re.compile(r'"((?:[^"\\]|\\.)*)"', re.DOTALL),
    "graphql": re.compile(r'"((?:[^"\\]|\\.)*)"', re.DOTALL),
    "odata": re.compile(r"'((?:[^']|'')*)'"),
}


@pytest.mark.parametrize("context", STRINGS)
@given(value=ANY)
def test_a_value_stays_inside_its_quotation_marks(context: str, value: str) -> None:
    mark = CONTEXTS[context].quote
    node = parse(f"a = {mark}{{x:{context}}}{mark} AND b = {mark}c{mark}")
    try:
        query = str(fill(node, {"x": value}))
    except Unfit:
        return
    found = STRINGS[context].sub("S", query)
    assert found == "a = S AND b = S"


@given(value=ANY)
def test_what_graphql_reads_is_the_value(value: str) -> None:
    try:
        text = escaped("x", "graphql", value)
    except Unfit:
        return
    assert json.loads(f'"{text}"') == value


@given(value=ANY)
def test_a_value_is_one_term_of_a_gmail_search(value: str) -> None:
    try:
        query = str(fill(parse("from:{x:gmail} is:unread"), {"x": value}))
    except Unfit:
        return
    term = query.removeprefix("from:").removesuffix(" is:unread")
    quoted = re.fullmatch(r'"[^"\u201c-\u201f\uff02\\]*"', term)
    assert quoted or re.fullmatch(r"[A-Za-z0-9@._+][A-Za-z0-9@._+-]*", term)
    assert term not in ("OR", "AND", "NOT", "AROUND")


@pytest.mark.parametrize(
    ("value", "query"),
    [
        ("ana@example.com", "from:ana@example.com"),
        ("Ben Okafor", 'from:"Ben Okafor"'),
        ("a OR from:boss", 'from:"a OR from:boss"'),
        ("OR", 'from:"OR"'),
        ("-in:inbox", 'from:"-in:inbox"'),
        ("{a b}", 'from:"{a b}"'),
    ],
)
def test_gmail_values_are_quoted_where_they_are_not_plain(value: str, query: str) -> None:
    assert fill(parse("from:{x:gmail}"), {"x": value}) == query


@pytest.mark.parametrize("value", ['a" OR is:read "', "a\u201d OR b", "a\\", " ", "", "a\nb"])
def test_gmail_values_that_cannot_be_quoted_are_refused(value: str) -> None:
    with pytest.raises(Unfit, match="`x` must not"):
        fill(parse("from:{x:gmail}"), {"x": value})


@pytest.mark.parametrize(
    ("context", "template", "value", "query"),
    [
        ("soql", "Name = '{x:soql}'", "O'Hara\\", "Name = 'O\\'Hara\\\\'"),
        ("jql", 'text ~ "{x:jql}"', 'a" OR key = "b', 'text ~ "a\\" OR key = \\"b"'),
        ("odata", "name eq '{x:odata}'", "O'Hara", "name eq 'O''Hara'"),
        ("drive", "name = '{x:drive}'", "a' or name contains 'b", "name = 'a\\' or name contains \\'b'"),
        ("graphql", 'id: "{x:graphql}"', 'a"){b}', 'id: "a\\"){b}"'),
        ("raw", "{x:raw} is:unread", "from:ana OR from:ben", "from:ana OR from:ben is:unread"),
    ],
)
def test_each_context_by_example(context: str, template: str, value: str, query: str) -> None:
    assert context in CONTEXTS
    assert fill(parse(template), {"x": value}) == query


def test_numbers_need_no_quotation_marks() -> None:
    assert fill(parse("LIMIT {n:soql} OFFSET {m:soql}"), {"n": 5, "m": 2.0}) == "LIMIT 5 OFFSET 2"
