"""The `outputSchema` of a tool: what its manifest says of the result, wrapped."""

import re
from collections.abc import Iterator
from typing import Any

import jsonschema_rs
from jsonschema import Draft202012Validator
from jsonschema.exceptions import SchemaError

from valetkey.manifest.flaws import Flaw
from valetkey.model import Json

_NOTE = {"type": "string", "description": "What was left out, and how to ask for it."}


def output_schema(table: dict[str, Json], *, paged: bool) -> dict[str, Json]:
    """Return the whole schema: of a paged tool `table` describes one item, else the whole result.

    Every result may carry a `note`, where something had to be left out.
    """
    if not paged:
        return {**table, "properties": {**table.get("properties", {}), "note": _NOTE}}
    return {
        "type": "object",
        "properties": {
            "items": {"type": "array", "items": table},
            "next_cursor": {"type": ["string", "null"], "description": "Pass as `cursor` for the next page."},
            "note": _NOTE,
        },
        "required": ["items", "next_cursor"],
        "additionalProperties": False,
    }


def check_schema(schema: dict[str, Json]) -> None:
    """Raise Flaw unless this is a JSON Schema of an object that needs nothing from elsewhere.

    A single schema without an object at its root makes clients drop the whole list of tools.
    """
    if schema.get("type") != "object":
        raise Flaw('must have `type = "object"` at its root')
    _refuse_malformed(schema)
    for target in _references(schema):
        raise Flaw(f"`$ref` to {target}: a schema holds everything it needs, without references")


def _refuse_malformed(schema: dict[str, Json]) -> None:
    """Raise Flaw, in jsonschema's words, unless this is a JSON Schema.

    jsonschema takes 3 ms for each, which every start would pay; jsonschema-rs says in 7 µs that all is well.
    """
    if jsonschema_rs.meta.is_valid(schema) and all(map(_compiles, _patterns(schema))):
        return
    try:
        Draft202012Validator.check_schema(schema)
    except SchemaError as error:
        raise Flaw(f"not a JSON Schema: {error.message}") from None


def _patterns(value: Any) -> Iterator[str]:
    """Yield what may be patterns: jsonschema-rs does not look into them."""
    if isinstance(value, dict):
        yield from (item for key, item in value.items() if key == "pattern" and isinstance(item, str))
        yield from patterns if isinstance(patterns := value.get("patternProperties"), dict) else ()
        value = list(value.values())
    if isinstance(value, list):
        for item in value:
            yield from _patterns(item)


def _compiles(pattern: str) -> bool:
    try:
        re.compile(pattern)
    except re.error:
        return False
    return True


def _references(value: Any) -> Iterator[str]:
    """Yield what a schema points to. Local references are refused, too: wrapping would break them."""
    if isinstance(value, dict):
        yield from (str(item) for key, item in value.items() if key in ("$ref", "$dynamicRef"))
        value = list(value.values())
    if isinstance(value, list):
        for item in value:
            yield from _references(item)
