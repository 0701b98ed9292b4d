"""The parts of an access request: what it asks of each connector, and what that would take.

Values and look-ups alone; what an answer does with them is in `answers`.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

from valetkey.connections import Confirming, Connections
from valetkey.errors import CallError, PageError
from valetkey.grants import Given, Terms
from valetkey.grants.entries import fewest, names, reads, whole
from valetkey.manifest import Catalog, Connector, Tool
from valetkey.manifest.schema_auth import Pasted
from valetkey.model import Connection, ConnectionState, Outcome
from valetkey.needs.request import ANOTHER, AccessRequest
from valetkey.store import Store

_NOTHING: Mapping[str, str] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Part:
    """What a request asks of one connector.

    `about` is the connection it would use, with its account's label; `ended`: its access is over.
    `accounts` are the working ones to choose from.
    """

    connector: Connector
    asked: tuple[Tool, ...]
    about: Connection | None
    ended: bool
    accounts: tuple[Connection, ...] = ()

    @property
    def others(self) -> list[Tool]:
        """The connector's tools that were not asked for."""
        others = (tool for tool in self.connector.tools.values() if tool not in self.asked)
        return sorted(others, key=lambda tool: (tool.effect, tool.name))

    @property
    def wide(self) -> tuple[str, str]:
        """The entries for more than one tool of the connector: all that reads, all but what destroys."""
        return reads(self.connector.name), whole(self.connector.name)

    def ticked(self, entries: Collection[str]) -> list[str]:
        """Those of the entries that are about this connector: names of its tools, and the wide ones."""
        return sorted({*self.wide, *(tool.name for tool in self.connector.tools.values())} & set(entries))

    def named(self, entries: Collection[str]) -> list[Tool]:
        """The tools that entries name."""
        return [tool for tool in self.connector.tools.values() if names(entries, tool)]

    def given(self, entries: Collection[str], terms: Terms) -> Given:
        """What a person gives who ticks these: asked for and not ticked is refused."""
        refused = {tool.name for tool in self.asked} - {tool.name for tool in self.named(entries)}
        least = fewest(entries, self.connector.tools.values())
        return Given(least, frozenset(refused), terms.lasts, terms.uses, terms.offline)

    @property
    def trip(self) -> bool:
        """Whether what was asked for takes a visit to the provider."""
        return self.connector.pasted is None and self.connects([tool.name for tool in self.asked])

    @property
    def paste(self) -> Pasted | None:
        """The secret that is needed; None where there is one already, or none is pasted."""
        return self.connector.pasted if self.about is None or self.ended else None

    def connects(self, entries: Collection[str]) -> bool:
        """Whether the connection has to be made or renewed before an agent can use what they name."""
        if self.about is None or self.ended:
            return True
        if self.connector.pasted:
            return False
        return not self._needed(entries) <= self.connector.satisfied(self.about.scopes)

    def to_ask(self, entries: Collection[str]) -> frozenset[str]:
        """The scopes to ask the provider for: what is named needs, and what the connection to renew has."""
        kept = self.about.scopes if self.about else frozenset()
        return self.connector.to_ask(self._needed(entries) | kept)

    def _needed(self, entries: Collection[str]) -> frozenset[str]:
        return frozenset(scope for tool in self.named(entries) for scope in tool.scopes)


class Parts:
    """Takes requests apart."""

    def __init__(self, store: Store, catalog: Catalog, connections: Connections) -> None:
        self._store, self._catalog = store, catalog
        self._rows, self._connecting = connections.rows, connections.connecting

    async def left(self, request: AccessRequest, picked: Mapping[str, str] = _NOTHING) -> list[Part]:
        """Return the parts that are not answered yet.

        `picked` are connections by connector, or ANOTHER, where the person chose an account.
        Raises PageError 404 when a tool is no longer there.
        """
        return [
            await self._part(request, tools, picked.get(connector, request.connection))
            for connector, tools in request.left.items()
        ]

    async def of(self, request: AccessRequest, connector: str, about: str | None) -> Part:
        """Return the part about one connector. Raises PageError 404, 409 when it is answered already."""
        if connector not in request.left:
            raise PageError(409, "Already answered", "This was answered already. Open the link again.")
        return await self._part(request, request.left[connector], about or ANOTHER)

    async def waiting(self, request: AccessRequest) -> Confirming:
        """Return the new connection that waits for its person's word. Raises PageError 404: none does."""
        waiting = await self._connecting.waiting(request.id, request.principal, request.left)
        if waiting is None or self._is_unnamed(waiting.connection):
            text = "There is no connection waiting for you here. Open the link again."
            raise PageError(404, "Nothing to confirm", text)
        return waiting

    def _is_unnamed(self, connection: Connection) -> bool:
        """Whether its provider is still being asked whose it is: nobody says yes before they see that."""
        connector = self._catalog.connectors.get(connection.connector)
        return connector is not None and connector.whoami is not None and connection.account is None

    async def _part(self, request: AccessRequest, names: Iterable[str], wanted: str | None) -> Part:
        asked = tuple(self._tool(name) for name in names)
        connector, store = asked[0].connector, self._store
        live = await self._rows.live(store, request.principal, connector.name)
        labelled = [await self._rows.labelled(store, one) for one in live]
        working = tuple(one for one in labelled if one.state is ConnectionState.CONNECTED)
        about = _about(labelled, working, wanted)
        no_good = (Outcome.RECONNECT, Outcome.INSUFFICIENT_SCOPE if connector.pasted else None)
        refused = request.outcome in no_good and about is not None and about.id == request.connection
        return Part(connector, asked, about, refused or about not in (None, *working), working)

    def _tool(self, name: str) -> Tool:
        try:
            return self._catalog.tool(name)
        except CallError:
            raise PageError(404, "There is nothing here", "This tool is no longer offered.") from None


def _about(
    live: Sequence[Connection], working: Sequence[Connection], wanted: str | None
) -> Connection | None:
    """The connection to use: the one that is wanted unless its person has ended it, or what there is."""
    if wanted is not None:
        return next((one for one in live if one.id == wanted), None)
    return next(iter((*working, *live[-1:])), None)
