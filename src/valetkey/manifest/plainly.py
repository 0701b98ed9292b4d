"""A quick look at whether a value fits its schema: it knows the keywords that most are described with.

It only ever says yes. Where it does not, jsonschema decides.
"""

from collections.abc import Callable, Mapping
from typing import Any

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
_LIMITS: dict[str, Callable[[Json, Json], bool]] = {
    "minimum": lambda value, least: not isinstance(value, int | float) or value >= least,
    "maximum": lambda value, most: not isinstance(value, int | float) or value <= most,
    "minLength": lambda value, least: not isinstance(value, str) or len(value) >= least,
    "maxLength": lambda value, most: not isinstance(value, str) or len(value) <= most,
}
_KNOWN = {"type", "properties", "required", "additionalProperties", "items", *_LIMITS}
_SAY_NOTHING = {"title", "description", "examples", "default"}


def plainly(schema: Json) -> Fits:
    """Return a check that is true only for what the schema accepts; where it is not, nothing is known."""
    if not isinstance(schema, dict) or set(schema) - _KNOWN - _SAY_NOTHING:
        return _unsure
    kinds, in_object, in_array = _kinds(schema.get("type")), _object(schema), _array(schema)
    limits = [(check, schema[name]) for name, check in _LIMITS.items() if name in schema]
    if limits:
        return _within(kinds, limits)
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


def _within(kinds: frozenset[type], limits: list[tuple[Callable[[Json, Json], bool], Json]]) -> Fits:
    if not kinds.isdisjoint((dict, list)):
        return _unsure
    return lambda value: type(value) in kinds and all(check(value, limit) for check, limit in limits)


def _kinds(said: Json) -> frozenset[type]:
    names = list(_KINDS) if said is None else [said] if isinstance(said, str) else said
    return frozenset(kind for name in names for kind in _KINDS[name])


def _object(schema: Mapping[str, Any]) -> Fits:
    inside = {name: plainly(below) for name, below in schema.get("properties", {}).items()}
    required, others = schema.get("required", ()), schema.get("additionalProperties", True)
    checks = list(inside.items())
    if not isinstance(others, bool):
        return _unsure

    def fits(value: Json) -> bool:
        for name in required:
            if name not in value:
                return False
        if not others and value.keys() - inside.keys():
            return False
        for name, check in checks:  # noqa: SIM110 - a generator would be a third of the cost
            if name in value and not check(value[name]):
                return False
        return True

    return fits


def _array(schema: Mapping[str, Any]) -> Fits:
    each = plainly(schema["items"]) if "items" in schema else None
    return lambda value: each is None or all(map(each, value))
