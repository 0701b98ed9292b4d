from typing import Any

import pytest

from valetkey.manifest.paging import Page, Pager
from valetkey.manifest.schema_tools import Paging
from valetkey.model import Json

BASE = "https://api.acme.example/v1"


def following(
    table: Paging, value: Json = None, *, items: int = 2, link: str = "", **arguments: Json
) -> str | None:
    headers = {"link": link} if link else {}
    return Pager(table, BASE).next(Page(value, headers, items, arguments))


@pytest.mark.parametrize(
    ("value", "cursor"),
    [
        *(({"next": "c2"}, "c2"), ({"next": 7}, "7"), ({"next": ""}, None), ({"next": None}, None)),
        *(({"next": False}, None), ({}, None), ([], None)),
    ],
)
def test_a_cursor_is_what_the_reply_says(value: Json, cursor: str | None) -> None:
    assert following(Paging(style="cursor", send="c", read="next"), value) == cursor


@pytest.mark.parametrize(
    ("link", "cursor"),
    [
        (f'<{BASE}/repos?page=3&per_page=2>; rel="next", <{BASE}/repos?page=9>; rel="last"', "3"),
        (f'<{BASE}/repos?page=1>; rel="prev", <{BASE}/elsewhere/12?page=3>; rel=next', "3"),
        ('</v1/repos?page=3>; title="a, b"; rel="next"', "3"),
        ('<?page=3>; rel="prefetch next"', "3"),
        (f'<{BASE}/repos?page=9>; rel="last"', None),
        (f'<{BASE}/repos?other=9>; rel="next"', None),
        ("", None),
        ("nonsense <<>>;;rel=next", None),
    ],
)
def test_of_a_link_only_the_page_s_parameter_is_kept(link: str, cursor: str | None) -> None:
    assert following(Paging(style="link", send="page"), link=link) == cursor


@pytest.mark.parametrize(
    "target",
    [
        *("https://evil.example/v1?page=2", "//evil.example/v1?page=2", "http://api.acme.example/v1?page=2"),
        *(
            "https://api.acme.example:444/v1?page=2",
            "https://x@api.acme.example/v1?page=2",
            "file:///x?page=2",
        ),
        "https://api.acme.example.evil.example/v1?page=2",
    ],
)
def test_a_link_to_another_origin_is_an_error(target: str) -> None:
    with pytest.raises(ValueError, match="another origin"):
        following(Paging(style="link", send="page"), link=f'<{target}>; rel="next"')
    with pytest.raises(ValueError, match="another origin"):
        following(Paging(style="link", send="page", read="links.next"), {"links": {"next": target}})


def test_a_link_may_be_in_the_body() -> None:
    table = Paging(style="link", send="$skiptoken", read='"@odata.nextLink"')
    assert following(table, {"@odata.nextLink": f"{BASE}/me?$top=2&$skiptoken=a%2Fb"}) == "a/b"


@pytest.mark.parametrize(
    ("value", "items", "arguments", "cursor"),
    [
        ({"pages": 3}, 2, {}, "2"),
        ({"pages": 3}, 2, {"cursor": "2"}, "3"),
        ({"pages": 3}, 2, {"cursor": "3"}, None),
        ({"pages": True}, 2, {"cursor": "7"}, "8"),
        ({"pages": False}, 2, {}, None),
        ({"pages": 3}, 0, {}, None),
        ({}, 2, {"limit": 2}, "2"),
        ({}, 1, {"limit": 2}, None),
        ({}, 2, {}, None),
    ],
)
def test_pages_are_counted(value: Json, items: int, arguments: Any, cursor: str | None) -> None:
    table = Paging(style="page", send="page", read="pages", size="limit")
    assert following(table, value, items=items, **arguments) == cursor


def test_pages_may_be_counted_from_nought() -> None:
    table = Paging(style="page", send="page", read="pages", first=0)
    assert following(table, {"pages": 2}) == "1"
    assert following(table, {"pages": 2}, cursor="1") is None


@pytest.mark.parametrize(
    ("total", "items", "cursor", "expected"),
    [(5, 2, None, "2"), (5, 2, "2", "4"), (5, 1, "4", None), (4, 2, "2", None), (9, 0, "2", None)],
)
def test_an_offset_is_the_items_so_far(
    total: int, items: int, cursor: str | None, expected: str | None
) -> None:
    table = Paging(style="offset", send="start", read="total")
    arguments = {"cursor": cursor} if cursor else {}
    assert following(table, {"total": total}, items=items, **arguments) == expected


def test_a_counted_cursor_goes_back_as_a_number() -> None:
    assert Pager(Paging(style="page", send="page", read="pages"), BASE).value("12") == 12
    assert Pager(Paging(style="cursor", send="c", read="next"), BASE).value("12") == "12"
