"""What is known of real MCP clients: how each is attached here, and its quirks. The data is in clients.toml.

Nothing is decided on it: how a link reaches somebody depends on what a client declares, never on its name.
"""

import tomllib
from dataclasses import dataclass
from datetime import date
from functools import cache
from importlib.resources import files

ENDPOINTS = {"dotted": "/mcp", "underscore": "/mcp/flat"}
"""Where tools are listed under the names that a client can take."""

LINKS = {
    "elicited": "the client shows a link itself, and the same call goes on",
    "text": "the model gets a link as text and passes it on; the call is made again",
}


@dataclass(frozen=True, slots=True)
class AgentClient:
    """One client, at the `version` that was `seen`. `measured`: run by us, rather than reported by others.

    One of `login` and `token` says how it gets to act for somebody; the other is empty.
    """

    name: str
    title: str
    version: str
    seen: date
    measured: bool
    protocol: str
    links: str
    names: str
    where: str
    language: str
    snippet: str
    quirks: tuple[str, ...]
    login: str = ""
    token: str = ""

    def url(self, public_url: str) -> str:
        """The endpoint that this client needs."""
        return public_url + ENDPOINTS[self.names]

    def attached(self, public_url: str) -> str:
        """What attaches it: a command, a file's content or a few lines of a program."""
        return self.snippet.strip().replace("@URL@", self.url(public_url))


@cache
def known() -> dict[str, AgentClient]:
    """Every client there is something to say about, by its name on the command line."""
    data = tomllib.loads(files(__name__).joinpath("clients.toml").read_text("utf-8"))
    return {
        name: AgentClient(name=name, **{**about, "quirks": tuple(about["quirks"])})
        for name, about in data.items()
    }
