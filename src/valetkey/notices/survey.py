"""How this installation stands, line by line: what is well, what needs somebody, and what to do about it.

`valetkey status` and the operator's summary read the same lines. Nothing is changed by looking.
"""

import shutil
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

from valetkey.audit.outside import head_problem
from valetkey.connections import Connections
from valetkey.errors import IntegrityError
from valetkey.manifest import Catalog
from valetkey.model import DAY, Clock, ConnectionState, Json
from valetkey.notices.noticing import AHEAD
from valetkey.notices.outbox import Outbox
from valetkey.settings import Settings
from valetkey.store import Store
from valetkey.store.leases import Leases
from valetkey.vault import KeyRing
from valetkey.vault.rotation import KekState

OK, NOTE, WARN, FAIL = "ok", "note", "warn", "fail"
_LATELY = 7 * DAY
_LITTLE, _NONE = 1 << 30, 100 << 20
"""Bytes of disk below which it is said, and below which little more is written."""


@dataclass(frozen=True, slots=True)
class Line:
    """One line. `level`: ok, note (it sees to itself), warn or fail (somebody has to do something).

    `which` tells this from the same another time: while it stays the same, the operator is told once.
    `urgent`: at once, not with the day's summary. `counts` are figures for a program.
    """

    about: str
    level: str
    text: str
    to_do: str = ""
    which: str = ""
    urgent: bool = False
    counts: Mapping[str, Json] = field(default_factory=dict)

    @property
    def needs_somebody(self) -> bool:
        return self.level in {WARN, FAIL}

    def as_json(self) -> dict[str, Json]:
        return asdict(self)


