"""The query languages a placeholder inside text may stand in, and how each keeps a value a value.

An argument must never be able to rewrite the query around it: every context quotes what it is
given, or refuses it. `raw` is for an argument whose description says that it *is* a query.
"""

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from valetkey.manifest.clean import CONTROL

_PLAIN_WORD = re.compile(r"[A-Za-z0-9@._+][A-Za-z0-9@._+-]*", re.ASCII)
_GMAIL_WORDS = {"OR", "AND", "NOT", "AROUND"}
_DOUBLE_QUOTES = re.compile('["\u201c-\u201f\u00ab\u00bb\u2033\u2036\u301d-\u301f\uff02]')


class Unfit(ValueError):
    """An argument's value cannot be used where its placeholder stands. `why` never repeats the value."""

    def __init__(self, name: str, why: str) -> None:
        self.name, self.why = name, why
        super().__init__(f"`{name}` {why}")


@dataclass(frozen=True, slots=True)
class Context:
    """How one query language takes a value.

    `quote` is the mark the template has to put around the placeholder, or "" where the context
    quotes by itself.
    """

    quote: str
    escape: Callable[[str], str]


def _gmail(value: str) -> str:
    """Gmail has no escape for a quotation mark, so a value that holds one is refused."""
    if _PLAIN_WORD.fullmatch(value) and value.upper() not in _GMAIL_WORDS:
        return value
    if _DOUBLE_QUOTES.search(value) or "\\" in value:
        raise ValueError("must not contain quotation marks or backslashes")
    if not value.strip():
        raise ValueError("must not be blank")
    return f'"{value}"'


def _backslashed(quote: str) -> Callable[[str], str]:
    return lambda value: value.replace("\\", "\\\\").replace(quote, "\\" + quote)


def _doubled(value: str) -> str:
    return value.replace("'", "''")


def _json_escaped(value: str) -> str:
    return json.dumps(value)[1:-1]


CONTEXTS: Mapping[str, Context] = {
    "gmail": Context("", _gmail),
    "soql": Context("'", _backslashed("'")),
    "jql": Context('"', _backslashed('"')),
    "odata": Context("'", _doubled),
    "drive": Context("'", _backslashed("'")),
    "graphql": Context('"', _json_escaped),
    "raw": Context("", str),
}


def escaped(name: str, context: str, value: str) -> str:
    """Return the value as `context` takes it. Raises Unfit when it cannot be one."""
    if CONTROL.search(value):
        raise Unfit(name, "must not contain control characters or line breaks")
    try:
        return CONTEXTS[context].escape(value)
    except ValueError as error:
        raise Unfit(name, str(error)) from None
