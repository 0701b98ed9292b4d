"""/mine: the accounts a person has connected, how to end or renew that, and what else they can connect.

To disconnect takes no password; to connect leads to a page that asks for one.
"""

from dataclasses import dataclass

from starlette.responses import Response
from starlette.routing import Route

from valetkey.connections import Connections
from valetkey.connections.revoked import beforehand, pending
from valetkey.errors import CallError, PageError
from valetkey.grants import Grants
from valetkey.manifest import Catalog, Connector
from valetkey.model import Connection, ConnectionState, Effect, Outcome, Principal
from valetkey.needs import Requests
from valetkey.needs.request import ANOTHER
from valetkey.notices import Notices
from valetkey.pages import Form, Pages, Visit, plain
from valetkey.people import Accounts, Agents
from valetkey.store import Store
from valetkey.web.cards import USABLE
from valetkey.web.groups import grouped
from valetkey.web.own import Own, OwnPages, made, nothing
from valetkey.web.words import Words


@dataclass(frozen=True, slots=True)
class _Account:
    """A connection as the page shows it. `agents` may use it; `ending` says what to
    disconnect does at the other side."""

    id: str
    connector: str
    title: str
    label: str
    since: int
    works: bool
    ending: str
    agents: list[str]


class Mine:
    """Shows a person their connections, ends them, and sets out to make new ones."""

    def __init__(
        self,
        own: OwnPages,
        store: Store,
        catalog: Catalog,
        accounts: Accounts,
        agents: Agents,
        connections: Connections,
        grants: Grants,
        requests: Requests,
        notices: Notices,
    ) -> None:
        self._own, self._store, self._catalog = own, store, catalog
        self._accounts, self._agents, self._connections = accounts, agents, connections
        self._grants, self._requests, self._words = grants, requests, Words(catalog)
        self._notices = notices

    def routes(self, pages: Pages) -> list[Route]:
        return [
            pages.route("/", get=_home),
            self._own.route(pages, "/mine", get=self._show),
            self._own.route(pages, "/mine/connections/{id}/revoke", post=self._disconnect),
            self._own.route(pages, "/mine/connections/{id}/reconnect", post=self._reconnect),
            self._own.route(pages, "/mine/connectors/{name}/connect", post=self._connect),
        ]

    async def _show(self, own: Own) -> Response:
        rows = await self._connections.rows.of(own.principal)
        live = [one for one in rows if one.state in USABLE]
        person = await self._accounts.get(self._store, own.principal)
        return own.page(
            "mine.html",
            name=person.name,
            accounts=[await self._account(one) for one in sorted(live, key=lambda one: one.connector)],
            others=await self._others({one.connector for one in live}),
            untold=[self._untold(one) for one in await self._connections.revocation.untold(own.principal)],
            written_to=await self._written_to(own.principal),
        )

    def _untold(self, one: Connection) -> tuple[str, str]:
        """An account that has ended here, and what is known of it at its provider."""
        title = self._words.connector(one.connector)
        connector = self._catalog.connectors.get(one.connector)
        return title, pending(connector).told if connector else ""

    async def _written_to(self, principal: Principal) -> str | None:
        """Where notices go, empty for nowhere; None on a server that writes to nobody."""
        if not self._notices.post.reaches_people:
            return None
        given = await self._notices.addresses.of(self._store, principal)
        return given.address if given else ""

    async def _disconnect(self, own: Own, form: Form) -> Response:
        connection = await self._found(own)
        revoked = await self._connections.revocation.revoke(connection, "person")
        title = f"{self._words.connector(connection.connector)} is disconnected"
        return own.done(title, revoked.told, "/mine")

    async def _reconnect(self, own: Own, form: Form) -> Response:
        connection = await self._found(own)
        connector = self._connector(connection.connector)
        return await self._set_out(own, connector, Outcome.RECONNECT, connection.id)

    async def _connect(self, own: Own, form: Form) -> Response:
        connector = self._connector(own.id("name"))
        live = await self._connections.rows.live(self._store, own.principal, connector.name)
        return await self._set_out(own, connector, Outcome.NOT_CONNECTED, ANOTHER if live else None)

    async def _set_out(self, own: Own, connector: Connector, outcome: Outcome, about: str | None) -> Response:
        """Go to the page that asks: for what reads, which is the least that makes sense."""
        if not await self._can_connect(connector):
            text = f"The operator has to register a client at {connector.title}'s provider first."
            raise PageError(503, "Not set up yet", text)
        reading = [tool.name for tool in connector.tools.values() if tool.effect is Effect.READ]
        tools = tuple(reading or connector.tools)
        try:
            request = await self._requests.by_person(own.principal, tools, outcome, about)
        except CallError:
            text = "Decide about what waits for you, or wait ten minutes, and try again."
            raise PageError(429, "Too much is open already", text) from None
        return own.visit.see(f"/connect/{self._requests.handle(request)}")

    async def _found(self, own: Own) -> Connection:
        found = await self._connections.rows.get(self._store, own.id())
        if found is None or found.principal != own.principal or found.state not in USABLE:
            raise nothing()
        return found

    def _connector(self, name: str) -> Connector:
        found = self._catalog.connectors.get(name)
        if found is None:
            raise nothing()
        return found

    async def _others(self, have: set[str]) -> list[Connector]:
        """What else can be connected here, by title."""
        others = [one for name, one in self._catalog.connectors.items() if name not in have]
        return sorted([one for one in others if await self._can_connect(one)], key=lambda one: one.title)

    async def _can_connect(self, connector: Connector) -> bool:
        if connector.pasted:
            return True
        try:
            await self._connections.registrations.for_connector(self._store, connector)
        except CallError:
            return False
        return True

    async def _account(self, one: Connection) -> _Account:
        return _Account(
            id=one.id,
            connector=one.connector,
            title=self._words.connector(one.connector),
            label=plain(one.label) if one.label else "an account without a name",
            since=made(one.id),
            works=one.state is ConnectionState.CONNECTED,
            ending=beforehand(self._catalog.connectors.get(one.connector)),
            agents=await self._agents_on(one.principal, one.id),
        )

    async def _agents_on(self, principal: Principal, connection: str) -> list[str]:
        grants = await self._grants.of(principal)
        ids = [grant.actor for grant in grants if connection in grant.connections]
        return [group.name for group in await grouped(self._store, self._agents, ids)]


async def _home(visit: Visit) -> Response:
    return visit.see("/mine")