class Survey:
    """Looks at everything there is. `asleep`: why this copy of the store does not act; `pages`: the server's
    lease; `head`: the file of the audit's head outside the store."""

    def __init__(
        self,
        settings: Settings,
        store: Store,
        leases: Leases,
        keys: KeyRing,
        catalog: Catalog,
        outbox: Outbox,
        clock: Clock,
        connections: Connections,
        *,
        asleep: Callable[[], str | None],
        pages: str,
        head: Path,
    ) -> None:
        self._settings, self._store, self._leases, self._keys = settings, store, leases, keys
        self._catalog, self._connections, self._outbox = catalog, connections, outbox
        self._clock, self._asleep, self._pages, self._head = clock, asleep, pages, head

    async def lines(self) -> list[Line]:
        """Return every line, the same ones in the same order each time."""
        looks: Sequence[Callable[[], Awaitable[list[Line]]]] = (
            self._connections_by_state,
            self._expiring,
            self._failing,
            self._registrations,
            self._server,
            self._give_backs,
            self._key,
            self._stored,
            self._audit,
            self._notices,
            self._disk,
        )
        return [line for look in looks for line in await look()]

    async def by_state(self) -> dict[str, int]:
        """How many connections there are in each state."""
        rows = await self._store.all("SELECT state, COUNT(*) AS n FROM connections GROUP BY state")
        found = {row["state"]: row["n"] for row in rows}
        return {str(state): found.get(state, 0) for state in ConnectionState}

    async def _connections_by_state(self) -> list[Line]:
        counts = await self.by_state()
        ended = counts["needs_reauth"]
        live = f"{counts['connected']} connected"
        if not ended:
            return [Line("connections", OK, live, counts=counts)]
        last = await self._store.one(
            "SELECT MAX(changed) AS at FROM connections WHERE state = 'needs_reauth'"
        )
        text = f"{live}; of {ended} the person has to reconnect: {await self._whose()}"
        to_do = "their people do that at /mine; `valetkey connections list` says whose they are"
        return [Line("connections", WARN, text, to_do, str(last and last["at"]), counts=counts)]

    async def _whose(self) -> str:
        rows = await self._store.all(_WAITING)
        return ", ".join(f"{row['n']} {row['connector']}" for row in rows)

    async def _expiring(self) -> list[Line]:
        now = self._clock.now()
        rows = await self._store.all(_ENDING, now + AHEAD[0])
        if not rows:
            return [Line("expiry", OK, "no connection ends within 14 days", counts={"expiring": 0})]
        connectors = sorted({row["connector"] for row in rows})
        days = max(0, (min(row["ends_at"] for row in rows) - now) // DAY)
        text = f"{len(rows)} end within 14 days, the first in {days}: {', '.join(connectors)}"
        to_do = "their people reconnect at /mine; they are told 14 and 3 days before, if they gave an address"
        which = max(row["id"] for row in rows)
        return [Line("expiry", WARN, text, to_do, which, counts={"expiring": len(rows)})]

    async def _failing(self) -> list[Line]:
        """Renewing goes wrong, and goes on being tried."""
        counts: dict[str, int] = {}
        for row in await self._store.all(_FAILING):
            provider = self._provider(row["connector"])
            counts[provider] = counts.get(provider, 0) + row["n"]
        if not counts:
            return [Line("refresh", OK, "every token set was renewed when it was due", counts={})]
        to_do = "it goes on by itself; if the provider is well, `valetkey doctor` and the log say more"
        return [
            Line("refresh", WARN, f"{provider} fails for {n}", to_do, provider, counts={provider: n})
            for provider, n in sorted(counts.items())
        ]

    def _provider(self, connector: str) -> str:
        found = self._catalog.connectors.get(connector)
        return found.provider if found else connector

    async def _registrations(self) -> list[Line]:
        registrations = self._connections.registrations
        refused = await registrations.refusals(self._store)
        if not refused:
            return [Line("registrations", OK, "no provider refuses one")]
        return [
            Line(
                "registrations",
                FAIL,
                f"{name}: the provider does not take it ({last.error})",
                f"look at it at the provider; `valetkey registrations remove {name}` and add it again",
                name,
                urgent=True,
            )
            for name, last in sorted(refused.items())
        ]

    async def _server(self) -> list[Line]:
        """Whether somebody does what happens by itself."""
        if await self._leases.held("jobs"):
            return [Line("jobs", OK, "a process of this store does them")]
        if await self._leases.held(self._pages):
            text = "a server runs, and no process does what happens by itself"
            return [Line("jobs", FAIL, text, "look at its log; restart it")]
        if await self._store.one("SELECT 1 AS ran FROM meta WHERE key = 'public_url'"):
            text = "no server runs: nothing is renewed ahead, nobody is told anything"
            return [Line("jobs", WARN, text, "`valetkey serve` starts it")]
        return [Line("jobs", OK, "no server has run here yet; `valetkey serve` starts one")]

    async def _give_backs(self) -> list[Line]:
        row = await self._store.one("SELECT COUNT(*) AS n FROM give_backs")
        waiting = row["n"] if row else 0
        if not waiting:
            return [Line("revocation", OK, "every provider was told of what ended", counts={"waiting": 0})]
        text = f"{waiting} ended connections have still to be told to their providers"
        return [
            Line("revocation", NOTE, text, "it is tried for a day, by itself", counts={"waiting": waiting})
        ]

    async def _key(self) -> list[Line]:
        row = await self._store.one(_ACTIVE, self._keys.active)
        if row is None:
            return [Line("key", FAIL, "the active key is gone", "restore a backup", "gone", urgent=True)]
        active = KekState(row["id"], row["state"], row["created"], None, records=0, wraps=row["wraps"])
        now = self._clock.now()
        counts = {"days": max(0, now - active.created) // DAY, "wraps": active.wraps}
        if because := active.rotate_because(now):
            return [Line("key", WARN, because, "`valetkey keys rotate`", active.id, counts=counts)]
        return [Line("key", OK, f"the active one is {counts['days']} days old", counts=counts)]

    async def _stored(self) -> list[Line]:
        kind = "PostgreSQL" if self._settings.store else "SQLite"
        schema = await self._store.one("SELECT value FROM meta WHERE key = 'schema'")
        text = f"{kind}, schema {schema['value'] if schema else '?'}"
        if why := self._asleep():
            to_do = "`valetkey store status` says more, and `valetkey store activate` makes it the live one"
            return [Line("store", FAIL, f"{text}; it acts for nobody: {why}", to_do, why, urgent=True)]
        return [Line("store", OK, text)]

    async def _audit(self) -> list[Line]:
        to_do = "`valetkey audit verify` says what is missing or changed"
        try:
            wrong = await head_problem(self._store, self._keys, self._head)
        except IntegrityError as error:
            wrong = str(error)
        if wrong:
            return [Line("audit", FAIL, wrong, to_do, "head", urgent=True)]
        row = await self._store.one(_INTEGRITY, self._clock.now() - _LATELY)
        if row and row["n"]:
            text = f"{row['n']} records were found changed behind our back within a week"
            return [Line("audit", FAIL, text, to_do, str(row["seq"]), urgent=True)]
        return [Line("audit", OK, "it holds the head that was signed outside the store")]

    async def _notices(self) -> list[Line]:
        settings = self._settings.notify
        if not settings.ways_to_operator and not settings.ways_to_people:
            return [Line("notices", NOTE, "nobody is told anything: [notify] in valetkey.toml says how")]
        backlog = await self._outbox.backlog(self._store)
        counts = asdict(backlog)
        if not backlog.given_up and not backlog.failing:
            return [Line("notices", OK, f"{backlog.waiting} wait to be sent", counts=counts)]
        text = (
            f"{backlog.failing} cannot be delivered yet, {backlog.given_up} were given up: {backlog.problem}"
        )
        return [Line("notices", WARN, text, "`valetkey notify test` tries it", "delivery", counts=counts)]

    async def _disk(self) -> list[Line]:
        free = shutil.disk_usage(self._settings.home).free
        text, counts = f"{free / (1 << 30):.1f} GB free beside {self._settings.home}", {"free": free}
        if free >= _LITTLE:
            return [Line("disk", OK, text, counts=counts)]
        level = WARN if free >= _NONE else FAIL
        return [
            Line(
                "disk",
                level,
                text,
                "make room: on a full disk calls are refused",
                level,
                level == FAIL,
                counts,
            )
        ]


_ACTIVE = "SELECT id, state, created, wraps FROM keks WHERE id = $1"
_WAITING = """
SELECT connector, COUNT(*) AS n FROM connections WHERE state = 'needs_reauth'
GROUP BY connector ORDER BY connector"""
_ENDING = """
SELECT c.id, c.connector, t.ends_at FROM token_sets t JOIN connections c ON c.token_set = t.id
WHERE t.ends_at <= $1 AND t.dead IS NULL AND c.state = 'connected'"""
_FAILING = """
SELECT c.connector, COUNT(*) AS n FROM token_sets t JOIN connections c ON c.token_set = t.id
WHERE t.failing IS NOT NULL AND t.dead IS NULL AND c.state = 'connected' GROUP BY c.connector"""
_INTEGRITY = "SELECT COUNT(*) AS n, MAX(seq) AS seq FROM audit WHERE kind = 'integrity' AND at >= $1"
