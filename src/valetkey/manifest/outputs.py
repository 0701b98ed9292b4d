"""The `outputSchema` of a tool: what its manifest says of the result, wrapped and ready to be published."""

from collections.abc import Iterator
from typing import Any

from jsonschema import Draft202012Validator
from jsonschema.exceptions import SchemaError

from valetkey.manifest.flaws import Flaw
from valetkey.model import Json

_NOTE = {"type": "string", "description": "What was left out, and how to ask for it."}


def output_schema(table: dict[str, Json], *, paged: bool) -> dict[str, Json]:
    """Return the published schema: of a paged tool `table` describes one item, else the whole result.

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
    try:
        Draft202012Validator.check_schema(schema)
    except SchemaError as error:
        raise Flaw(f"not a JSON Schema: {error.message}") from None
    for target in _references(schema):
        raise Flaw(f"`$ref` to {target}: a schema holds everything it needs, without references")


def _references(value: Any) -> Iterator[str]:
    """Yield what a schema points to. Local references are refused, too: wrapping would break them."""
    if isinstance(value, dict):
        yield from (str(item) for key, item in value.items() if key in ("$ref", "$dynamicRef"))
        value = list(value.values())
    if isinstance(value, list):
        for item in value:
            yield from _references(item)
