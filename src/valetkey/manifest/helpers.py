"""The five functions a manifest's JMESPath may use beside the standard ones, and no more.

All of them give null for null, so that a field an upstream left out stays left out.
"""

import base64
import binascii
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from html.parser import HTMLParser

from jmespath import functions

from valetkey.model import Json

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_HIDDEN = {"script", "style", "head", "title", "template"}
_BLOCKS = {
    "p",
    "div",
    "br",
    "li",
    "tr",
    "table",
    "ul",
    "ol",
    "blockquote",
    "h1",
    "h2",
    "h3",
    "h4",
    "h5",
    "h6",
}
_MOST_HTML = 500_000  # html.parser is not linear on hostile markup


class Helpers(functions.Functions):
    """`header`, `b64url`, `iso`, `text` and `cap`."""

    @functions.signature({"types": ["array", "null"]}, {"types": ["string"]})
    def _func_header(self, headers: Sequence[Json] | None, name: str) -> str | None:
        """`header(list, name)`: the value of the first `{name, value}` whose name is `name`, in any case."""
        pairs = (pair for pair in headers or () if isinstance(pair, dict))
        return next((p.get("value") for p in pairs if str(p.get("name")).lower() == name.lower()), None)

    @functions.signature({"types": ["string", "null"]})
    def _func_b64url(self, encoded: str | None) -> str | None:
        """`b64url(text)`: the UTF-8 text behind base64url; null where it is not base64."""
        if encoded is None:
            return None
        try:
            return base64.urlsafe_b64decode(encoded + "=" * (-len(encoded) % 4)).decode(errors="replace")
        except (binascii.Error, ValueError):
            return None

    @functions.signature({"types": ["number", "string", "null"]})
    def _func_iso(self, milliseconds: float | str | None) -> str | None:
        """`iso(ms)`: epoch milliseconds as `2026-11-22T10:00:00Z`; null where it is no such number."""
        try:
            moment = _EPOCH + timedelta(milliseconds=float(milliseconds or ""))
        except (ValueError, OverflowError):
            return None
        return moment.isoformat(timespec="seconds").replace("+00:00", "Z")

    @functions.signature({"types": ["string", "null"]})
    def _func_text(self, html: str | None) -> str | None:
        """`text(html)`: what a reader of the page would see, line by line."""
        return None if html is None else _Reader.read(html[:_MOST_HTML])

    @functions.signature({"types": ["string", "null"]}, {"types": ["number"]})
    def _func_cap(self, text: str | None, length: float) -> str | None:
        """`cap(text, n)`: at most `n` characters, with an ellipsis where something was cut."""
        if text is None or len(text) <= length:
            return text
        return text[: max(int(length) - 1, 0)] + "…"


NAMES = frozenset(Helpers.FUNCTION_TABLE)


class _Reader(HTMLParser):
    """Collects the visible text of a page."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self._pieces: list[str] = []
        self._hidden = 0

    @classmethod
    def read(cls, html: str) -> str:
        reader = cls()
        reader.feed(html)
        reader.close()
        lines = (" ".join(line.split()) for line in "".join(reader._pieces).split("\n"))
        return "\n".join(line for line in lines if line)

    def handle_starttag(self, tag: str, attrs: object) -> None:
        self._hidden += tag in _HIDDEN
        if tag in _BLOCKS:
            self._pieces.append("\n")

    def handle_endtag(self, tag: str) -> None:
        if tag in _HIDDEN:
            self._hidden = max(self._hidden - 1, 0)
        elif tag in _BLOCKS:
            self._pieces.append("\n")

    def handle_data(self, data: str) -> None:
        if not self._hidden:
            self._pieces.append(data.replace("\n", " "))
