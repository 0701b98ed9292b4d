"""What a person is shown of an access request, and what their answer does.

The pages have checked who is there, that the form is ours, and the password; here is what follows.
"""

from dataclasses import dataclass

from valetkey.audit import Audit
from valetkey.connections import Connections, Params, Trip, TurnedAway
from valetkey.egress import Egress
from valetkey.errors import CallError, PageError
from valetkey.grants import LASTS, Given, Grants
from valetkey.manifest import Catalog, Connector, Tool
from valetkey.model import AuditEvent, Connection, ConnectionState, Outcome, Registration
from valetkey.needs.requests import AccessRequest, Requests
from valetkey.people import Agents, Session
from valetkey.store import Store


@dataclass(frozen=True, slots=True)
class Offered:
    """A tool on the page: the one that was asked for is first and `asked`."""

    tool: Tool
    asked: bool


@dataclass(frozen=True, slots=True)
class Asked:
    """Everything the page about an access request shows.

    `trip`: the provider has to be visited; `origin`: where the form may then redirect to.
    """

    request: AccessRequest
    agent: str
    connector: Connector
    tools: tuple[Offered, ...]
    account: str | None
    trip: bool
    origin: str


@dataclass(frozen=True, slots=True)
class Waiting:
    """A new connection waiting for its person's word. `differs_from`: the account it was to renew."""

    agent: str
    connector: Connector
    label: str | None
    differs_from: str | None
    renews: bool


