"""Schemas as every client reads them: a choice of types is written `anyOf`, not as a list under `type`.

A list is good JSON Schema, and what manifests say; some model APIs refuse it, and tools look for it.
"""

from valetkey.model import Json

_ABOUT = frozenset({"title", "description", "default", "examples", "enum", "const"})
"""What is said of a value whatever its type is, and holds no schema."""

_NAMED = frozenset({"properties", "patternProperties", "dependentSchemas", "$defs"})
"""What holds schemas by names that mean nothing here."""

_OF_NULL_TOO = frozenset({"allOf", "anyOf", "oneOf", "not", "if", "then", "else"})
"""What can be said of null; all else is about strings, numbers, lists or objects alone."""


def portable(schema: Json) -> Json:
    """Return a schema that accepts the same values, without a list of types anywhere in it."""
    if isinstance(schema, list):
        return [portable(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    whole = {key: _below(key, value) for key, value in schema.items()}
    if not isinstance(schema.get("type"), list):
        return whole
    about = {key: value for key, value in whole.items() if key in _ABOUT}
    rest = {key: value for key, value in whole.items() if key not in _ABOUT | {"type"}}
    return {"anyOf": [_branch(name, rest) for name in schema["type"]]} | about


def _below(key: str, value: Json) -> Json:
    if key in _ABOUT:
        return value
    if key in _NAMED and isinstance(value, dict):
        return {name: portable(schema) for name, schema in value.items()}
    return portable(value)


def _branch(name: str, rest: dict[str, Json]) -> dict[str, Json]:
    fitting = {key: value for key, value in rest.items() if name != "null" or key in _OF_NULL_TOO}
    return {"type": name, **fitting}
