from pathlib import Path

import pytest

from tests.manifest.demo import acme
from valetkey.manifest.contexts import Unfit
from valetkey.manifest.requests import Request
from valetkey.model import Json

ARG = '{ type = "string", optional = true, description = "X." }'
TOOL = f"""
[tools.go]
description = "Go."
effect      = "read"
labels      = []
sensitive   = []
output      = {{ type = "object" }}
args        = {{ x = {ARG}, y = {ARG} }}
"""
USE_ALL = 'query = { x = "{x}", y = "{y}" }\n'


def filled(folder: Path, lines: str, values: dict[str, Json], head: str = "") -> Request:
    step = acme(folder, TOOL + lines, head=head).tools["go"].steps[0]
    return step.request.fill("https://api.acme.example/v1", values)


def test_a_query_takes_lists_booleans_and_numbers_and_leaves_out_what_is_unset(tmp_path: Path) -> None:
    lines = 'request = "GET /go"\nquery = { a = ["1", "{x}"], b = true, c = 2, d = "{y}", "e[]" = "{x}" }\n'
    request = filled(tmp_path, lines, {"x": "p&q=r #"})
    assert request.url == (
        "https://api.acme.example/v1/go?a=1&a=p%26q%3Dr%20%23&b=true&c=2&e%5B%5D=p%26q%3Dr%20%23"
    )
    assert request.body is None


def test_json_keeps_types_and_is_not_ascii_only(tmp_path: Path) -> None:
    lines = 'request = "POST /go"\njson = { a = "{x}", b = { c = "{y}", d = [1, "{x}"] } }\n'
    request = filled(tmp_path, lines, {"x": "é"})
    assert request.body == '{"a":"é","b":{"d":[1,"é"]}}'.encode()
    assert ("content-type", "application/json") in request.headers


def test_a_body_may_be_one_argument_and_disappears_with_it(tmp_path: Path) -> None:
    lines = 'request = "POST /go"\njson = "{x}"\nquery = { y = "{y}" }\n'
    assert filled(tmp_path, lines, {"x": "é"}).body == '"é"'.encode()
    assert filled(tmp_path, lines, {}).body is None


def test_a_form_is_encoded(tmp_path: Path) -> None:
    request = filled(tmp_path, 'request = "POST /go"\nform = { a = "{x}", b = "{y}" }\n', {"x": "1&b=2"})
    assert request.body == b"a=1%26b%3D2"
    assert ("content-type", "application/x-www-form-urlencoded") in request.headers


def test_headers_are_the_connector_s_and_the_request_s(tmp_path: Path) -> None:
    lines = f'request = "GET /go"\nheaders = {{ X-Y = "{{y}}", X-Z = "{{x}}" }}\n{USE_ALL}'
    request = filled(tmp_path, lines, {"y": "1"}, head='headers = { Acme-Version = "2" }\n')
    assert request.headers == (("accept", "application/json"), ("Acme-Version", "2"), ("X-Y", "1"))


@pytest.mark.parametrize("value", ["a\r\nHost: evil.example", "a\nb", "a\0b", "é", "\u2028", "\x7f"])
def test_a_header_s_value_is_one_plain_line(tmp_path: Path, value: str) -> None:
    lines = f'request = "GET /go"\nheaders = {{ X-Y = "{{y}}" }}\n{USE_ALL}'
    with pytest.raises(Unfit, match="`y` must be plain ASCII on one line"):
        filled(tmp_path, lines, {"y": value})


@pytest.mark.parametrize(
    ("line", "into", "url", "body"),
    [
        ("GET /go", "query", "?after=c2", None),
        ("POST /go", "query", "?after=c2", None),
        ("POST /go", "body", "", b'{"a":1,"after":"c2"}'),
    ],
)
def test_a_cursor_goes_where_the_api_takes_it(
    tmp_path: Path, line: str, into: str, url: str, body: bytes | None
) -> None:
    paging = f'paging = {{ style = "cursor", send = "after", read = "n", into = "{into}" }}'
    lines = f'request = "{line}"\npaged = true\n{paging}\n{USE_ALL}' + ("json = { a = 1 }" if body else "")
    request = filled(tmp_path, lines, {"cursor": "c2"})
    assert request.url == f"https://api.acme.example/v1/go{url}"
    assert request.body == body
    assert "c2" not in str(filled(tmp_path, lines, {}))
