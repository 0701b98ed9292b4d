"""How a client is attached, on the command line: a snippet for a pipe, and the rest for a person."""

import json
from pathlib import Path

from tests.cli.conftest import Cli


def test_what_goes_into_a_file_is_all_of_stdout(cli: Cli) -> None:
    shown = cli("clients", "cursor")
    assert shown.code == 0
    server = json.loads(shown.out)["mcpServers"]["valetkey"]
    assert server["url"] == "http://localhost:8917/mcp/flat"
    assert "~/.cursor/mcp.json" in shown.err
    assert "Signing in: Cursor" in shown.err
    assert "tokens mint" not in shown.err


def test_a_client_that_does_not_sign_in_by_itself_is_told_of_tokens(cli: Cli) -> None:
    shown = cli("clients", "gemini-cli")
    assert "tokens mint --principal NAME --actor gemini-cli" in shown.err
    assert "Signing in" not in shown.err


def test_a_client_that_takes_dots_gets_the_dotted_names(cli: Cli) -> None:
    assert cli("clients", "claude-code").out.splitlines() == [
        "claude mcp add --transport http valetkey http://localhost:8917/mcp",
        "claude mcp login valetkey",
    ]


def test_the_url_is_the_one_that_people_reach_this_server_at(cli: Cli, home: Path) -> None:
    cli("people", "list")
    (home / "valetkey.toml").write_text('public_url = "https://valetkey.example.com"\n')
    assert cli("clients", "codex", "--json").json["url"] == "https://valetkey.example.com/mcp"


def test_without_a_name_they_are_listed(cli: Cli) -> None:
    rows = cli("clients", "--json").json
    assert [row["name"] for row in rows][:2] == ["claude-code", "claude-desktop"]
    assert "claude-desktop" in cli("clients").out


def test_a_client_that_nobody_knows_is_an_error_that_names_those_there_are(cli: Cli) -> None:
    ended = cli("clients", "netscape")
    assert ended.code == 1
    assert ended.out == ""
    assert "gemini-cli" in ended.err
