from urllib.parse import unquote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from valetkey.manifest.contexts import Unfit
from valetkey.manifest.flaws import Flaw
from valetkey.manifest.paths import Line, parse_line

ROUTES = [
    "GET /messages/{id}",
    "POST /messages/{id}/modify",
    "DELETE /repos/{owner}/{name}/issues/{id}",
    "GET /files/{id}.json",
    "PUT /v1/things/item-{id}:close",
    "GET /{id}",
]

PAYLOADS = [
    *(
        "..",
        ".",
        "../x",
        "..%2f",
        "%2e%2e",
        "%2e",
        "%252e",
        "%252e%252e",
        "%252e%252e%252f",
        "..%252f..%252f",
    ),
    *("a/b", "/", "//h", "//h/x", "a//b", "a%2fb", "a%252fb", "%2F", "\\", "..\\x", "a%5cb", "%255c"),
    *(";", "..;", "..;x", "a;b=c", ".;/", "%3b", "?q", "a?b=c", "#f", "a#f", "@h", "h@evil", ":80", "&x=1"),
    *("", " ", "  ", "\0", "a\0b", "%00", "%2500", "\r\n", "a\r\nHost: evil", "%0d%0a", "\t", "\x7f", "\x85"),
    *("\u2024\u2024", "\uff0e\uff0e", "\uff0e", "a\uff0fb", "\uff0f", "\u2025", "\ufe52", "\uff3c", "\u2215"),
    *("a" * 10_000, "https://evil.example/x", "http:evil", "file:///etc/passwd", "%", "%%", "%zz", "%u002e"),
    *(
        "é",
        "日本",
        "😀",
        "a b",
        "a+b",
        "'",
        '"',
        "<x>",
        "{id}",
        "[x]",
        "$(id)",
        "`id`",
        "~",
        "*",
        "(",
        "|",
        "^",
    ),
]


def shape_is_kept(line: Line, template: str, values: dict[str, str]) -> bool:
    """Whether the path is refused, or has the template's segments however often a server decodes it."""
    try:
        path = line.path(values)
    except Unfit:
        return True
    wanted = template.split(" ")[1].split("/")
    for seen in (path, unquote(path), unquote(unquote(path))):
        parts = seen.split("?")[0].split("#")[0].split("/") if seen is path else seen.split("/")
        same = len(parts) == len(wanted) and not {"..", "."} & set(parts) and "" not in parts[1:]
        if not same or any(
            "{" not in want and want != part for want, part in zip(wanted, parts, strict=True)
        ):
            return False
    return path.isascii() and not set(path) & set("?#\\ \r\n\t\0;")


@pytest.mark.parametrize("route", ROUTES)
@pytest.mark.parametrize("payload", PAYLOADS, ids=lambda payload: repr(payload[:24]))
def test_no_value_changes_the_shape_of_a_path(route: str, payload: str) -> None:
    line = parse_line(route)
    for slot in line.slots():
        values = {"id": "1", "owner": "o", "name": "n"} | {slot.name: payload}
        assert shape_is_kept(line, route, values)


@given(
    st.sampled_from(ROUTES),
    st.text(alphabet=st.sampled_from("./\\%25eEfF;?#@: ab\u2024\uff0f\uff0e\0\r"), max_size=12),
)
def test_no_mixture_of_separators_and_encodings_does_either(route: str, value: str) -> None:
    assert shape_is_kept(parse_line(route), route, {"id": value, "owner": value, "name": value})


@given(st.sampled_from(ROUTES), st.text(alphabet=st.characters(exclude_categories=["Cs"])))
def test_no_text_at_all_does(route: str, value: str) -> None:
    assert shape_is_kept(parse_line(route), route, {"id": value, "owner": "o", "name": "n"})


@pytest.mark.parametrize(
    "value",
    ["..", ".", "", "%2e%2e", "..%2f", "a/b", "a\\b", "\r\n", "\0", "..;", "\u2024\u2024", "x" * 1001],
)
def test_dangerous_values_are_refused_and_not_repeated(value: str) -> None:
    with pytest.raises(Unfit, match=r"^`id` must not") as refused:
        parse_line("GET /messages/{id}").path({"id": value})
    assert refused.value.name == "id"
    assert not value or len(value) < 3 or value not in str(refused.value)


@pytest.mark.parametrize(
    ("value", "segment"),
    [
        ("18f1", "18f1"),
        (7, "7"),
        ("a b", "a%20b"),
        ("é", "%C3%A9"),
        ("a?b#c;d", "a%3Fb%23c%3Bd"),
        ("...", "..."),
    ],
)
def test_harmless_values_are_percent_encoded(value: str | int, segment: str) -> None:
    assert parse_line("GET /m/{id}/x").path({"id": value}) == f"/m/{segment}/x"


@pytest.mark.parametrize(
    "source",
    [
        *("GET messages", "get /x", "FETCH /x", "GET", "GET //evil.example/x", "GET https://evil.example/x"),
        *(
            "GET /a//b",
            "GET /a/../b",
            "GET /a/./b",
            "GET /a/",
            "GET /x?y=z",
            "GET /a#b",
            "GET /a b",
            "GET /a;b",
        ),
        *("GET /{id:gmail}", "GET /{Id}", "GET /[{id}]"),
    ],
)
def test_a_request_line_that_is_not_plain_is_a_flaw(source: str) -> None:
    with pytest.raises(Flaw):
        parse_line(source)
