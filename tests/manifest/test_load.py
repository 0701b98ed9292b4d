from pathlib import Path

import pytest

from tests.manifest.demo import HEAD, NO_AUTH, TOOL, acme, written
from tests.manifest.flawed import ADDED_TO_A_TOOL, IN_A_TOOL, IN_THE_HEAD
from valetkey.errors import CallError, ManifestError
from valetkey.manifest import Catalog, check, shipped
from valetkey.model import Outcome

WHOLE = HEAD + NO_AUTH + TOOL
OAUTH = """
[auth]
type          = "oauth2"
authorize_url = "https://acme.example/authorize"
token_url     = "https://login.acme.example/token"
"""
HOOKED = TOOL.replace('request   = "GET /things/{id}"', 'hook = "get"')


@pytest.mark.parametrize(("old", "new", "where", "says", "nearest"), IN_THE_HEAD)
def test_a_flaw_in_the_head_is_named(
    tmp_path: Path, old: str, new: str, where: str, says: str, nearest: str | None
) -> None:
    assert old in WHOLE
    _named(tmp_path, WHOLE.replace(old, new), where, says, nearest)


@pytest.mark.parametrize(("old", "new", "where", "says", "nearest"), IN_A_TOOL)
def test_a_flaw_in_a_tool_is_named(
    tmp_path: Path, old: str, new: str, where: str, says: str, nearest: str | None
) -> None:
    assert old in TOOL
    _named(tmp_path, HEAD + NO_AUTH + TOOL.replace(old, new), _of_the_tool(where), says, nearest)


@pytest.mark.parametrize(("lines", "where", "says", "nearest"), ADDED_TO_A_TOOL)
def test_a_flaw_added_to_a_tool_is_named(
    tmp_path: Path, lines: str, where: str, says: str, nearest: str | None
) -> None:
    _named(tmp_path, WHOLE + lines, _of_the_tool(where), says, nearest)


@pytest.mark.parametrize(
    ("name", "says"),
    [("get_" + "thing" * 9, "longer than 48"), ("getThing", "not a name"), ("_x", "not a name")],
)
def test_a_tool_s_name_is_short_and_plain(tmp_path: Path, name: str, says: str) -> None:
    _named(tmp_path, WHOLE.replace("get_thing", name), f"tools.{name}", says, None)


def _of_the_tool(where: str) -> str:
    return f"tools.get_thing.{where}" if where else "tools.get_thing"


def _named(folder: Path, text: str, where: str, says: str, nearest: str | None) -> None:
    """See that `check` finds the flaw there, in that file, and that `load` refuses the manifest."""
    first = _first(folder, text)
    found = check(folder)
    assert str(first) == str(found[0])
    there = [one for one in found if one.where == where]
    assert there, [str(one) for one in found]
    assert says in there[0].problem
    assert there[0].nearest == nearest
    assert there[0].file == str(folder / "acme" / "manifest.toml")


def _first(folder: Path, text: str) -> ManifestError:
    with pytest.raises(ManifestError) as refused:
        Catalog.load([written(folder, text)])
    return refused.value


def test_the_sound_manifest_these_were_made_from_is_accepted(tmp_path: Path) -> None:
    assert [tool.name for tool in Catalog.load([written(tmp_path, WHOLE)]).tools] == ["acme.get_thing"]


def test_check_finds_every_problem_and_not_the_first(tmp_path: Path) -> None:
    text = (
        WHOLE.replace("effect ", "efect ")
        .replace('title    = "Acme"', "titel = 1")
        .replace("https", "http", 2)
    )
    places = {one.where for one in check(written(tmp_path, text))}
    assert {"titel", "title", "docs", "base_url", "tools.get_thing.efect", "tools.get_thing.effect"} <= places


def test_check_takes_one_connector_s_folder_too(tmp_path: Path) -> None:
    written(tmp_path, WHOLE)
    assert [one.problem for one in check(tmp_path / "acme")] == ["has no example in examples/"]
    assert check(shipped() / "gmail") == []


def test_check_says_when_there_is_nothing_to_check(tmp_path: Path) -> None:
    assert [one.problem for one in check(tmp_path)] == ["no connector: nothing here is named manifest.toml"]


def test_an_example_of_no_tool_is_a_problem(tmp_path: Path) -> None:
    one = tmp_path / "acme" / "examples"
    written(tmp_path, WHOLE)
    one.mkdir()
    (one / "a.json").write_text('{"tool": "get_thing"}')
    (one / "b.json").write_text('{"tool": "get_things"}')
    (one / "c.json").write_text("[")
    assert [(p.problem[:16], p.nearest) for p in check(tmp_path)] == [
        ("unknown tool `ge", "get_thing"),
        ("is not an exampl", None),
    ]


