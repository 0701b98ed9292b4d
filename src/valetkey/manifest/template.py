"""Placeholders: `{name}`, `{name:context}` and `[optional parts]`, parsed once and filled per call.

What is a whole string keeps its argument's type; what stands inside text goes through a context of
`contexts`; what stands inside a path is in `paths`. An entry whose argument is unset disappears.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Literal

from valetkey.manifest.contexts import escaped
from valetkey.manifest.flaws import Flaw
from valetkey.model import Json

PLACEHOLDER = re.compile(r"\{([a-z][a-z0-9_]*)(?::([a-z]+))?\}")
_LOOKALIKE = re.compile(r"\{[A-Za-z_]\w*(?::\w*)?\}")
_TOKEN = re.compile(r"(\[[^\[\]]*\])")


class _Unset(Enum):
    UNSET = "unset"


UNSET = _Unset.UNSET
"""What an entry is worth when an argument it needs was not given: nothing, the entry disappears."""

Unset = Literal[_Unset.UNSET]
Values = Mapping[str, Json]


@dataclass(frozen=True, slots=True)
class Slot:
    """One placeholder. `inside` is the quotation mark that is open where it stands, or ""."""

    name: str
    context: str | None = None
    inside: str = ""


@dataclass(frozen=True, slots=True)
class Text:
    """Text around placeholders; a Text among its parts is a bracketed, optional one."""

    parts: tuple["str | Slot | Text", ...]

    def slots(self) -> Iterator[Slot]:
        for part in self.parts:
            if isinstance(part, Slot):
                yield part
            elif isinstance(part, Text):
                yield from part.slots()

    def fill(self, values: Values) -> str | Unset:
        """Return the text, or UNSET when a placeholder outside brackets is. Raises Unfit."""
        filled = [self._part(part, values) for part in self.parts]
        if UNSET in filled:
            return UNSET
        return "".join(str(part) for part in filled).strip() or UNSET

    def _part(self, part: "str | Slot | Text", values: Values) -> str | Unset:
        if isinstance(part, str):
            return part
        if isinstance(part, Text):
            inner = part.fill(values)
            return "" if inner is UNSET else inner
        if part.name not in values:
            return UNSET
        return escaped(part.name, part.context or "raw", scalar(values[part.name]))


Node = Slot | Text | dict[str, "Node"] | list["Node"] | str | int | float | bool | None
"""A JSON value in which strings may be placeholders."""


def parse(value: Json) -> Node:
    """Parse a JSON value of a manifest. Raises Flaw for a placeholder that is not quite one."""
    if isinstance(value, dict):
        return {key: parse(item) for key, item in value.items()}
    if isinstance(value, list):
        return [parse(item) for item in value]
    return parse_string(value) if isinstance(value, str) else value


def parse_string(source: str) -> Slot | Text | str:
    """Parse one string: a whole placeholder, text with placeholders, or plain text."""
    for like in _LOOKALIKE.findall(source):
        if not PLACEHOLDER.fullmatch(like):
            raise Flaw(f"`{like}` is not a placeholder: write {{argument}} or {{argument:context}}")
    if whole := PLACEHOLDER.fullmatch(source):
        return Slot(whole[1], whole[2])
    return parse_text(source) if PLACEHOLDER.search(source) else source


def parse_text(source: str) -> Text:
    """Parse text with placeholders and bracketed optional parts. Brackets without a placeholder are text."""
    parts: list[str | Slot | Text] = []
    start = 0
    for token in _TOKEN.split(source):
        if token.startswith("[") and PLACEHOLDER.search(token):
            parts.append(Text(tuple(_pieces(token[1:-1], source[:start]))))
        else:
            parts.extend(_pieces(token, source[:start]))
        start += len(token)
    return Text(tuple(parts))


def _pieces(source: str, before: str) -> Iterator[str | Slot]:
    """Split text at its placeholders; `before` is what stands in front of it, for the open quote."""
    end = 0
    for match in PLACEHOLDER.finditer(source):
        if match.start() > end:
            yield source[end : match.start()]
        yield Slot(match[1], match[2], _open_quote(before + source[: match.start()]))
        end = match.end()
    if source[end:]:
        yield source[end:]


def _open_quote(text: str) -> str:
    """Return the quotation mark that is still open at the end of `text`, or ""."""
    quote = ""
    for mark in re.findall("[\"']", text):
        quote = "" if mark == quote else quote or mark
    return quote


def slots(node: Node) -> Iterator[tuple[Slot, bool]]:
    """Yield every placeholder in a node, and whether it is a whole string."""
    if isinstance(node, Slot):
        yield node, True
    elif isinstance(node, Text):
        yield from ((slot, False) for slot in node.slots())
    elif isinstance(node, dict | list):
        for item in node.values() if isinstance(node, dict) else node:
            yield from slots(item)


def fill(node: Node, values: Values) -> Json | Unset:
    """Return the JSON value a node stands for; entries and items that are unset are left out."""
    if isinstance(node, Slot):
        return values.get(node.name, UNSET)
    if isinstance(node, Text):
        return node.fill(values)
    if isinstance(node, dict):
        filled = {key: fill(item, values) for key, item in node.items()}
        return {key: item for key, item in filled.items() if item is not UNSET}
    if isinstance(node, list):
        return [item for item in (fill(part, values) for part in node) if item is not UNSET]
    return node


def scalar(value: Json) -> str:
    """Return a JSON scalar as an API expects it in a URL: `true`, `7`, text as it is."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value)
