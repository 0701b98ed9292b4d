"""A tool's arguments: the JSON Schema that is published for them, and the check before anything happens."""

import json
import re
from collections.abc import Iterator, Mapping
from datetime import date, datetime
from typing import Any
from urllib.parse import urlsplit

from jsonschema import Draft202012Validator, FormatChecker, validators
from jsonschema.exceptions import ValidationError

from valetkey.errors import CallError
from valetkey.manifest.flaws import nearest
from valetkey.manifest.plainly import plainly
from valetkey.manifest.schema_tools import Arg, Paging
from valetkey.model import Json, Outcome

FORMATS = FormatChecker(formats=())
_EMAIL = re.compile(r"[^\s@<>(),;:\"\[\]\\]+@[^\s@<>(),;:\"\[\]\\]+")
_OURS = {"optional", "type"}


@FORMATS.checks("email")
def _email(value: object) -> bool:
    return not isinstance(value, str) or bool(_EMAIL.fullmatch(value))


@FORMATS.checks("date", raises=ValueError)
def _date(value: object) -> bool:
    return not isinstance(value, str) or bool(date.fromisoformat(value))


@FORMATS.checks("date-time", raises=ValueError)
def _date_time(value: object) -> bool:
    return not isinstance(value, str) or datetime.fromisoformat(value).tzinfo is not None


@FORMATS.checks("uri", raises=ValueError)
def _uri(value: object) -> bool:
    return not isinstance(value, str) or urlsplit(value).scheme in ("http", "https")


def _pattern(_: Any, pattern: str, value: Json, __: Json) -> Iterator[ValidationError]:
    """JSON Schema's `$` is the end; Python's lets one line feed follow, which would begin a new header."""
    found = re.search(pattern, value) if isinstance(value, str) else None
    if isinstance(value, str) and (not found or (pattern.endswith("$") and value[found.end() :] == "\n")):
        yield ValidationError("does not match")


Validator = validators.extend(Draft202012Validator, {"pattern": _pattern})  # type: ignore[no-untyped-call]  # the stub has no types
"""JSON Schema 2020-12, with `FORMATS` and a `$` that means what it says."""


def input_schema(args: Mapping[str, Arg], paging: Paging | None) -> dict[str, Json]:
    """Return the JSON Schema (2020-12) of a tool's arguments; a paged tool takes a `cursor`, too."""
    properties = {name: argument_schema(arg) for name, arg in args.items()}
    if paging:
        properties["cursor"] = _cursor(paging)
    required = [name for name, arg in args.items() if not arg.optional and arg.default is None]
    schema = {"type": "object", "properties": properties, "additionalProperties": False}
    return schema | ({"required": required} if required else {})


def argument_schema(arg: Arg) -> dict[str, Json]:
    """Return the JSON Schema of one argument."""
    keywords = json.loads(arg.model_dump_json(by_alias=True, exclude_unset=True, exclude=_OURS))
    return {"type": "object" if arg.type == "file" else arg.type, **keywords}


def _cursor(paging: Paging) -> dict[str, Json]:
    numbered = paging.style in ("page", "offset")
    limit = {"pattern": "^[0-9]{1,9}$"} if numbered else {"minLength": 1, "maxLength": 2048}
    return {
        "type": "string",
        "description": "`next_cursor` of the last result, to go on from there.",
        **limit,
    }


class Arguments:
    """Checks what an agent sent against one tool's arguments, and fills in the defaults."""

    def __init__(self, args: Mapping[str, Arg], paging: Paging | None) -> None:
        self.schema = input_schema(args, paging)
        self._properties: Mapping[str, Mapping[str, Json]] = self.schema["properties"]
        self._may_be_null = {name for name, arg in args.items() if arg.optional} | {"cursor"}
        self._defaults = {name: arg.default for name, arg in args.items() if arg.default is not None}
        self._plainly, self._validator = plainly(self.schema), Validator(self.schema, format_checker=FORMATS)

    def check(self, arguments: Json) -> dict[str, Json]:
        """Return the arguments with defaults. Raises CallError `invalid`, never repeating a value."""
        if not isinstance(arguments, dict) or not _is_json(arguments):
            raise CallError(Outcome.INVALID, "The arguments must be one JSON object.")
        given = {k: v for k, v in arguments.items() if v is not None or k not in self._may_be_null}
        if not self._plainly(given):
            self._refuse_unfit(given)
        return self._defaults | given

    def _refuse_unfit(self, given: Json) -> None:
        problems = sorted({self._problem(error) for error in self._validator.iter_errors(given)})
        if problems:
            raise CallError(Outcome.INVALID, f"{'; '.join(problems)}. {self._accepted()}")

    def _problem(self, error: Any) -> str:
        if error.validator == "additionalProperties" and not error.absolute_path:
            return self._unknown(error)
        where = "`" + ".".join(str(step) for step in error.absolute_path) + "`"
        if error.validator == "required":
            missing = next(name for name in error.validator_value if name not in error.instance)
            return f"`{missing}` is missing" if not error.absolute_path else f"{where} needs `{missing}`"
        return f"{where} {_why(str(error.validator), error.validator_value)}"

    def _unknown(self, error: Any) -> str:
        extra = next(name for name in error.instance if name not in self._properties)
        meant = nearest(extra, self._properties)
        hint = f" (did you mean `{meant}`?)" if meant else ""
        return f"unknown argument `{extra[:40]}`{hint}"

    def _accepted(self) -> str:
        names = (f"{name} ({schema['type']})" for name, schema in self._properties.items())
        return f"Accepted: {', '.join(names) or 'no arguments'}."


def _is_json(value: Json) -> bool:
    """Say whether this can be sent on: Python's parser lets NaN, lone surrogates and depth through."""
    try:
        json.dumps(value, ensure_ascii=False, allow_nan=False).encode()
    except (ValueError, RecursionError):
        return False
    return True


def _why(keyword: str, wanted: Any) -> str:
    if keyword == "enum":
        return f"must be one of {', '.join(map(str, wanted))}"
    return _SENTENCES.get(keyword, "does not fit its schema").format(wanted)


_SENTENCES = {
    "type": "must be of type {}",
    "format": "must be a valid {}",
    "pattern": "must match {}",
    "minimum": "must be at least {:g}",
    "maximum": "must be at most {:g}",
    "minLength": "must have at least {} characters",
    "maxLength": "must have at most {} characters",
    "minItems": "must have at least {} items",
    "maxItems": "must have at most {} items",
}
