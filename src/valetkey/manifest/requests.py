"""From a request table and a call's values to one request: method, URL, headers and body, no credential."""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Literal, NamedTuple
from urllib.parse import quote, urlencode

from valetkey.manifest.contexts import Unfit
from valetkey.manifest.paths import Line, parse_line
from valetkey.manifest.schema_tools import Paging, RequestTable
from valetkey.manifest.template import UNSET, Node, Slot, Values, fill, parse, scalar, slots
from valetkey.model import Json

Encoding = Literal["json", "form"]
Response = Literal["json", "text", "bytes", "empty"]
_HEADER_VALUE = re.compile(r"[\x20-\x7e]*")
_MEDIA_TYPES = {"json": "application/json", "form": "application/x-www-form-urlencoded"}


class Request(NamedTuple):
    """One request as a manifest means it. The credential is none of its business."""

    method: str
    url: str
    headers: tuple[tuple[str, str], ...]
    body: bytes | None


@dataclass(frozen=True, slots=True)
class RequestTemplate:
    """A request table, parsed: filled once per call."""

    line: Line
    query: Mapping[str, Node]
    headers: Mapping[str, Node]
    body: Node
    encoding: Encoding | None
    response: Response

    def slots(self) -> Iterator[tuple[Slot, bool]]:
        """Yield the placeholders outside the path, and whether each is a whole string."""
        for node in (*self.query.values(), *self.headers.values(), self.body):
            yield from slots(node)

    def fill(self, base_url: str, values: Values) -> Request:
        """Return the request for these values. Raises Unfit for one that cannot stand where it is put."""
        query = _pairs({name: fill(node, values) for name, node in self.query.items()})
        url = base_url + self.line.path(values) + ("?" + _encoded(query) if query else "")
        return Request(self.line.method, url, tuple(self._headers(values)), self._body(values))

    def _headers(self, values: Values) -> Iterator[tuple[str, str]]:
        for name, node in self.headers.items():
            value = fill(node, values)
            if value is not UNSET:
                yield name, _header_value(name, node, scalar(value))
        if self.encoding:
            yield "content-type", _MEDIA_TYPES[self.encoding]

    def _body(self, values: Values) -> bytes | None:
        if self.encoding is None:
            return None
        filled = fill(self.body, values)
        if filled is UNSET:
            return None
        if self.encoding == "form":
            return _encoded(_pairs(filled)).encode()
        return json.dumps(filled, ensure_ascii=False, separators=(",", ":")).encode()


def parse_request(
    table: RequestTable, line: str, paging: Paging | None, common: Mapping[str, str]
) -> RequestTemplate:
    """Parse a request table. `paging` is given for the request that takes the cursor."""
    encoding: Encoding | None = "json" if table.json_body is not None else "form" if table.form else None
    accept = {"accept": "application/json"} if table.response == "json" else {}
    return RequestTemplate(
        line=parse_line(line),
        query=_with_cursor(_table(table.query), paging, "query"),
        headers=_table({**accept, **common, **(table.headers or {})}),
        body=_body(table, paging),
        encoding=encoding,
        response=table.response,
    )


def _body(table: RequestTable, paging: Paging | None) -> Node:
    """A cursor goes into a body that is an object; a body that is a list or a whole argument takes none."""
    body = table.form if table.json_body is None else table.json_body
    return dict(_with_cursor(_table(body), paging, "body")) if isinstance(body, dict) else parse(body)


def _table(entries: Mapping[str, Json] | None) -> dict[str, Node]:
    return {name: parse(value) for name, value in (entries or {}).items()}


def _with_cursor(entries: Mapping[str, Node], paging: Paging | None, into: str) -> Mapping[str, Node]:
    if paging is None or paging.into != into:
        return entries
    return {**entries, paging.send: Slot("cursor")}


def _pairs(entries: Mapping[str, Json]) -> list[tuple[str, str]]:
    """Return query or form pairs: a list repeats its name, an unset entry is left out."""
    pairs = []
    for name, value in entries.items():
        values = value if isinstance(value, list) else [value]
        pairs += [(name, scalar(item)) for item in values if item is not UNSET]
    return pairs


def _encoded(pairs: list[tuple[str, str]]) -> str:
    return urlencode(pairs, quote_via=quote, safe="")


def _header_value(header: str, node: Node, value: str) -> str:
    """CR and LF would begin another header; beyond ASCII, servers differ in what they read."""
    if not _HEADER_VALUE.fullmatch(value):
        argument = next((slot.name for slot, _ in slots(node)), header)
        raise Unfit(argument, "must be plain ASCII on one line")
    return value
