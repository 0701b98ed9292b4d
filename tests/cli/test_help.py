"""Help that teaches: every command says in a line what it does, shows an example, and fits a terminal."""

import re
from collections.abc import Iterator
from typing import Any

import pytest
import typer
from rich.console import Console

from tests.cli.conftest import Cli
from valetkey.cli import app, output

ROOT: Any = typer.main.get_command(app)
FITS = 77


def leaves(command: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    below = getattr(command, "commands", {})
    if not below:
        yield path
    for name, child in below.items():
        yield from leaves(child, (*path, name))


COMMANDS = list(leaves(ROOT))
LISTS = {"list", "show", "check", "doctor", "verify", "verify-export"}


@pytest.mark.parametrize("path", COMMANDS, ids=" ".join)
def test_each_command_teaches(path: tuple[str, ...], cli: Cli) -> None:
    shown = cli(*path, "--help")
    assert shown.code == 0
    example = shown.out.partition("Example:")[2].splitlines()
    assert f"valetkey {' '.join(path)}" in "\n".join(example)
    assert example[1].startswith("   "), "it stands out from the text"
    assert not [noise for noise in ("<bool>", "<str>", "LIST[", "{", "}") if noise in shown.out]


@pytest.mark.parametrize("path", COMMANDS, ids=" ".join)
def test_no_line_of_the_help_is_broken_by_a_terminal(path: tuple[str, ...]) -> None:
    command = ROOT
    for name in path:
        command = command.commands[name]
    lines = command.help.splitlines()
    assert len(lines[0]) <= (60 if len(path) == 1 else 68)  # what is left beside the names in a list
    assert [line for line in lines if len(line) > FITS] == []


@pytest.mark.parametrize("path", COMMANDS, ids=" ".join)
def test_nothing_in_brackets_is_taken_for_a_style_and_left_out(path: tuple[str, ...]) -> None:
    command = ROOT
    for name in path:
        command = command.commands[name]
    texts = [command.help, *(getattr(parameter, "help", None) for parameter in command.params)]
    assert [text for text in texts if text and re.search(r"(?<!\\)\[[a-z]", text)] == []


@pytest.mark.parametrize("path", [path for path in COMMANDS if path[-1] in LISTS], ids=" ".join)
def test_what_lists_or_shows_takes_json(path: tuple[str, ...], cli: Cli) -> None:
    assert "--json" in cli(*path, "--help").out


def test_a_command_that_is_not_there_names_the_nearest(cli: Cli) -> None:
    ended = cli("people", "ad")
    assert ended.code == 2
    assert "add" in ended.err


def test_a_long_list_is_cut_for_a_person_and_whole_for_a_script(monkeypatch: pytest.MonkeyPatch) -> None:
    names = [f"tool_number_{number}" for number in range(12)]
    assert output.few(names) == ", ".join(names)
    monkeypatch.setattr(output, "console", lambda: Console(force_terminal=True))
    assert output.few(names) == "tool_number_0, tool_number_1, tool_number_2 and 9 more"
    assert output.few(["a" * 100, "b"]) == f"{'a' * 100} and 1 more"
    assert output.few(names[:2]) == "tool_number_0, tool_number_1"
