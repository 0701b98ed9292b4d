"""The connector that both sides publish: reads of six kilobytes, any number of them, and one write.

Its API is one origin and its provider's token endpoint another: the API is as quick as can be, and the
provider, where there is one, is the sandbox's strict one.
"""

from pathlib import Path
from tempfile import TemporaryDirectory

from valetkey.manifest import Catalog, Connector

ORIGIN, PATH = "https://bench.example", "/items"
PROVIDER = "https://strict.example"
READ, WRITE = "bench.tool_0", "bench.write"

_HEAD = f"""\
manifest = 1
name     = "bench"
title    = "Bench"
docs     = "{ORIGIN}/docs"
checked  = "2026-11-24"
base_url = "{ORIGIN}"

[auth]
type          = "oauth2"
authorize_url = "{PROVIDER}/strict/authorize"
token_url     = "{PROVIDER}/strict/token"
client_auth   = "basic"

[auth.refresh]
rotates = true
reuse   = "strict"

[tools.write]
description = "Add an item to those of the connected account."
effect      = "write"
scopes      = ["items"]
labels      = []
sensitive   = ["title"]
preview     = "Add an item: {{title}}"
request     = "POST {PATH}"
json        = {{ title = "{{title}}" }}
result      = "{{items: items[].{{id: id, title: title, from: from, unread: unread}}}}"
args        = {{ title = {{ type = "string", maxLength = 200, description = "What it says." }} }}
output      = {{ type = "object", required = ["items"], properties = {{ items = {{ type = "array" }} }} }}
"""
_TOOL = '''
[tools.tool_{n}]
description = """
List the newest items of the connected account, newest first, with who sent them and what was read."""
effect      = "read"
scopes      = ["items"]
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
    """Write a manifest with `count` tools, the write among them, into a folder of manifests."""
    (folder / "bench").mkdir(parents=True, exist_ok=True)
    reads = "".join(_TOOL.format(n=n, path=PATH) for n in range(count - 1))
    (folder / "bench" / "manifest.toml").write_text(_HEAD + reads)


def connector(count: int) -> Connector:
    """Return the connector that manifest describes."""
    with TemporaryDirectory() as folder:
        write(Path(folder), count)
        return Catalog.load([Path(folder)], allow_hooks=[]).connectors["bench"]
