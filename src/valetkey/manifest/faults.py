"""What single values cannot show: how a manifest's keys fit together. Every fault is found, not the first.

Each function yields `(where, flaw)` pairs; a manifest without any can be built.
"""

from collections.abc import Iterable, Iterator
from typing import Any

from valetkey.manifest import faults_text
from valetkey.manifest.arguments import FORMATS, Validator, argument_schema
from valetkey.manifest.flaws import Flaw, unknown
from valetkey.manifest.outputs import check_schema
from valetkey.manifest.paths import parse_line
from valetkey.manifest.schema import Manifest
from valetkey.manifest.schema_auth import Pasted
from valetkey.manifest.schema_tools import Paging, RequestTable, Tool
from valetkey.model import Effect

LONGEST_NAME = 48
"""Characters of `connector.tool`: hosts put a prefix before it and stop at 64."""

Faults = Iterator[tuple[str, Flaw]]
_BODIES = ("json_body", "form", "multipart", "raw")
_REQUEST_KEYS = ("query", "headers", *_BODIES)
_LATER = {"multipart": "multipart bodies", "raw": "raw bodies"}


def faults(manifest: Manifest) -> Faults:
    """Yield every fault of a manifest whose single values are right."""
    if manifest.name == "valetkey":
        yield "name", Flaw("`valetkey` is the name of the server's own tools")
    yield from _urls(manifest)
    if manifest.whoami and "{" in manifest.whoami.request:
        yield "whoami.request", Flaw("has no arguments to fill placeholders with")
    if manifest.whoami is None and isinstance(manifest.auth, Pasted):
        yield "whoami", Flaw("missing: a secret that is pasted is tried with it before it is kept")
    for name, tool in manifest.tools.items():
        for where, flaw in _tool(manifest, name, tool):
            yield f"tools.{name}{'.' if where else ''}{where}", flaw


def _urls(manifest: Manifest) -> Faults:
    urls = {"base_url": manifest.base_url} | {
        f"auth.{key}": value
        for key in ("authorize_url", "token_url", "refresh_url")
        if (value := getattr(manifest.auth, key, None))
    }
    for where, url in urls.items():
        if "{" in url:
            yield where, Flaw("a host that differs by connection is not supported yet")
    if getattr(manifest.auth, "client_auth", None) == "private_key_jwt":
        yield "auth.client_auth", Flaw("clients with keys of their own are not supported yet")


def _tool(manifest: Manifest, name: str, tool: Tool) -> Faults:
    if len(full := f"{manifest.name}.{name}") > LONGEST_NAME:
        yield "", Flaw(f"`{full}` is longer than {LONGEST_NAME} characters")
    yield from _one_way(tool)
    yield from _effect(manifest, tool)
    yield from _arguments(tool)
    yield from _flawed("output", lambda: check_schema(tool.output))
    yield from _paged(manifest, tool)
    yield from _requests(tool)
    yield from _steps(tool)
    yield from faults_text.preview(tool)


def _one_way(tool: Tool) -> Faults:
    ways = [way for way in ("request", "steps", "hook") if getattr(tool, way) is not None]
    if len(ways) != 1:
        found = " and ".join(f"`{way}`" for way in ways) or "none"
        yield "", Flaw(f"needs exactly one of `request`, `steps` and `hook`; it has {found}")
    if tool.hook and tool.result:
        yield "result", Flaw("a hook returns its result itself")
    if tool.request is None:
        for key in _REQUEST_KEYS:
            if getattr(tool, key) is not None:
                yield key.removesuffix("_body"), Flaw("belongs beside a `request`")


def _effect(manifest: Manifest, tool: Tool) -> Faults:
    if tool.effect is not Effect.READ and tool.preview is None:
        yield (
            "preview",
            Flaw(f"missing: what a person is asked to approve, for a tool that is `{tool.effect}`"),
        )
    if tool.undo and tool.undo not in manifest.tools:
        yield "undo", unknown("tool", tool.undo, manifest.tools)
    if tool.idempotency and tool.request is None:
        yield "idempotency", Flaw("is for a tool with one `request`")
    methods = {table.request.split()[0] for _, table in _tables(tool) if table.request}
    if tool.effect is not Effect.READ and methods and methods <= {"GET", "HEAD"}:
        # Whatever sends a GET may repeat it (RFC 9110 section 9.2.2), and the egress does.
        yield "effect", Flaw(f"a tool that is `{tool.effect}` needs a request that is no GET")