class Answers:
    """Carries out what people decide about access requests."""

    def __init__(
        self,
        store: Store,
        catalog: Catalog,
        egress: Egress,
        audit: Audit,
        connections: Connections,
        grants: Grants,
        requests: Requests,
        agents: Agents,
    ) -> None:
        self._store, self._catalog, self._egress, self._audit = store, catalog, egress, audit
        self._connections, self._grants, self._requests, self._agents = connections, grants, requests, agents

    async def asked(self, request: AccessRequest) -> Asked:
        """Return what the page shows. Raises PageError 404 when the tool is no longer there."""
        tool = self._tool(request)
        connector, about = tool.connector, await self._about(request)
        trip = about is None or self._trip(request, about, connector, frozenset({tool.name}))
        others = sorted(
            connector.tools.values(), key=lambda other: (other is not tool, other.effect, other.name)
        )
        return Asked(
            request=request,
            agent=await self._agent(request),
            connector=connector,
            tools=tuple(Offered(other, asked=other is tool) for other in others),
            account=about.label if about else None,
            trip=trip,
            origin=self._authorize_origin(connector),
        )

    async def approve(
        self, request: AccessRequest, browser: Session, tools: frozenset[str], lasts: int | None
    ) -> str | None:
        """Begin the trip to the provider and return its URL; None when a grant was all that was missing.

        Raises PageError 400: a choice the page did not offer; 409: answered already.
        """
        self._still_open(request)
        asked = self._tool(request)
        given = self._given(asked, tools, lasts)
        about = await self._about(request)
        if about is not None and not self._trip(request, about, asked.connector, given.tools):
            async with self._store.transaction() as tx:
                await self._requests.settle(tx, request, "met")
                await self._grants.give(tx, request.principal, request.actor, [about.id], given)
            self._requests.announce(request)
            return None
        client = await self._registration(asked.connector)
        scopes = self._scopes(asked.connector, given.tools, about)
        if client.scopes is not None and not scopes <= client.scopes:
            text = (
                "The operator has limited what may be asked of this provider. Tick fewer tools, or ask them."
            )
            raise PageError(400, "More than the operator allows", text)
        luggage = {"tools": sorted(given.tools), "lasts": lasts, "scopes": sorted(scopes), "tool": asked.name}
        url = await self._connections.flows.begin(
            request.id, browser.id, asked.connector, client, scopes, luggage
        )
        return self._egress.reroute(url)

    async def decline(self, request: AccessRequest) -> None:
        """Raises PageError 409 when it was answered already."""
        self._still_open(request)
        async with self._store.transaction() as tx:
            await self._requests.settle(tx, request, "declined")
        self._requests.announce(request)

    async def arrive(self, registration: str, params: Params, browser: Session) -> AccessRequest:
        """Receive a callback: check, redeem, seal; the connection then waits for `confirm`.

        Raises PageError 400, 403, 502; TurnedAway when the provider gave no access.
        """
        trip = await self._received(registration, params, browser)
        request = await self._requests.get(trip.request)
        if request.principal != browser.principal:
            raise PageError(403, "This is not your link", "It was made for somebody else.")
        self._still_open(request)
        connector = self._tool(request).connector
        redirect_uri = self._connections.flows.redirect_uri(registration)
        asked = frozenset(trip.luggage["scopes"])
        await self._connections.connecting.arrive(trip, request.principal, connector, asked, redirect_uri)
        return request

    async def _received(self, registration: str, params: Params, browser: Session) -> Trip:
        """Check a callback; one that brings nothing is in the audit, with the browser it came through."""
        issuers = {name: getattr(c.auth, "issuer", None) for name, c in self._catalog.connectors.items()}
        try:
            return await self._connections.flows.receive(registration, params, browser.id, issuers)
        except PageError as refused:
            facts = {"registration": registration[:63], "session": browser.id, "status": refused.status}
            if isinstance(refused, TurnedAway):
                facts |= {"request": refused.request, "error": refused.code}
            event = AuditEvent("callback.refused", "person", browser.principal, None, facts)
            await self._audit.note(event)
            raise

    async def confirming(self, request: AccessRequest) -> Waiting:
        """Return the new connection's account, and whether it is the one that was to be renewed."""
        waiting = await self._connections.connecting.confirming(request.id, request.principal)
        about = await self._about(request)
        pinned = about is not None and about.account is not None
        differs = about.label if about and pinned and about.account != waiting.connection.account else None
        connecting = self._connections.connecting
        renews = await connecting.replaced(self._store, waiting.connection, request.connection) is not None
        connector = self._tool(request).connector
        return Waiting(await self._agent(request), connector, waiting.connection.label, differs, renews)

    async def confirm(self, request: AccessRequest) -> Connection:
        """The person says the account is theirs: connection and grant count from here.

        Raises PageError 404, 409.
        """
        self._still_open(request)
        waiting = await self._connections.connecting.confirming(request.id, request.principal)
        asked = self._tool(request)
        given = self._given(asked, frozenset(waiting.luggage["tools"]), waiting.luggage["lasts"])
        async with self._store.transaction() as tx:
            await self._requests.settle(tx, request, "met")
            connection = await self._connections.connecting.settle(tx, waiting.connection, request.connection)
            await self._grants.give(tx, request.principal, request.actor, [connection.id], given)
        self._requests.announce(request)
        return connection

    async def reject(self, request: AccessRequest) -> None:
        """The person says it is not the account they meant: it is given back, and they can try again."""
        waiting = await self._connections.connecting.confirming(request.id, request.principal)
        await self._connections.revocation.revoke(waiting.connection, "person")

    def _tool(self, request: AccessRequest) -> Tool:
        try:
            return self._catalog.tool(request.tool)
        except CallError:
            raise PageError(404, "There is nothing here", "This tool is no longer offered.") from None

    async def _agent(self, request: AccessRequest) -> str:
        agent = await self._agents.get(self._store, request.actor)
        return agent.name if agent else request.actor

    async def _about(self, request: AccessRequest) -> Connection | None:
        """The connection a request is about, unless its person has ended it since."""
        rows = self._connections.rows
        found = await rows.get(self._store, request.connection) if request.connection else None
        if found is None or found.state is ConnectionState.REVOKED:
            return None
        return await rows.labelled(self._store, found)

    def _still_open(self, request: AccessRequest) -> None:
        if request.state != "open":
            raise PageError(
                409, "Too late", "This request was answered already, or its ten minutes are over."
            )

    def _given(self, asked: Tool, tools: frozenset[str], lasts: int | None) -> Given:
        offered = frozenset(asked.connector.tools[name].name for name in asked.connector.tools)
        if not tools or not tools <= offered or lasts not in LASTS.values():
            raise PageError(400, "Choose again", "Tick at least one tool, and pick for how long.")
        return Given(tools, frozenset({asked.name}) - tools, lasts)

    def _trip(
        self, request: AccessRequest, about: Connection, connector: Connector, tools: frozenset[str]
    ) -> bool:
        """Whether the provider has to be visited, or a grant is all that is missing."""
        if request.outcome is Outcome.RECONNECT or about.state is not ConnectionState.CONNECTED:
            return True
        return not self._needed(connector, tools) <= connector.satisfied(about.scopes)

    def _needed(self, connector: Connector, tools: frozenset[str]) -> frozenset[str]:
        return frozenset(s for tool in connector.tools.values() if tool.name in tools for s in tool.scopes)

    def _scopes(
        self, connector: Connector, tools: frozenset[str], about: Connection | None
    ) -> frozenset[str]:
        """What to ask for: the ticked tools' scopes, and those the connection being renewed has."""
        kept = about.scopes if about else frozenset()
        return connector.to_ask(self._needed(connector, tools) | kept)

    async def _registration(self, connector: Connector) -> Registration:
        try:
            return await self._connections.registrations.for_connector(self._store, connector)
        except CallError:
            text = f"The operator has to register a client at {connector.title}'s provider first."
            raise PageError(503, "Not set up yet", text) from None

    def _authorize_origin(self, connector: Connector) -> str:
        url = self._egress.reroute(connector.auth.authorize_url)  # type: ignore[union-attr]  # OAuth 2 alone so far
        scheme, _, rest = url.partition("://")
        return f"{scheme}://{rest.partition('/')[0]}"
