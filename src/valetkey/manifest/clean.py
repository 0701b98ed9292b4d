"""Upstream text made safe to hand on: strict JSON in, and no invisible characters out.

Text that a reader cannot see can still steer a model or a terminal, so control, bidirectional,
zero-width, tag and surrogate characters are taken out of every string an upstream sent.
"""

import json
import math
import re
from typing import NoReturn

from pydantic_core import to_json

from valetkey.model import Json

INVISIBLE = re.compile(
    "["
    "\x00-\x08\x0b-\x1f\x7f-\x9f"  # control characters, but for tab and line feed
    "\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u3164\uffa0"  # marks and fillers without a shape
    "\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff"  # zero width, separators, bidirectional
    "\ufff9-\ufffb\ud800-\udfff"  # interlinear marks, lone surrogates
    "\U000e0000-\U000e0fff"  # tags and variation selectors that smuggle ASCII
    "]"
)
CONTROL = re.compile("[\x00-\x1f\x7f-\x9f]")
_ESCAPED = re.compile(r"\\[ubfr]")


def clean(value: Json) -> Json:
    """Return the value with every invisible character taken out of its strings and keys."""
    return value if _is_clean(value) else _cleaned(value)


def _is_clean(value: Json) -> bool:
    """Whether the value, as one text of JSON, shows at a glance that there is nothing to take out.

    Control characters are escaped there. A backslash of the text may look the same, and is looked at again.
    """
    try:
        text = to_json(value).decode()
    except ValueError:  # a lone surrogate
        return False
    if "\\" in text and _ESCAPED.search(text):
        return False
    return text.isprintable() if text.isascii() else INVISIBLE.search(text) is None


def _cleaned(value: Json) -> Json:
    if isinstance(value, str):
        plain = value.isascii() and value.isprintable()  # most are, and asking is cheaper than searching
        return value if plain else INVISIBLE.sub("", value)
    if isinstance(value, list):
        return [_cleaned(item) for item in value]
    if isinstance(value, dict):
        return {_cleaned(key): _cleaned(item) for key, item in value.items()}
    return value


def parse_json(body: bytes) -> Json:
    """Parse an upstream's JSON strictly. Raises ValueError, whatever is wrong with it."""
    try:
        return json.loads(body, parse_constant=_no_constant, parse_float=_finite)
    except RecursionError:
        raise ValueError("nested too deeply") from None


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")


def _finite(text: str) -> float:
    number = float(text)
    if math.isinf(number):
        raise ValueError("a number is out of range")
    return number
