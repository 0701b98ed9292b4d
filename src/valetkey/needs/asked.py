"""What a person is shown of an access request: values for the pages, and where they come from."""

from dataclasses import dataclass

from valetkey.connections import Connections
from valetkey.egress import Egress, origin_of
from valetkey.manifest import Connector
from valetkey.manifest.schema_auth import OAuth2
from valetkey.needs.parts import Part, Parts
from valetkey.needs.requests import AccessRequest
from valetkey.people import Agents
from valetkey.store import Store


@dataclass(frozen=True, slots=True)
class Asked:
    """Everything the page about an access request shows: a section for each part that is left.

    `origin` is where its form may then redirect to, None where nobody has to be visited.
    """

    request: AccessRequest
    agent: str
    parts: tuple[Part, ...]
    origin: str | None


@dataclass(frozen=True, slots=True)
class Waiting:
    """A new connection waiting for its person's word. `differs_from`: the account it was to renew.

    `origin` is where saying yes may lead on to.
    """

    agent: str
    connector: Connector
    label: str | None
    differs_from: str | None
    renews: bool
    origin: str | None


class Reading:
    """Reads what the pages show. Nothing is changed here."""

    def __init__(
        self, store: Store, egress: Egress, connections: Connections, parts: Parts, agents: Agents
    ) -> None:
        self._store, self._egress, self._connections = store, egress, connections
        self._parts, self._agents = parts, agents

    async def asked(self, request: AccessRequest) -> Asked:
        """Raises PageError 404 when a tool is no longer there."""
        parts = await self._parts.left(request)
        trips = [part.connector for part in parts if self._may_lead_away(part)]
        origin = self._authorize_origin(trips[0]) if trips else None
        return Asked(request, await self._agent(request), tuple(parts), origin)

    async def confirming(self, request: AccessRequest) -> Waiting:
        """Return the new connection's account, and whether it is the one that was to be renewed.

        Raises PageError 404 when none waits.
        """
        connecting = self._connections.connecting
        waiting = await connecting.confirming(request.id, request.principal, frozenset(request.left))
        part = await self._parts.of(request, waiting.connection.connector)
        about, account = part.about, waiting.connection.account
        differs = about.label if about and about.account not in (None, account) else None
        renewed = await connecting.replaced(self._store, waiting.connection, about.id if about else None)
        return Waiting(
            agent=await self._agent(request),
            connector=part.connector,
            label=waiting.connection.label,
            differs_from=differs,
            renews=renewed is not None,
            origin=await self._next_origin(request, list(waiting.luggage["then"])),
        )

    async def _agent(self, request: AccessRequest) -> str:
        agent = await self._agents.get(self._store, request.actor)
        return agent.name if agent else request.actor

    def _may_lead_away(self, part: Part) -> bool:
        """Whether ticking all that the page offers would take a trip to the provider."""
        return part.connector.pasted is None and part.connects(part.ticked(list_all(part)))

    async def _next_origin(self, request: AccessRequest, then: list[str]) -> str | None:
        return self._authorize_origin((await self._parts.of(request, then[0])).connector) if then else None

    def _authorize_origin(self, connector: Connector) -> str | None:
        if not isinstance(connector.auth, OAuth2):
            return None
        url = self._egress.reroute(connector.auth.authorize_url)
        scheme, _, rest = url.partition("://")
        return f"{scheme}://{rest.partition('/')[0]}"
