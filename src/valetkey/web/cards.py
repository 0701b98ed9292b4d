"""What *My agents* shows of each agent: values for the page, and where they come from."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from valetkey.audit.history import last_call
from valetkey.connections import Connections
from valetkey.grants import Grants
from valetkey.manifest import Catalog
from valetkey.model import Connection, ConnectionState, Grant, Principal
from valetkey.pages import plain
from valetkey.people import Agents, Session, Sessions
from valetkey.store import Reads
from valetkey.web.groups import Group, grouped
from valetkey.web.words import Words

USABLE = (ConnectionState.CONNECTED, ConnectionState.NEEDS_REAUTH)


@dataclass(frozen=True, slots=True)
class Account:
    """A connection as these pages show it."""

    id: str
    connector: str
    title: str
    label: str


@dataclass(frozen=True, slots=True)
class Sheet:
    """A grant in words. `accounts` is empty where none of them is connected any more."""

    grant: Grant
    allowed: list[str]
    refused: list[str]
    accounts: list[Account]

    @property
    def left(self) -> int | None:
        """How many calls it is still good for; None: any number."""
        return None if self.grant.uses is None else self.grant.uses - self.grant.used


@dataclass(frozen=True, slots=True)
class Card:
    """An agent. `hidden` are tools that were refused it; `used` is when it last called, if it ever did."""

    group: Group
    sheets: list[Sheet]
    hidden: list[str]
    used: int | None
    signed_in: int


class Cards:
    """Reads what a person's agents may do."""

    def __init__(
        self,
        db: Reads,
        catalog: Catalog,
        agents: Agents,
        connections: Connections,
        grants: Grants,
        sessions: Sessions,
    ) -> None:
        self._db, self._catalog, self._agents = db, catalog, agents
        self._rows, self._grants, self._sessions = connections.rows, grants, sessions
        self.words = Words(catalog)

    async def of(self, principal: Principal) -> list[Card]:
        """Return each agent that may do something for a principal, or is signed in as theirs, once."""
        grants = await self._grants.of(principal)
        sessions = [one for one in await self._sessions.of(self._db, principal) if one.actor]
        accounts = await self.accounts(principal)
        ids = [grant.actor for grant in grants] + [one.actor for one in sessions if one.actor]
        groups = await grouped(self._db, self._agents, ids)
        return [await self._card(principal, group, grants, sessions, accounts) for group in groups]

    async def accounts(self, principal: Principal) -> dict[str, Account]:
        """A principal's connections that work or could again, by id."""
        rows = await self._rows.of(principal)
        return {one.id: self._account(one) for one in rows if one.state in USABLE}

    async def every_account(self, principal: Principal) -> dict[str, Account]:
        """All connections that a principal ever had, by id: their labels are kept with the record."""
        return {one.id: self._account(one) for one in await self._rows.of(principal)}

    async def sheet(self, principal: Principal, grant_id: str) -> tuple[Group, Sheet] | None:
        """Return one live grant of a principal, and whose it is; None for any other id."""
        found = [grant for grant in await self._grants.of(principal) if grant.id == grant_id]
        if not found:
            return None
        (group,) = await grouped(self._db, self._agents, [found[0].actor])
        return group, self._sheet(found[0], await self.accounts(principal))

    async def _card(
        self,
        principal: Principal,
        group: Group,
        grants: Iterable[Grant],
        sessions: Iterable[Session],
        accounts: Mapping[str, Account],
    ) -> Card:
        used = [await last_call(self._db, principal, one) for one in group.ids]
        return Card(
            group=group,
            sheets=[self._sheet(grant, accounts) for grant in grants if grant.actor in group.ids],
            hidden=await self._hidden(principal, group),
            used=max((at for at in used if at is not None), default=None),
            signed_in=sum(session.actor in group.ids for session in sessions),
        )

    def _sheet(self, grant: Grant, accounts: Mapping[str, Account]) -> Sheet:
        return Sheet(
            grant=grant,
            allowed=self.words.within(grant.tools - grant.refused),
            refused=self.words.within(grant.refused),
            accounts=[accounts[one] for one in sorted(grant.connections & accounts.keys())],
        )

    async def _hidden(self, principal: Principal, group: Group) -> list[str]:
        """What every registration of an agent is refused."""
        tools = self._catalog.tools
        each = [await self._grants.refused(principal, one, tools) for one in group.ids]
        return [self.words.tool(name) for name in sorted(frozenset.intersection(*each))]

    def _account(self, one: Connection) -> Account:
        label = plain(one.label) if one.label else "an account without a name"
        return Account(one.id, one.connector, self.words.connector(one.connector), label)
