"""A small connector to vary, and the folder to load it from."""

from pathlib import Path

from valetkey.manifest import Catalog, Connector

HEAD = """
manifest = 1
name     = "acme"
title    = "Acme"
docs     = "https://acme.example/docs"
checked  = "2026-11-24"
base_url = "https://api.acme.example/v1"
"""

NO_AUTH = """
[auth]
type = "none"
"""

TOOL = """
[tools.get_thing]
description = "Get a thing."
effect    = "read"
labels    = []
sensitive = []
request   = "GET /things/{id}"
args      = { id = { type = "string", description = "Which." } }
output    = { type = "object" }
"""


def written(folder: Path, text: str, name: str = "acme") -> Path:
    """Write a manifest into `folder`, which is one of several connectors' folders."""
    (folder / name).mkdir(parents=True, exist_ok=True)
    (folder / name / "manifest.toml").write_text(text, "utf-8")
    return folder


def acme(folder: Path, tools: str, *, head: str = "") -> Connector:
    """Load a connector of these tools; `head` is put before its tables."""
    return Catalog.load([written(folder, HEAD + head + NO_AUTH + tools)]).connectors["acme"]
