"""Holding results to the schema that was published for them: jsonschema decides, where a quick look does not.

The quick look knows the handful of keywords that most results are described with, and only ever says yes.
"""

from collections.abc import Callable, Mapping
from typing import Any

from valetkey.manifest.arguments import FORMATS, Validator
from valetkey.model import Json

Fits = Callable[[Json], bool]

_KINDS: dict[str, tuple[type, ...]] = {
    "string": (str,),
    "integer": (int,),  # exactly: a bool is none, and 1.0 is left to jsonschema
    "number": (int, float),
    "boolean": (bool,),
    "null": (type(None),),
    "object": (dict,),
    "array": (list,),
}
_KNOWN = {"type", "properties", "required", "additionalProperties", "items"}
_SAY_NOTHING = {"title", "description", "examples", "default"}


class Results:
    """Checks results against one schema. A list of fifty items takes jsonschema a millisecond."""

    def __init__(self, schema: dict[str, Json]) -> None:
        self._plainly = plainly(schema)
        self._validator = Validator(schema, format_checker=FORMATS)

    def is_valid(self, result: Json) -> bool:
        """Say whether the schema accepts this result."""
        return self._plainly(result) or bool(self._validator.is_valid(result))


def plainly(schema: Json) -> Fits:
    """Return a check that is true only for what the schema accepts; where it is not, nothing is known."""
    if not isinstance(schema, dict) or set(schema) - _KNOWN - _SAY_NOTHING:
        return _unsure
    kinds, in_object, in_array = _kinds(schema.get("type")), _object(schema), _array(schema)
    if kinds.isdisjoint((dict, list)):
        return lambda value: type(value) in kinds

    def fits(value: Json) -> bool:
        kind = type(value)
        if kind is dict:
            return dict in kinds and in_object(value)
        if kind is list:
            return list in kinds and in_array(value)
        return kind in kinds

    return fits


def _unsure(_: Json) -> bool:
    return False


def _kinds(said: Json) -> frozenset[type]:
    names = list(_KINDS) if said is None else [said] if isinstance(said, str) else said
    return frozenset(kind for name in names for kind in _KINDS[name])


def _object(schema: Mapping[str, Any]) -> Fits:
    inside = {name: plainly(below) for name, below in schema.get("properties", {}).items()}
    required, others = schema.get("required", ()), schema.get("additionalProperties", True)
    if not isinstance(others, bool):
        return _unsure

    def fits(value: Json) -> bool:
        for name in required:
            if name not in value:
                return False
        if not others and value.keys() - inside.keys():
            return False
        return all(check(value[name]) for name, check in inside.items() if name in value)

    return fits


def _array(schema: Mapping[str, Any]) -> Fits:
    each = plainly(schema["items"]) if "items" in schema else None
    return lambda value: each is None or all(map(each, value))