def test_what_is_no_toml_is_a_problem_with_its_line(tmp_path: Path) -> None:
    found = _first(tmp_path, "manifest = \n")
    assert "cannot be read as TOML" in found.problem
    assert "line 1" in found.problem
    assert "cannot be read" in _first(tmp_path, "a = " + "[" * 5000).problem


def test_two_manifests_of_one_name_are_refused(tmp_path: Path) -> None:
    one, two = written(tmp_path / "one", WHOLE), written(tmp_path / "two", WHOLE)
    with pytest.raises(ManifestError, match="`acme` is taken by"):
        Catalog.load([one, two])


def test_names_that_are_one_without_their_dot_are_refused(tmp_path: Path) -> None:
    written(tmp_path, WHOLE.replace('"acme"', '"a"').replace("get_thing", "b_c"), "one")
    written(tmp_path, WHOLE.replace('"acme"', '"a_b"').replace("get_thing", "c"), "two")
    with pytest.raises(ManifestError, match="are both `a_b_c`"):
        Catalog.load([tmp_path])


def test_a_connector_never_takes_a_provider_s_registrations(tmp_path: Path) -> None:
    written(tmp_path, WHOLE.replace('"acme"', '"google"'))
    with pytest.raises(ManifestError, match="`google` is a provider"):
        Catalog.load([shipped(), tmp_path])


def test_an_unknown_provider_is_named_with_the_nearest(tmp_path: Path) -> None:
    written(tmp_path, WHOLE.replace('type = "none"', 'use = "gogle"'))
    with pytest.raises(ManifestError, match=r"auth\.use: unknown provider `gogle`.*did you mean `google`"):
        Catalog.load([shipped(), tmp_path])


def test_a_remote_mcp_server_is_understood_and_refused_for_now(tmp_path: Path) -> None:
    remote = """
manifest = 1
kind     = "mcp"
name     = "acme_mcp"
title    = "Acme"
docs     = "https://acme.example/docs"
checked  = "2026-11-24"
url      = "https://mcp.acme.example/mcp"
client   = "dynamic"
auth     = { type = "none" }
[tools.find]
effect    = "read"
labels    = ["untrusted"]
sensitive = []
digest    = "sha256:%s"
"""
    assert "not supported yet" in _first(tmp_path, remote % ("0" * 64)).problem
    assert _first(tmp_path, remote % "0").where == "tools.find.digest"


def test_a_hook_from_a_folder_that_is_not_allowed_never_runs(tmp_path: Path) -> None:
    written(tmp_path, HEAD + NO_AUTH + HOOKED)
    (tmp_path / "acme" / "hooks.py").write_text("raise SystemExit('it ran')")
    with pytest.raises(ManifestError, match="not allowed"):
        Catalog.load([tmp_path])
    with pytest.raises(ManifestError, match="not allowed"):
        Catalog.load([tmp_path], allow_hooks=[tmp_path / "other"])


def test_an_allowed_hook_is_a_coroutine_function_of_that_name(tmp_path: Path) -> None:
    written(tmp_path, HEAD + NO_AUTH + HOOKED)
    hooks = tmp_path / "acme" / "hooks.py"
    with pytest.raises(ManifestError, match=r"hooks\.py cannot be imported: FileNotFoundError"):
        Catalog.load([tmp_path], allow_hooks=[tmp_path])
    hooks.write_text("def get(call): ...\nasync def gett(call): ...\n")
    with pytest.raises(ManifestError, match=r"unknown hook `get`.*did you mean `gett`"):
        Catalog.load([tmp_path], allow_hooks=[tmp_path])
    hooks.write_text("async def get(call):\n    return {}\n")
    assert Catalog.load([tmp_path], allow_hooks=[tmp_path]).tool("acme.get_thing").hook is not None


def test_a_shared_provider_is_pulled_in_by_its_name() -> None:
    gmail = Catalog.load([shipped()]).connectors["gmail"]
    assert gmail.provider == "google"
    assert gmail.auth.type == "oauth2"
    assert gmail.auth.authorize_params == {"access_type": "offline", "prompt": "consent"}


def test_the_origins_are_all_a_token_may_go_to(tmp_path: Path) -> None:
    catalog = Catalog.load([shipped(), written(tmp_path, HEAD + OAUTH + TOOL)])
    assert catalog.connectors["gmail"].origins == {
        "https://gmail.googleapis.com",
        "https://oauth2.googleapis.com",
    }
    assert catalog.connectors["slack"].origins == {"https://slack.com"}
    assert catalog.connectors["acme"].origins == {"https://api.acme.example", "https://login.acme.example"}


