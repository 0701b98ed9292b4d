"""/mine/history: what a person's agents did, and what they did themselves. Nobody else's records are read."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import groupby
from urllib.parse import urlencode

from starlette.responses import Response
from starlette.routing import Route

from valetkey.audit.history import Page, acted, page
from valetkey.audit.read import AuditRecord
from valetkey.model import Json
from valetkey.pages import Pages, plain
from valetkey.pages.words import day
from valetkey.people import Agents
from valetkey.store import Store
from valetkey.vault import Vault
from valetkey.web.cards import Account, Cards
from valetkey.web.groups import Group, grouped
from valetkey.web.own import Own, OwnPages, nothing
from valetkey.web.told import KINDS, UNTOLD, act, ending

YOU = "you"
"""In place of an agent: what the person did themselves."""

_LONGEST = 600


@dataclass(frozen=True, slots=True)
class _Entry:
    """A record as the page shows it. `about` says more of what was not a call: which tools were allowed."""

    at: int
    who: str
    by_agent: bool
    what: str
    about: str
    account: str
    kind: str
    ended: str
    arguments: list[tuple[str, str]]
    withheld: bool


class History:
    """Shows the record a page at a time, by agent and by how it ended."""

    def __init__(self, own: OwnPages, store: Store, vault: Vault, agents: Agents, cards: Cards) -> None:
        self._own, self._store, self._vault = own, store, vault
        self._agents, self._cards = agents, cards

    def routes(self, pages: Pages) -> list[Route]:
        return [self._own.route(pages, "/mine/history", get=self._show)]

    async def _show(self, own: Own) -> Response:
        groups = await grouped(self._store, self._agents, await acted(self._store, own.principal))
        agent, ended = own.asked("agent"), own.asked("ended")
        fits = _fits(agent, ended, groups)
        if fits is None:
            raise nothing()
        before = own.asked("before") or None
        found = await page(self._store, self._vault, own.principal, fits, before=before)
        if found is None:
            raise nothing()
        chosen = {name: value for name, value in (("agent", agent), ("ended", ended)) if value}
        return own.page(
            "history.html",
            days=_by_day(await self._entries(own, found, groups)),
            groups=groups,
            kinds=KINDS,
            you=YOU,
            agent=agent,
            ended=ended,
            older=f"?{urlencode({**chosen, 'before': found.before})}" if found.before else "",
            newest=f"?{urlencode(chosen)}" if before else "",
        )

    async def _entries(self, own: Own, found: Page, groups: list[Group]) -> list[_Entry]:
        names = {one: group.name for group in groups for one in group.ids}
        accounts = await self._cards.every_account(own.principal)
        return [self._entry(record, names, accounts) for record in found.records]

    def _entry(
        self, record: AuditRecord, names: Mapping[str, str], accounts: Mapping[str, Account]
    ) -> _Entry:
        agent = names.get(record.actor.client, "") if record.actor else ""
        account = accounts.get(record.connection or "")
        kind, ended = ending(record) if record.kind == "call" else ("", "")
        return _Entry(
            at=record.at,
            who={"agent": agent, "person": "You", "operator": "The operator"}.get(record.by, "Valetkey"),
            by_agent=record.by == "agent",
            what=self._what(record, agent, account),
            about=", ".join(self._cards.words.entry(str(one)) for one in _names(record.details.get("tools"))),
            account=account.label if account else "",
            kind=kind,
            ended=ended,
            arguments=_arguments(record.arguments),
            withheld=record.withheld,
        )

    def _what(self, record: AuditRecord, agent: str, account: Account | None) -> str:
        if record.kind == "call":
            return self._cards.words.tool(record.tool or "")
        connector = self._cards.words.connector(str(record.details.get("connector") or ""))
        at_provider = str(record.details.get("at_provider") or "")
        return act(record.kind, agent, account.title if account else connector, at_provider)


def _fits(agent: str, ended: str, groups: list[Group]) -> Callable[[AuditRecord], bool] | None:
    """Which records are wanted; None for an agent or an ending that there is not."""
    ids = next((set(group.ids) for group in groups if agent == group.key), set())
    if (agent and agent != YOU and not ids) or (ended and ended not in KINDS):
        return None

    def fits(record: AuditRecord) -> bool:
        by_agent = record.by == "agent"
        if record.kind in UNTOLD or (agent == YOU and by_agent):
            return False
        if ids and not (by_agent and record.actor and record.actor.client in ids):
            return False
        return not ended or (record.kind == "call" and ending(record)[0] == ended)

    return fits


def _by_day(entries: list[_Entry]) -> list[tuple[str, list[_Entry]]]:
    return [(said, list(found)) for said, found in groupby(entries, key=lambda entry: day(entry.at))]


def _names(tools: Json) -> list[Json]:
    return tools if isinstance(tools, list) else []


def _arguments(arguments: Json) -> list[tuple[str, str]]:
    if not isinstance(arguments, Mapping):
        return []
    return [(plain(str(name)), _shown(value)) for name, value in arguments.items()]


def _shown(value: Json) -> str:
    if value == "***":
        return "not kept: the connector counts this as private"
    text = ", ".join(map(str, value)) if isinstance(value, list) else str(value)
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}…"
