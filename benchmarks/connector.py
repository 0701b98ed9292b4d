"""The connector that both sides publish: a read of six kilobytes, and any number of tools like it."""

from pathlib import Path
from tempfile import TemporaryDirectory

from valetkey.manifest import Catalog, Connector

ORIGIN, PATH = "https://bench.example", "/items"
TOOL = "bench.tool_0"

_HEAD = f"""\
manifest = 1
name     = "bench"
title    = "Bench"
docs     = "{ORIGIN}/docs"
checked  = "2026-11-24"
base_url = "{ORIGIN}"

[auth]
type          = "oauth2"
authorize_url = "{ORIGIN}/authorize"
token_url     = "{ORIGIN}/token"
"""
_TOOL = '''
[tools.tool_{n}]
description = """
List the newest items of the connected account, newest first, with who sent them and what was read."""
effect      = "read"
scopes      = ["read"]
labels      = ["private", "untrusted"]
sensitive   = []
request     = "GET {path}"
query       = {{ limit = "{{limit}}", q = "{{search}}" }}
result      = "{{items: items[].{{id: id, title: title, from: from, unread: unread}}}}"

[tools.tool_{n}.args]
limit = {{ type = "integer", default = 55, minimum = 1, maximum = 100, description = "How many." }}
search = {{ type = "string", maxLength = 200, optional = true, description = "Only items with these words." }}

[tools.tool_{n}.output]
type     = "object"
required = ["items"]
[tools.tool_{n}.output.properties.items]
type = "array"
[tools.tool_{n}.output.properties.items.items]
type     = "object"
required = ["id"]
[tools.tool_{n}.output.properties.items.items.properties]
id     = {{ type = "string" }}
title  = {{ type = "string" }}
from   = {{ type = "string" }}
unread = {{ type = "boolean" }}
'''


def write(folder: Path, count: int) -> None:
    """Write a manifest with `count` tools into a folder of manifests."""
    (folder / "bench").mkdir(parents=True, exist_ok=True)
    tools = "".join(_TOOL.format(n=n, path=PATH) for n in range(count))
    (folder / "bench" / "manifest.toml").write_text(_HEAD + tools)


def connector(count: int) -> Connector:
    """Return the connector that manifest describes."""
    with TemporaryDirectory() as folder:
        write(Path(folder), count)
        return Catalog.load([Path(folder)], allow_hooks=[]).connectors["bench"]
