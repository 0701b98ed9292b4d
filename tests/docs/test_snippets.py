"""What the pages tell somebody to type exists: commands, options, targets of make, settings, names."""

import importlib
import json
import re
import shlex
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer

from tests.docs.pages import Page, page, pages
from tests.laws.source import ROOT
from valetkey.cli import app
from valetkey.settings import parse

SHELLS = ("sh", "bash", "console", "")
MANIFESTS = ("docs/reference/manifest.md", "docs/howto/add-a-connector.md")
"""Their TOML is connectors', which other tests load."""

OTHERS = "docs/reference/clients.md"
"""Its snippets are for other programs; tests/clients runs them or holds their form."""

COMMAND = re.compile(r"(?:^|\$\(|\$ |\| )(?:[A-Z_]+=\S* )*(valetkey [a-z][^)\n|<>]*)", re.MULTILINE)
NAME = re.compile(r"`(\w+(?:/\w+)*)\.([A-Z]\w+)((?:\.\w+)*)`")


def commands(here: Page) -> Iterator[str]:
    """Every call of our own command in the page's shell snippets."""
    for snippet in here.snippets(*SHELLS):
        yield from COMMAND.findall(snippet.replace("\\\n", " "))


@pytest.mark.parametrize("here", pages(), ids=lambda here: here.name)
def test_every_command_and_option_exists(here: Page) -> None:
    assert [command for command in commands(here) if not exists(command)] == []


def exists(line: str) -> bool:
    words = shlex.split(line, comments=True)[1:]
    command: Any = typer.main.get_command(app)
    while words and words[0] in getattr(command, "commands", {}):
        command = command.commands[words.pop(0)]
    known = {option for parameter in command.params for option in parameter.opts} | {"--help"}
    given = {word.partition("=")[0] for word in words if word.startswith("--")}
    return not getattr(command, "commands", {}) and given <= known


@pytest.mark.parametrize("here", pages(), ids=lambda here: here.name)
def test_every_target_of_make_exists(here: Page) -> None:
    targets = re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE)
    told = re.findall(r"\bmake ([a-z][a-z-]+)\b", "\n".join(here.snippets(*SHELLS)))
    assert sorted(set(told) - set(targets)) == []


@pytest.mark.parametrize("here", pages(), ids=lambda here: here.name)
def test_every_piece_of_json_and_toml_is_that(here: Page) -> None:
    for snippet in here.snippets("json"):
        json.loads(snippet)
    for snippet in here.snippets("toml"):
        tomllib.loads(snippet)
        if here.name not in (*MANIFESTS, OTHERS):
            parse(snippet, Path("valetkey.toml"))


@pytest.mark.parametrize("here", pages(), ids=lambda here: here.name)
def test_every_piece_of_python_runs(here: Page) -> None:
    for snippet in here.snippets("python") if here.name != OTHERS else []:
        exec(compile(snippet, here.name, "exec"), {})


def test_the_names_of_the_walk_are_the_code_s() -> None:
    found = NAME.findall(page("ARCHITECTURE.md").text)
    assert len(found) > 5
    for module, name, more in found:
        thing: Any = importlib.import_module(f"valetkey.{module.replace('/', '.')}")
        for part in f"{name}{more}".split("."):
            thing = getattr(thing, part)
