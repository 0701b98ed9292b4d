"""Connectors on the command line: what ships, and what is wrong with a manifest."""

import shutil
from pathlib import Path

import pytest

from tests.cli.conftest import Cli
from tests.support.town import PASTED
from valetkey.manifest import shipped
from valetkey.settings import FILE


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A copy of what ships, to break."""
    return Path(shutil.copytree(shipped() / "slack", tmp_path / "connectors" / "slack")).parent


def test_what_ships_is_listed_with_its_tools(cli: Cli) -> None:
    rows = {row["name"]: row for row in cli("connectors", "list", "--json").json}
    assert {"gmail", "slack"} <= set(rows)
    assert "list_unread" in rows["gmail"]["tools"]
    assert rows["gmail"]["provider"] == "google"
    assert "list_unread" in cli("connectors", "list").out


def test_one_is_shown_with_where_its_tokens_go(cli: Cli) -> None:
    shown = cli("connectors", "show", "slack", "--json").json
    assert shown["tokens_go_to"] == ["https://slack.com"]
    tools = {tool["name"]: tool for tool in shown["tools"]}
    assert tools["slack.post_message"]["effect"] == "write"
    assert tools["slack.post_message"]["input_schema"]["required"] == ["channel", "text"]
    words = cli("connectors", "show", "slack").out
    assert "https only" in words
    assert "slack.post_message" in words


def test_one_whose_secret_is_pasted_says_where_that_is_found_and_nothing_of_redirects(
    cli: Cli, home: Path
) -> None:
    cli("connectors", "list")  # makes the home
    (home / FILE).write_text(PASTED)
    words = cli("connectors", "show", "keyed").out
    assert "pasted from    keyed.example, under Settings, API keys" in words
    assert "redirect" not in words


def test_an_unknown_connector_is_answered_with_those_there_are(cli: Cli) -> None:
    refused = cli("connectors", "show", "gmial")
    assert refused.code == 1
    assert "gmail," in refused.err


def test_all_good_is_said(cli: Cli) -> None:
    good = cli("connectors", "check")
    assert (good.code, good.out) == (0, "")
    assert "Nothing is wrong" in good.err
    assert cli("connectors", "check", "--json").json == []


def test_every_problem_is_named_by_file_tool_key_and_nearest_key(cli: Cli, folder: Path) -> None:
    manifest = folder / "slack" / "manifest.toml"
    text = (
        manifest.read_text()
        .replace("effect    = ", "efect     = ")
        .replace("paged     = true", "pagd = true")
    )
    manifest.write_text(text)
    bad = cli("connectors", "check", str(folder))
    assert bad.code == 1
    assert f"{manifest}: tools.post_message.efect" in bad.out
    assert "did you mean `effect`?" in bad.out
    assert "tools.list_channels.pagd" in bad.out
    problems = cli("connectors", "check", str(folder), "--json").json
    assert {(problem["where"], problem["nearest"]) for problem in problems} >= {
        ("tools.post_message.efect", "effect"),
        ("tools.list_channels.pagd", "paged"),
    }


def test_a_folder_without_connectors_is_a_problem(cli: Cli, tmp_path: Path) -> None:
    assert cli("connectors", "check", str(tmp_path / "nothing")).code == 1


def test_a_broken_manifest_in_use_stops_every_command_that_needs_it(
    cli: Cli, home: Path, folder: Path
) -> None:
    cli("connectors", "list")
    (home / FILE).write_text(f'manifests = ["{folder}"]\n')  # a second connector named slack
    refused = cli("people", "list")
    assert refused.code == 78
    assert str(folder) in refused.err
    assert cli("connectors", "check").code == 1
