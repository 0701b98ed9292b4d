"""A person's own page: which agents may do what, what is connected, and the end of either.

To withdraw something takes no password; to allow something is done elsewhere, and does.
"""

from dataclasses import dataclass

from starlette.responses import Response
from starlette.routing import Route

from valetkey.connections import Connections
from valetkey.errors import CallError, PageError, UsageError
from valetkey.grants import Grants
from valetkey.manifest import Catalog
from valetkey.model import Connection, ConnectionState, Grant, Principal
from valetkey.pages import EFFECTS, Form, Pages, Visit, tool_title
from valetkey.pages.returning import sign_in_first
from valetkey.people import Accounts, Agents
from valetkey.store import Store
from valetkey.web.browsers import Browsers

_LISTED = (ConnectionState.CONNECTED, ConnectionState.NEEDS_REAUTH)


@dataclass(frozen=True, slots=True)
class _Account:
    """A connection as the page shows it."""

    id: str
    title: str
    label: str
    since: int
    works: bool
    pasted: bool


@dataclass(frozen=True, slots=True)
class _Allowed:
    """A grant as the page shows it: the tools in words, and the accounts they are for."""

    id: str
    agent: str
    tools: list[str]
    accounts: list[_Account]
    until: int | None


class Mine:
    """Shows a person what is theirs, and ends it."""

    def __init__(
        self,
        store: Store,
        catalog: Catalog,
        accounts: Accounts,
        agents: Agents,
        connections: Connections,
        grants: Grants,
        browsers: Browsers,
    ) -> None:
        self._store, self._catalog, self._accounts, self._agents = store, catalog, accounts, agents
        self._connections, self._grants, self._browsers = connections, grants, browsers

    def routes(self, pages: Pages) -> list[Route]:
        return [
            pages.route("/", get=_home),
            pages.route("/mine", get=self._show),
            pages.route("/mine/connections/{id}/revoke", post=self._disconnect),
            pages.route("/mine/grants/{id}/revoke", post=self._revoke),
            pages.route("/mine/browsers/end", post=self._sign_out_everywhere),
        ]

    async def _show(self, visit: Visit) -> Response:
        if visit.session is None:
            return sign_in_first(visit, "/mine")
        principal = visit.session.principal
        connections = await self._connections.rows.of(principal)
        accounts = {one.id: self._account(one) for one in connections if one.state in _LISTED}
        person = await self._accounts.get(self._store, principal)
        return visit.page(
            "mine.html",
            name=person.name,
            accounts=list(accounts.values()),
            allowed=[await self._allowed(grant, accounts) for grant in await self._grants.of(principal)],
        )

    async def _disconnect(self, visit: Visit, form: Form) -> Response:
        principal = _present(visit)
        connection = await self._connections.rows.get(self._store, visit.request.path_params["id"])
        if connection is None or connection.principal != principal or connection.state not in _LISTED:
            raise _nothing()
        revoked = await self._connections.revocation.revoke(connection, "person")
        return _done(visit, f"{self._title(connection.connector)} is disconnected", revoked.told)

    async def _revoke(self, visit: Visit, form: Form) -> Response:
        principal = _present(visit)
        try:
            grant = await self._grants.revoke(principal, visit.request.path_params["id"])
        except UsageError:
            raise _nothing() from None
        agent = await self._agent(grant)
        return _done(visit, f"{agent} may no longer do this", "It is refused from its next call on.")

    async def _sign_out_everywhere(self, visit: Visit, form: Form) -> Response:
        return await self._browsers.end_all(visit, _present(visit))

    async def _allowed(self, grant: Grant, accounts: dict[str, _Account]) -> _Allowed:
        tools = sorted(self._words(name) for name in grant.tools)
        live = [accounts[one] for one in sorted(grant.connections & accounts.keys())]
        return _Allowed(grant.id, await self._agent(grant), tools, live, grant.until)

    async def _agent(self, grant: Grant) -> str:
        agent = await self._agents.get(self._store, grant.actor)
        return agent.name if agent else grant.actor

    def _account(self, connection: Connection) -> _Account:
        return _Account(
            id=connection.id,
            title=self._title(connection.connector),
            label=connection.label or "an account without a name",
            since=_made(connection.id),
            works=connection.state is ConnectionState.CONNECTED,
            pasted=connection.registration is None,
        )

    def _title(self, name: str) -> str:
        connector = self._catalog.connectors.get(name)
        return connector.title if connector else name

    def _words(self, entry: str) -> str:
        """Say in words what one entry of a grant allows: a tool, all of a connector, or one effect there."""
        connector, _, effect = entry.removesuffix(".*").partition(":")
        if entry.endswith(".*"):
            return f"everything in {self._title(connector)} but what deletes"
        if effect:
            return f"everything in {self._title(connector)} that {EFFECTS[effect]}"
        try:
            return tool_title(self._catalog.tool(entry))
        except CallError:
            return entry


def _present(visit: Visit) -> Principal:
    """Raises PageError 403."""
    if visit.session is None:
        raise PageError(403, "You are not signed in", "Sign in, and try again.")
    return visit.session.principal


def _made(connection_id: str) -> int:
    """When a connection was made: a UUIDv7 begins with its time (RFC 9562 section 5.7)."""
    return int(connection_id.partition("_")[2][:12], 16)


def _done(visit: Visit, title: str, text: str) -> Response:
    return visit.page("ended.html", drawing="check", title=title, text=text)


def _nothing() -> PageError:
    text = "It may have ended already, or it is not yours."
    return PageError(404, "There is nothing here", text)


async def _home(visit: Visit) -> Response:
    return visit.see("/mine")
