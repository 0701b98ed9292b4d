"""`valetkey connectors new`: a first manifest with one tool and its example, which passes `check` as it is.

Everything a contributor has to replace says so, in the file.
"""

from pathlib import Path

from valetkey.errors import UsageError
from valetkey.manifest.words import is_name

_AUTH = {
    "oauth2": """\
[auth]
type          = "oauth2"
authorize_url = "{origin}/oauth/authorize"
token_url     = "{origin}/oauth/token"
pkce          = "supported"                # "required" or "off" where the documentation says so
# client_auth = "basic"                    # how the token endpoint wants the client: post, basic, none
# revoke      = {{ url = "{origin}/oauth/revoke" }}
""",
    "api_key": """\
[auth]
type   = "api_key"
header = "X-Api-Key"
where  = "{title}, under Settings, API keys"     # where a person finds theirs
""",
    "bearer": """\
[auth]
type  = "bearer"
where = "{title}, under Settings, access tokens"  # where a person finds theirs
""",
    "basic": """\
[auth]
type  = "basic"
where = "{title}, under Settings, API access"     # where a person finds theirs
""",
}
KINDS = tuple(_AUTH)

_MANIFEST = """\
# A first draft. `valetkey connectors check {folder}` names what is wrong with it;
# docs/howto/add-a-connector.md and docs/reference/manifest.md explain every key.
manifest = 1
name     = "{name}"
title    = "{title}"
docs     = "{origin}/docs"                 # the API's documentation
checked  = "{today}"                       # when you last compared this file with it
base_url = "{origin}/v1"                   # people's secrets are sent here: copy it from the documentation
whoami   = {{ request = "GET /me", account = "id", label = "email" }}
paging   = {{ style = "cursor", send = "cursor", read = "next_cursor" }}

{auth}
# Before the HTTP status: how this API says things in a body. JMESPath, first match wins.
[errors]
rate_limited = "error.code == 'too_many_requests'"

[tools.list_things]
description = "List the person's things, newest first: id, name and when each was made."
effect    = "read"
scopes    = [{scope}]
labels    = ["private"]                    # "untrusted": outsiders wrote it; "sends": it leaves the house
sensitive = []                             # arguments the audit must not keep
paged     = true
request   = "GET /things"
query     = {{ limit = "{{limit}}" }}
result    = "things[].{{id: id, name: name, made: created_at}}"

[tools.list_things.args]
limit = {{ type = "integer", default = 20, minimum = 1, maximum = 100, description = "How many." }}

[tools.list_things.output]
type     = "object"
required = ["id"]
[tools.list_things.output.properties]
id   = {{ type = "string" }}
name = {{ type = ["string", "null"] }}
made = {{ type = ["string", "null"] }}
"""

_EXAMPLE = """\
{"tool": "list_things", "args": {"limit": 1},
 "exchanges": [
  {"request": "GET /things", "query": {"limit": "1"},
   "response": {"things": [{"id": "t1", "name": "A lamp", "created_at": "2026-01-02T03:04:05Z"}],
                "next_cursor": "c2"}}],
 "result": {"items": [{"id": "t1", "name": "A lamp", "made": "2026-01-02T03:04:05Z"}], "next_cursor": "c2"}}
"""


def scaffold(below: Path, name: str, kind: str, today: str) -> list[Path]:
    """Write the folder of a new connector below a folder and return its files.

    Raises UsageError: not a name, or there is one already; then nothing is written.
    """
    if not is_name(name):
        raise UsageError(
            f"`{name}` cannot be a connector's name: small letters, digits and `_`, a letter first"
        )
    folder = below / name
    if folder.exists():
        raise UsageError(f"{folder} is there already; nothing was written")
    manifest, example = folder / "manifest.toml", folder / "examples" / "list_things.json"
    example.parent.mkdir(parents=True)
    manifest.write_text(_filled(folder, name, kind, today), "utf-8")
    example.write_text(_EXAMPLE, "utf-8")
    return [manifest, example]


def _filled(folder: Path, name: str, kind: str, today: str) -> str:
    title, origin = name.replace("_", " ").title(), f"https://api.{name.replace('_', '-')}.example"
    auth = _AUTH[kind].format(title=title, origin=origin)
    scope = '"things:read"' if kind == "oauth2" else ""
    return _MANIFEST.format(
        folder=folder, name=name, title=title, origin=origin, auth=auth, scope=scope, today=today
    )