def _arguments(tool: Tool) -> Faults:
    for name in tool.sensitive:
        if name not in tool.args:
            yield "sensitive", unknown("argument", name, tool.args)
    if "account" in tool.args:
        yield "args.account", Flaw("is how an agent says which of a person's accounts it means")
    for name, arg in tool.args.items():
        if arg.type == "file":
            yield f"args.{name}.type", Flaw("files are not supported yet")
        schema = {"type": "object", "properties": {name: argument_schema(arg)}}
        found = list(_flawed(f"args.{name}", lambda schema=schema: check_schema(schema)))
        yield from found
        if arg.default is not None and not found:
            validator = Validator(schema, format_checker=FORMATS)
            if not validator.is_valid({name: arg.default}):
                yield f"args.{name}.default", Flaw("is not a value the argument accepts")
        if arg.optional and arg.default is not None:
            yield f"args.{name}.optional", Flaw("an argument with a `default` is never left out")


def _paged(manifest: Manifest, tool: Tool) -> Faults:
    paging = tool.paging or manifest.paging
    if not tool.paged:
        if tool.paging:
            yield "paging", Flaw("belongs to a tool with `paged = true`")
        return
    if "cursor" in tool.args:
        yield "args.cursor", Flaw("a paged tool has this argument without saying so")
    if paging is None:
        yield "paged", Flaw("needs `paging`, here or for the whole connector")
    else:
        yield from _paging(paging, tool)


def _paging(paging: Paging, tool: Tool) -> Faults:
    if paging.style == "cursor" and paging.read is None:
        yield "paging.read", Flaw("missing: where the reply says how to go on")
    if paging.style in ("offset", "page") and paging.read is None and paging.size is None:
        yield "paging", Flaw("needs `read` or `size` to know where the list ends")
    if paging.size and paging.size not in tool.args:
        yield "paging.size", unknown("argument", paging.size, tool.args)


def _requests(tool: Tool) -> Faults:
    names = set(tool.args) | ({"cursor"} if tool.paged else set())
    used: set[str] = set()
    for where, table in _tables(tool):
        known = names | ({"each"} if getattr(table, "each", None) else set())
        yield from ((f"{where}{key}", flaw) for key, flaw in _bodies(table))
        for key, slot, whole in faults_text.placeholders(table):
            used.add(slot.name)
            if flaw := faults_text.misplaced(slot, key, tool.args, known, whole=whole):
                yield f"{where}{key}", flaw
    if tool.hook is None:
        for name in tool.args.keys() - used - _page_sizes(tool):
            yield f"args.{name}", Flaw("is used by no request")


def _page_sizes(tool: Tool) -> set[str]:
    return {tool.paging.size} if tool.paging and tool.paging.size else set()


def _tables(tool: Tool) -> Iterable[tuple[str, RequestTable]]:
    if tool.request is not None:
        yield "", tool
    for number, step in enumerate(tool.steps or ()):
        yield f"steps.{number}.", step


def _bodies(table: RequestTable) -> Faults:
    bodies = [key for key in _BODIES if getattr(table, key) is not None]
    names = " and ".join(f"`{key.removesuffix('_body')}`" for key in bodies)
    if len(bodies) > 1:
        yield "request", Flaw(f"has {names}: a request has one body")
    if bodies and table.request and parse_line(table.request).method in ("GET", "HEAD"):
        yield "request", Flaw(f"has {names}, but a {table.request.split()[0]} has no body")
    for key in bodies:
        if key in _LATER:
            yield key, Flaw(f"{_LATER[key]} are not supported yet")


def _steps(tool: Tool) -> Faults:
    steps = tool.steps or ()
    names = [step.name for step in steps]
    if len(set(names)) < len(names):
        yield "steps", Flaw("two steps have one name")
    if sum(step.each is not None for step in steps) > 1:
        yield "steps", Flaw("only one step may have `each`")
    if steps and steps[0].each is not None:
        yield "steps.0.each", Flaw("the first step has no earlier reply to go through")


def _flawed(where: str, check: Any) -> Faults:
    try:
        check()
    except Flaw as flaw:
        yield where, flaw


def collisions(names: Iterable[str]) -> Faults:
    """Yield the tools that hosts which write `_` for `.` could not tell apart."""
    seen: dict[str, str] = {}
    for name in sorted(names):
        flat = name.replace(".", "_")
        if flat in seen:
            yield name, Flaw(f"`{name}` and `{seen[flat]}` are both `{flat}` to hosts that allow no dot")
        seen.setdefault(flat, name)
