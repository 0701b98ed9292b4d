"""What is wrong in a settings file, in one sentence: the key, the problem, the nearest key there is."""

import difflib
from collections.abc import Iterable

from pydantic import ValidationError

from valetkey.settings.tables import TABLES, Settings

_KINDS = {
    "string_type": "has to be text in quotes",
    "path_type": "has to be a path in quotes",
    "tuple_type": 'has to be a list such as ["one", "two"]',
    "dict_type": "has to be a table",
    "model_type": "has to be a table",
}


def problem(error: ValidationError) -> str:
    """Say the first thing that is wrong; never a value, which may be a secret in the wrong place."""
    first = error.errors(include_input=False, include_context=False, include_url=False)[0]
    key = ".".join(str(part) for part in first["loc"] if part != "[key]")
    if first["type"] == "extra_forbidden":
        return f"there is no setting `{key}`{_nearest(str(first['loc'][-1]))}"
    table, *below = first["loc"]
    if table == "hosts" and below and below[0] in Settings.model_fields:
        return f"`{below[0]}` stands below [hosts] and so belongs to it; move it above the first [table]"
    return f"`{key}`: {_KINDS.get(first['type'], first['msg'].removeprefix('Value error, '))}"


def _nearest(key: str) -> str:
    known: Iterable[str] = {name for table in TABLES for name in table.model_fields} - {"home"}
    close = difflib.get_close_matches(key, known, n=1)
    return f"; did you mean `{close[0]}`?" if close else ""
