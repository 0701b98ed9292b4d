"""What is known of clients: complete, fresh in the documentation, of the versions that are driven here."""

import json
import subprocess
import tomllib
from pathlib import Path

import pytest

from tests.laws.source import ROOT
from valetkey.clients import ENDPOINTS, LINKS, AgentClient, known
from valetkey.clients.reference import page

PACKAGES = {
    "claude-code": "@anthropic-ai/claude-code",
    "inspector": "@modelcontextprotocol/inspector",
    "mcp-remote": "mcp-remote",
}
CLIENTS = list(known().values())


def name(client: AgentClient) -> str:
    return client.name


def test_the_page_is_fresh() -> None:
    shown = (ROOT / "docs" / "reference" / "clients.md").read_text()
    assert shown == page() + "\n", "make clients"


@pytest.mark.parametrize("client", CLIENTS, ids=name)
def test_a_client_is_fully_described(client: AgentClient) -> None:
    assert client.names in ENDPOINTS
    assert client.links in LINKS
    assert client.quirks
    assert (
        client.attached("https://valetkey.example.com").count(
            f"https://valetkey.example.com{ENDPOINTS[client.names]}"
        )
        == 1
    )
    assert bool(client.login) != bool(client.token)
    assert all(sentence.endswith(".") for sentence in (client.login or client.token, *client.quirks))


@pytest.mark.parametrize("client", CLIENTS, ids=name)
def test_what_is_printed_is_well_formed(client: AgentClient) -> None:
    text = client.attached("http://localhost:8917")
    match client.language:
        case "json":
            json.loads(text)
        case "toml":
            tomllib.loads(text)
        case "python":
            indented = "".join(f"    {line}\n" for line in text.splitlines())
            compile(f"async def attach():\n{indented}", client.name, "exec")
        case "sh":
            subprocess.run(["sh", "-n"], input=text, text=True, check=True)
        case other:
            pytest.fail(f"nobody knows whether {other} is well formed")


@pytest.mark.parametrize("client", PACKAGES)
def test_what_is_said_is_said_of_the_version_that_is_driven_here(client: str) -> None:
    driven = json.loads(Path(__file__).with_name("package.json").read_text())["dependencies"]
    assert known()[client].version == driven[PACKAGES[client]]
    assert known()[client].measured
