"""JMESPath over an upstream's reply: results, predicates, and the cap on what an agent is sent.

What a value may contain is settled in `clean`; the extra functions are in `helpers`.
"""

from collections.abc import Iterator, Mapping
from typing import Any

import jmespath
from anyio import CapacityLimiter, to_thread
from anyio.lowlevel import RunVar
from jmespath.exceptions import JMESPathError
from pydantic_core import to_json

from valetkey.manifest import helpers
from valetkey.manifest.clean import clean
from valetkey.manifest.compiled import Search, compiled, is_false
from valetkey.manifest.flaws import Flaw, unknown
from valetkey.model import Json

CAP = 100_000
"""Bytes of JSON a result may have."""

IN_A_THREAD = 256_000
"""Bytes of reply from which shaping leaves the event loop."""

_OPTIONS = jmespath.Options(custom_functions=helpers.Helpers())
_threads: RunVar[CapacityLimiter] = RunVar("valetkey shaping threads")


class Expression:
    """One compiled JMESPath expression. Raises Flaw when it is not one, or calls an unknown function."""

    __slots__ = ("_search", "source")

    def __init__(self, source: str) -> None:
        self.source = source
        try:
            parsed = jmespath.compile(source).parsed
        except JMESPathError as error:
            raise Flaw(f"not JMESPath: {str(error).splitlines()[0]}") from None
        for name in _functions(parsed):
            if name not in helpers.NAMES:
                raise unknown("function", name, helpers.NAMES)
        self._search: Search = compiled(parsed, _OPTIONS)

    def search(self, value: Json) -> Json:
        """Return what the expression finds; a type it did not expect finds nothing."""
        try:
            return self._search(value)
        except (JMESPathError, TypeError):  # the library compares a text with a number, and falls over it
            return None

    def holds(self, value: Json) -> bool:
        """Say whether the expression finds something JMESPath calls true (0 is, empty things are not)."""
        return not is_false(self.search(value))


def _functions(node: Mapping[str, Any]) -> Iterator[str]:
    if node["type"] == "function_expression":
        yield node["value"]
    for child in node["children"]:
        if isinstance(child, Mapping):
            yield from _functions(child)


async def shaped(expression: Expression | None, value: Json, size: int) -> Json:
    """Return the cleaned result of `expression` over `value`, a reply of `size` bytes."""
    if size <= IN_A_THREAD:
        return _shape(expression, value)
    return await to_thread.run_sync(_shape, expression, value, limiter=_limiter())


def _shape(expression: Expression | None, value: Json) -> Json:
    return clean(expression.search(value) if expression else value)


def _limiter() -> CapacityLimiter:
    """One per event loop: a burst of large replies must not take every thread."""
    try:
        return _threads.get()
    except LookupError:
        _threads.set(CapacityLimiter(2))
        return _threads.get()


def capped(result: dict[str, Json], limit: int = CAP) -> dict[str, Json]:
    """Return the result in at most `limit` bytes of JSON, with a `note` that says what was left out.

    A list loses items from its end; anything else has its longest texts cut.
    """
    if _size(result) <= limit:
        return result
    items = result.get("items")
    if isinstance(items, list) and len(items) > 1:
        return _fewer(result, items, limit)
    return _shorter(result, limit)


def _fewer(result: dict[str, Json], items: list[Json], limit: int) -> dict[str, Json]:
    room, kept = limit - _size({**result, "items": []}) - 300, 0
    for item in items:
        room -= _size(item) + 2
        if room < 0:
            break
        kept += 1
    kept = max(kept, 1)
    note = (
        f"Only {kept} of {len(items)} items fit. Ask again with the same cursor for fewer, or more precisely."
    )
    return capped({**result, "items": items[:kept], "note": note}, limit)


def _shorter(result: dict[str, Json], limit: int) -> dict[str, Json]:
    longest = limit // 2
    while longest > 20 and _size(result) > limit:
        result, longest = _cut(result, longest), longest // 2
    if _size(result) > limit:
        raise ValueError("the result is too large to hand on")
    return {**result, "note": "Long texts were cut to fit. Ask for something narrower to see them whole."}


def _cut(value: Json, longest: int) -> Json:
    if isinstance(value, str):
        return value if len(value) <= longest else value[:longest] + "…"
    if isinstance(value, list):
        return [_cut(item, longest) for item in value]
    if isinstance(value, dict):
        return {key: _cut(item, longest) for key, item in value.items()}
    return value


def _size(value: Json) -> int:
    return len(to_json(value))
