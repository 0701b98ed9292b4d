"""The next cursor of a list, read out of a reply in each of the four styles APIs have.

A cursor is always a value that is put back into our own request, never a place to go to: of a
link only one query parameter is kept, so neither upstream nor agent can choose another path.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import parse_qs, urljoin, urlsplit

from valetkey.manifest.schema_tools import Paging
from valetkey.manifest.shape import Expression
from valetkey.model import Json

_LINK = re.compile(r'<([^<>]*)>((?:\s*;\s*[^;,="]+(?:=(?:"[^"]*"|[^";,]*))?)*)')
_NEXT = re.compile(r';\s*rel\s*=\s*(?:"[^"]*\bnext\b[^"]*"|next\b)', re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Page:
    """One page as it came: the reply's value and headers, how many items, and the call's arguments."""

    value: Json
    headers: Mapping[str, str]
    items: int
    arguments: Mapping[str, Json]


class Pager:
    """Reads `next_cursor`, and turns a `cursor` back into what the API takes."""

    def __init__(self, table: Paging, base_url: str) -> None:
        self._table, self._base_url = table, base_url
        self._read = Expression(table.read) if table.read else None

    def value(self, cursor: str) -> str | int:
        """Return the cursor as the API takes it: a number, where it counts."""
        return int(cursor) if self._counts() else cursor

    def next(self, page: Page) -> str | None:
        """Return the next cursor, or None at the end. Raises ValueError for a link that leads elsewhere."""
        if self._counts():
            return self._next_number(page)
        found = self._read.search(page.value) if self._read else _next_link(page.headers.get("link", ""))
        if self._table.style == "link" and found:
            found = self._parameter(str(found))
        return str(found) if found not in (None, "", False) else None

    def _counts(self) -> bool:
        return self._table.style in ("page", "offset")

    def _next_number(self, page: Page) -> str | None:
        here = int(page.arguments.get("cursor") or self._first())
        step = 1 if self._table.style == "page" else page.items
        return str(here + step) if page.items and self._more(page, here + step) else None

    def _first(self) -> int:
        return self._table.first if self._table.style == "page" else 0

    def _more(self, page: Page, following: int) -> bool:
        """Ask the reply: a boolean says it, a number is how many pages (or items) there are in all."""
        found = self._read.search(page.value) if self._read else None
        if isinstance(found, bool):
            return found
        if isinstance(found, int | float):
            return following < found + self._first()
        size = page.arguments.get(self._table.size or "")
        return isinstance(size, int) and page.items >= size

    def _parameter(self, link: str) -> str | None:
        target, own = urlsplit(urljoin(self._base_url + "/", link)), urlsplit(self._base_url)
        if (target.scheme, target.netloc) != (own.scheme, own.netloc):
            raise ValueError("the next page is at another origin")
        return next(iter(parse_qs(target.query).get(self._table.send, [])), None)


def _next_link(header: str) -> str | None:
    """Return the target of `rel=next` in a Link header (RFC 8288)."""
    return next((m[1] for m in _LINK.finditer(header) if _NEXT.search(m[2])), None)
