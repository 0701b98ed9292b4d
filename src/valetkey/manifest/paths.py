"""Request lines such as `GET /messages/{id}`: a value never leaves the path segment it was put in.

The probes this answers are `..`, encoded and doubly encoded separators, look-alike characters,
parameters after `;`, and everything else that makes a server read another path than was written.
"""

import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from urllib.parse import quote, unquote

from valetkey.manifest.clean import CONTROL
from valetkey.manifest.contexts import Unfit
from valetkey.manifest.flaws import Flaw
from valetkey.manifest.template import UNSET, Slot, Text, Values, parse_string, parse_text, scalar

METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE", "HEAD")
_LINE = re.compile(r"([A-Z]+) (/\S*)")
_LITERAL = re.compile(r"[A-Za-z0-9._~!$&'()*+,=:@-]*")
_LONGEST = 1_000


@dataclass(frozen=True, slots=True)
class Line:
    """A method, and the segments of a path: each a run of literal parts and placeholders."""

    method: str
    segments: tuple[tuple[str | Slot, ...], ...]

    def slots(self) -> Iterator[Slot]:
        return (part for segment in self.segments for part in segment if isinstance(part, Slot))

    def path(self, values: Values) -> str:
        """Return the path, percent-encoded. Raises Unfit for a value that would change its shape."""
        return "".join("/" + _filled(segment, values) for segment in self.segments)


def parse_line(source: str) -> Line:
    """Parse a request line. Raises Flaw unless it is a method and an absolute path without a query."""
    match = _LINE.fullmatch(source)
    if not match:
        raise Flaw(f"`{source}` is not a request: write a method and a path, such as `GET /messages/{{id}}`")
    if match[1] not in METHODS:
        raise Flaw(f"`{match[1]}` is not a method ({', '.join(METHODS)})")
    segments = match[2][1:].split("/")
    return Line(match[1], tuple(_segment(segment, segments) for segment in segments))


def _segment(source: str, segments: list[str]) -> tuple[str | Slot, ...]:
    if source in (".", "..") or (not source and len(segments) > 1):
        raise Flaw("a path has no empty, `.` or `..` segments")
    parse_string(source)  # refuses what only looks like a placeholder
    return tuple(_part(part, source) for part in parse_text(source).parts)


def _part(part: str | Slot | Text, source: str) -> str | Slot:
    if isinstance(part, Text) or (isinstance(part, str) and not _LITERAL.fullmatch(part)):
        raise Flaw(f"`{source}` holds characters a path segment cannot; a query belongs in `query`")
    if isinstance(part, Slot) and part.context:
        raise Flaw(f"`{{{part.name}:{part.context}}}`: in a path a placeholder is always percent-encoded")
    return part


def _filled(segment: tuple[str | Slot, ...], values: Values) -> str:
    return "".join(part if isinstance(part, str) else _encoded(part, values) for part in segment)


def _encoded(slot: Slot, values: Values) -> str:
    value = values.get(slot.name, UNSET)
    text = "" if value is UNSET else scalar(value)
    if why := _unsafe(text):
        raise Unfit(slot.name, why)
    return quote(text, safe="")


def _unsafe(text: str) -> str | None:
    """Say why a value may not be a path segment, if so.

    Servers decode once, twice, or normalise Unicode, and each must still read one plain segment.
    """
    if len(text) > _LONGEST:
        return f"must not be longer than {_LONGEST} characters"
    once = unquote(text)
    for seen in (text, once, unquote(once), unquote(unquote(once))):
        for read in (seen, unicodedata.normalize("NFKC", seen)):
            if CONTROL.search(read):
                return "must not contain control characters"
            if "/" in read or "\\" in read:
                return "must not contain a slash or backslash, encoded or not"
            if read.split(";")[0].strip() in ("", ".", ".."):
                return "must not be empty, `.` or `..`"
    return None
