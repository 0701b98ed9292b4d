"""Turns what pydantic found wrong into words for a manifest's author: where, what, and the nearest key."""

import re
from collections.abc import Iterator
from typing import Any, get_args

from pydantic import BaseModel, ValidationError

from valetkey.manifest.flaws import Flaw, nearest
from valetkey.manifest.schema_auth import KINDS

_TAGS = {"http", "mcp", "use", *KINDS}


def problems(error: ValidationError, form: Any) -> Iterator[tuple[str, Flaw]]:
    """Yield `(where, flaw)` for everything that is wrong: misspelt keys first, they explain missing ones.

    `form` is the type that was validated against.
    """
    for found in sorted(error.errors(include_url=False), key=lambda one: one["type"] != "extra_forbidden"):
        loc = [part for part in found["loc"] if part not in ("__key__", "[key]")]
        yield _where(loc), _flaw(found, loc, form)


def _where(loc: list[Any]) -> str:
    """Return the place as it is written in the file: the names of union members are not."""
    kept = [
        str(part) for n, part in enumerate(loc) if not (part in _TAGS and (n == 0 or loc[n - 1] == "auth"))
    ]
    return ".".join(kept)


def _flaw(found: Any, loc: list[Any], form: Any) -> Flaw:
    if isinstance(raised := found.get("ctx", {}).get("error"), Flaw):
        return raised
    if found["type"] == "extra_forbidden":
        return Flaw("unknown key", nearest(str(loc[-1]), _keys(form, loc[:-1])))
    if found["type"] == "missing":
        return Flaw("missing")
    wanted = re.findall("'([^']*)'", str(found.get("ctx", {}).get("expected", "")))
    return Flaw(_message(found), nearest(str(found["input"]), wanted))


def _message(found: Any) -> str:
    if found["type"] == "union_tag_invalid":
        return f"unknown kind {found['ctx']['tag']!r} (known: {found['ctx']['expected_tags']})"
    message: str = found["msg"].removeprefix("Value error, ")
    return message[0].lower() + message[1:]


def _keys(form: Any, loc: list[Any]) -> set[str]:
    """Return the keys of the table at `loc`, as the file spells them."""
    tables = set(_tables(form))
    for part in loc:
        fields = [annotation for table in tables for name, annotation in _fields(table) if name == part]
        # A name, a number or a union's tag is no field: it leads to no other table.
        tables = {table for annotation in fields for table in _tables(annotation)} or tables
    return {name for table in tables for name, _ in _fields(table)}


def _fields(table: type[BaseModel]) -> Iterator[tuple[str, Any]]:
    for name, info in table.model_fields.items():
        yield info.alias or name, info.annotation


def _tables(annotation: Any) -> Iterator[type[BaseModel]]:
    """Yield the tables an annotation leads to, whatever unions and containers it is wrapped in."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for part in get_args(annotation):
        yield from _tables(part)
