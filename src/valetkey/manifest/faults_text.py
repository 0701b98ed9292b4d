"""The faults of placeholders: which arguments they name, and whether they may stand where they do."""

from collections.abc import Iterator, Mapping

from valetkey.manifest.contexts import CONTEXTS
from valetkey.manifest.flaws import Flaw, unknown
from valetkey.manifest.paths import parse_line
from valetkey.manifest.schema_tools import Arg, RequestTable, Tool
from valetkey.manifest.template import Slot, parse, parse_string, slots

_MARKS = {"'": "single", '"': "double"}


def placeholders(table: RequestTable) -> Iterator[tuple[str, Slot, bool]]:
    """Yield `(key, placeholder, whether it is a whole string)` for every one in a request table."""
    if table.request:
        yield from (("request", slot, False) for slot in parse_line(table.request).slots())
    for key in ("query", "headers", "json_body", "form"):
        for slot, whole in slots(parse(getattr(table, key))):
            yield key.removesuffix("_body"), slot, whole


def misplaced(slot: Slot, key: str, args: Mapping[str, Arg], known: set[str], *, whole: bool) -> Flaw | None:
    """Return what is wrong with a placeholder where it stands, if anything is."""
    if slot.name not in known:
        return unknown("argument", slot.name, known)
    arg = args.get(slot.name)
    if key == "request":
        return _in_path(slot, arg)
    if whole:
        return (
            Flaw(f"`{{{slot.name}:{slot.context}}}` is a whole string and needs no context")
            if slot.context
            else None
        )
    return _in_text(slot, arg)


def _in_path(slot: Slot, arg: Arg | None) -> Flaw | None:
    if slot.name == "cursor" or (arg and arg.optional):
        return Flaw(f"`{{{slot.name}}}` may be unset, and a path needs all its segments")
    if arg and arg.type not in ("string", "integer"):
        return Flaw(f"`{{{slot.name}}}` is of type {arg.type}, which is no path segment")
    return None


def _in_text(slot: Slot, arg: Arg | None) -> Flaw | None:
    if arg and arg.type in ("array", "object", "file"):
        return Flaw(f"`{{{slot.name}}}` is of type {arg.type} and has to be a string of its own")
    if slot.context is None:
        return Flaw(
            f"`{{{slot.name}}}` inside text needs a context, such as `{{{slot.name}:gmail}}`"
            f" ({', '.join(CONTEXTS)}), so that it cannot rewrite the query"
        )
    if slot.context not in CONTEXTS:
        return unknown("context", slot.context, CONTEXTS)
    wanted = CONTEXTS[slot.context].quote
    if (arg and arg.type != "string") or slot.inside == wanted or slot.context == "raw":
        return None
    where = f"inside {_MARKS[wanted]} quotation marks" if wanted else "outside quotation marks"
    return Flaw(f"`{{{slot.name}:{slot.context}}}` belongs {where}")


def preview(tool: Tool) -> Iterator[tuple[str, Flaw]]:
    """Yield the faults of a preview: it names arguments only, and needs no contexts, nothing parses it."""
    for slot, _ in slots(parse_string(tool.preview or "")):
        if slot.name not in tool.args:
            yield "preview", unknown("argument", slot.name, tool.args)
        elif slot.context:
            yield (
                "preview",
                Flaw(f"`{{{slot.name}:{slot.context}}}` is read by a person and needs no context"),
            )