def test_a_tool_is_found_with_a_dot_or_an_underscore(tmp_path: Path) -> None:
    catalog = Catalog.load([shipped()])
    assert catalog.tool("gmail_list_unread") is catalog.tool("gmail.list_unread")
    assert [tool.name for tool in catalog.tools] == sorted(tool.name for tool in catalog.tools)
    with pytest.raises(CallError, match=r"Did you mean `gmail\.list_unread`") as refused:
        catalog.tool("gmail.list_unred")
    assert refused.value.outcome == Outcome.NOT_FOUND
    with pytest.raises(CallError) as refused:
        catalog.tool("x" * 10_000)
    assert len(str(refused.value)) < 100


EVERY_HEAD_KEY = """
spec     = "https://acme.example/openapi.json"
rate     = "100/minute"
headers  = { Acme-Version = "2" }
whoami   = { request = "GET /me", account = "id", label = "mail", avatar = "picture", scopes = ["a"] }
paging   = { style = "link", send = "page" }
[errors]
not_found = "error == 'nope'"
[auth]
type = "oauth2"
authorize_url = "https://acme.example/authorize"
token_url = "https://acme.example/token/"
refresh_url = "https://acme.example/refresh"
token_params = { expiring = "1" }
refresh_params = { a = "b" }
authorize_params = { prompt = "consent" }
pkce = "off"
client_auth = "none"
token_body = "json"
scope_param = "user_scope"
scope_separator = ","
token_at = "authed_user"
expires = 3600
tokens = "per_account"
implies = { b = ["a"], c = ["b"] }
revoke = { supported = false, tell = "Remove Valetkey under Settings." }
[auth.fields.site]
description = "Your site."
pattern = "[a-z]+"
source = "call"
request = "GET /sites"
at = "[0].id"
suffixes = ["acme.example"]
[auth.refresh]
rotates = true
reuse = "grace:600"
idle_expiry = "90d"
absolute_expiry = "365d"
dead = ["invalid_grant"]
"""
EVERY_TOOL_KEY = """
title = "Make a thing"
idempotent = true
scopes = ["a"]
preview = "Make {id}"
undo = "other"
rate = "1/second"
idempotency = { header = "Idempotency-Key" }
response = "json"
form = { id = "{id}" }
"""


def test_every_key_of_version_1_is_accepted(tmp_path: Path) -> None:
    made = TOOL.replace('"read"', '"write"').replace("GET /things/{id}", "POST /things") + EVERY_TOOL_KEY
    other = TOOL.replace("get_thing", "other").replace('"read"', '"destroy"').replace("GET", "DELETE")
    text = HEAD + EVERY_HEAD_KEY + made + other + 'preview = "Drop {id}"'
    whole = Catalog.load([written(tmp_path, text)]).connectors["acme"]
    assert whole.satisfied(frozenset({"c"})) == {"a", "b", "c"}
    assert whole.to_ask(frozenset({"c"})) == {"c"}
    assert whole.to_ask(frozenset({"x"})) == {"a", "x"}
    assert whole.tools["get_thing"].undo == "acme.other"
    assert whole.tools["get_thing"].title == "Make a thing"


@pytest.mark.parametrize(
    ("table", "says"),
    [
        ('type = "api_key"\nwhere = "Settings"', "exactly one of `header` and `query`"),
        ('type = "oauth2"\nauthorize_url = "https://a.example"', "missing"),
        ('type = "bearer"', "missing"),
        (OAUTH.replace("[auth]", "") + 'revoke = { method = "POST" }', "needs a `url`"),
        (OAUTH.replace("[auth]", "") + "revoke = { supported = false }", "needs `tell`"),
        (OAUTH.replace("[auth]", "") + 'refresh = { reuse = "often" }', "should match"),
        (OAUTH.replace("[auth]", "") + 'refresh = { idle_expiry = "3 months" }', "not a duration"),
        (OAUTH.replace("[auth]", "") + "expires = 0", "greater than 0"),
    ],
)
def test_an_auth_table_that_cannot_work_is_refused(tmp_path: Path, table: str, says: str) -> None:
    found = _first(tmp_path, HEAD + "[auth]\n" + table + TOOL)
    assert says in found.problem
    assert found.where.startswith("auth")


def test_a_small_connector_can_be_loaded_for_the_other_tests(tmp_path: Path) -> None:
    assert acme(tmp_path, TOOL).tools["get_thing"].name == "acme.get_thing"
