"""Every setting, command, outcome and manifest key has its heading in the reference."""

import importlib.util
import re
from collections.abc import Iterator
from typing import Any, get_args

import pytest
from pydantic import BaseModel

from tests.laws.source import ROOT
from valetkey.manifest.schema import json_schema
from valetkey.model import Outcome
from valetkey.settings import Settings

REFERENCE = ROOT / "docs" / "reference"
HEADING = re.compile(r"^#{2,6} `([^`]+)`", re.MULTILINE)
NOT_IN_THE_FILE = {"home"}  # where the file is, not what it says


def headings(page: str) -> list[str]:
    """The names that a page of the reference explains: its headings in code type."""
    text = (REFERENCE / page).read_text()
    outside_code = re.sub(r"^```.*?^```", "", text, flags=re.MULTILINE | re.DOTALL)
    return HEADING.findall(outside_code)


def table(annotation: Any) -> type[BaseModel] | None:
    """The table that a setting is, or that it has many of by name."""
    kinds = (annotation, *get_args(annotation))
    return next((kind for kind in kinds if isinstance(kind, type) and issubclass(kind, BaseModel)), None)


def settings(model: type[BaseModel], above: str = "") -> Iterator[str]:
    for name, field in model.model_fields.items():
        if inner := table(field.annotation):
            yield from settings(inner, f"{above}{name}.")
        elif name not in NOT_IN_THE_FILE:
            yield above + name


def commands(command: Any, path: str) -> Iterator[str]:
    """The full names of a click command's leaves, hidden ones aside."""
    below = getattr(command, "commands", {})
    if not below and not command.hidden:
        yield path
    for name, child in below.items():
        yield from commands(child, f"{path} {name}")


def test_every_setting_is_explained() -> None:
    assert sorted(headings("settings.md")) == sorted(settings(Settings))


def test_every_outcome_is_explained_in_the_order_of_the_list() -> None:
    assert headings("outcomes.md") == list(Outcome)


def keys(schema: Any) -> Iterator[str]:
    """Every key that a JSON Schema names, at any depth."""
    for name, below in schema.items() if isinstance(schema, dict) else enumerate(schema):
        if name == "properties":
            yield from below
        if isinstance(below, dict | list):
            yield from keys(below)


def test_every_key_of_a_manifest_is_explained() -> None:
    explained = {heading.split(".")[-1] for heading in headings("manifest.md")}
    assert sorted(set(keys(json_schema())) - explained) == []


@pytest.mark.skipif(importlib.util.find_spec("valetkey.cli") is None, reason="no command line yet")
def test_every_command_is_explained() -> None:
    typer = importlib.import_module("typer")
    cli = importlib.import_module("valetkey.cli")
    found = commands(typer.main.get_command(cli.app), "valetkey")
    assert sorted(headings("cli.md")) == sorted(found)
