"""What a person is shown of an access request: values for the pages, and where they come from."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

from valetkey.connections import Connections
from valetkey.egress import Egress
from valetkey.manifest import Connector
from valetkey.manifest.schema_auth import OAuth2
from valetkey.needs.parts import Part, Parts
from valetkey.needs.request import AccessRequest
from valetkey.needs.trips import errands
from valetkey.people import Agents
from valetkey.store import Store


@dataclass(frozen=True, slots=True)
class Asked:
    """Everything the page about an access request shows: its parts that are not answered yet.

    `origins`, by connector, are those of the providers its form may redirect to.
    """

    request: AccessRequest
    agent: str
    parts: tuple[Part, ...]
    origins: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Waiting:
    """A new connection waiting for its person's word. `differs_from`: the account it was to renew.

    `agent` is empty where its person began it.
    `origins` are those of the providers where saying yes may lead on to.
    """

    agent: str
    connector: Connector
    label: str | None
    differs_from: str | None
    renews: bool
    origins: Mapping[str, str]


class Reading:
    """Reads what the pages show. Nothing is changed here."""

    def __init__(
        self, store: Store, egress: Egress, connections: Connections, parts: Parts, agents: Agents
    ) -> None:
        self._store, self._egress, self._connecting = store, egress, connections.connecting
        self._parts, self._agents = parts, agents

    async def asked(self, request: AccessRequest, picked: Mapping[str, str]) -> Asked:
        """`picked` are the accounts chosen so far. Raises PageError 404 when a tool is no longer there."""
        parts = tuple(await self._parts.left(request, picked))
        return Asked(request, await self._agent(request), parts, self._origins(parts))

    async def confirming(self, request: AccessRequest) -> Waiting:
        """Return the new connection's account, and whether it is the one that was to be renewed.

        Raises PageError 404 when none waits.
        """
        waiting = await self._parts.waiting(request)
        part = await self._parts.of(request, waiting.connection.connector, errands(waiting.luggage)[0].about)
        about, account = part.about, waiting.connection.account
        renewed = await self._connecting.replaced(
            self._store, waiting.connection, about.id if about else None
        )
        return Waiting(
            agent=await self._agent(request),
            connector=part.connector,
            label=waiting.connection.label,
            differs_from=about.label if about and about.account not in {None, account} else None,
            renews=renewed is not None,
            origins=self._origins(await self._parts.left(request)),
        )

    async def _agent(self, request: AccessRequest) -> str:
        if request.own:
            return ""
        agent = await self._agents.get(self._store, request.actor)
        return agent.name if agent else request.actor

    def _origins(self, parts: Iterable[Part]) -> Mapping[str, str]:
        """Where a browser may be sent to consent: the logical origins, or where `[hosts]` sends them."""
        auths = {part.connector.name: part.connector.auth for part in parts}
        urls = {name: auth.authorize_url for name, auth in auths.items() if isinstance(auth, OAuth2)}
        return {name: _origin(self._egress.reroute(url)) for name, url in urls.items()}


def _origin(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}"
