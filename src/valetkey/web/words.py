"""What grants, tools and agents are called on a person's own pages."""

from collections.abc import Iterable, Sequence
from urllib.parse import urlsplit

from valetkey.errors import CallError
from valetkey.grants.entries import names, whole
from valetkey.manifest import Catalog, Tool
from valetkey.model import Grant, Json
from valetkey.pages import EFFECTS, plain, tool_title
from valetkey.people import Agent, Kind


class Words:
    """Says in words what the catalog knows by name. What it no longer knows keeps its name."""

    def __init__(self, catalog: Catalog) -> None:
        self._catalog = catalog

    def connector(self, name: str) -> str:
        found = self._catalog.connectors.get(name)
        return plain(found.title) if found else name

    def tool(self, name: str) -> str:
        """A tool with its connector: `Gmail: List unread`; as it is named where there is none."""
        tool = self.known(name)
        return f"{plain(tool.connector.title)}: {tool_title(tool)}" if tool else plain(name)

    def known(self, name: str) -> Tool | None:
        """The tool of a name, if there is one."""
        try:
            return self._catalog.tool(name)
        except CallError:
            return None

    def entry(self, entry: str) -> str:
        """What one entry of a grant allows: a tool, all of a connector, or one effect there."""
        connector, _, effect = entry.removesuffix(".*").partition(":")
        if entry == whole(connector):
            return f"Everything in {self.connector(connector)} but what deletes"
        if effect:
            return f"Everything in {self.connector(connector)} that {EFFECTS.get(effect, effect)}"
        return self.tool(entry)

    def within(self, entries: Iterable[str]) -> list[str]:
        """What some entries allow, said where their connector is known already: wide ones first."""
        return [self._within(entry) for entry in sorted(entries, key=lambda entry: ("." in entry, entry))]

    def _within(self, entry: str) -> str:
        tool = self.known(entry)
        _, _, effect = entry.partition(":")
        if effect:
            return f"Everything that {EFFECTS.get(effect, effect)}"
        return "Everything but what deletes" if entry.endswith(".*") else tool_title(tool) if tool else entry

    def offered(self, connector: str) -> list[Tool]:
        """The tools of a connector: those that read first, those that delete last."""
        found = self._catalog.connectors.get(connector)
        tools = found.tools.values() if found else ()
        return sorted(tools, key=lambda tool: (list(EFFECTS).index(tool.effect), tool.name))

    def tools_of(self, grant: Grant) -> list[Tool]:
        """The tools that a grant lets its actor use."""
        found = [tool for tool in self._catalog.tools if names(grant.tools, tool)]
        return [tool for tool in found if tool.name not in grant.refused]


def where_from(agent: Agent) -> str:
    """Say how an agent came here: whose word its name is."""
    match agent.kind:
        case Kind.NAMED:
            return "set up by the operator of this server"
        case Kind.DOCUMENT:
            return f"an app of {plain(urlsplit(agent.id).netloc)}"
        case Kind.DYNAMIC:
            hosts = redirect_hosts(agent.metadata.get("redirect_uris"))
            return f"an app that signs in at {', '.join(hosts)}" if hosts else "an app that registered itself"
        case Kind.FOREIGN:
            return "an app known to your organisation's sign-in"


def redirect_hosts(uris: Json) -> list[str]:
    """The hosts that a client has itself redirected to: the one thing about it that it cannot make up."""
    found = uris if isinstance(uris, Sequence) and not isinstance(uris, str) else ()
    return sorted({plain(_place(str(uri))) for uri in found})


def _place(uri: str) -> str:
    """`claude.ai` of an address on the web; the scheme of an app's own, which is what tells it apart."""
    parts = urlsplit(uri)
    host = parts.hostname or ""
    if host in {"localhost", "127.0.0.1", "::1"}:
        return "this computer"
    return host if parts.scheme in {"http", "https"} else f"{parts.scheme}:"
