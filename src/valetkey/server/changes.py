"""Telling clients that their list of tools changed, and ending those that have ended, in both eras.

The audit is the feed, whichever process wrote it: what changes a list (a grant, a connection, an agent's
switch) is a fact there, and so is what ends a caller. Only the clients of the person and the agent that it
is about are told. What ends by the clock is no fact anywhere, and is looked for.
"""

import itertools
import logging
from collections.abc import Iterable, Sequence
from weakref import WeakKeyDictionary, WeakSet, WeakValueDictionary

import anyio
import mcp_types as types
from anyio.abc import TaskGroup
from mcp.server.connection import Connection
from mcp.server.context import CallNext, HandlerResult
from mcp.server.subscriptions import InMemorySubscriptionBus, ListenHandler
from mcp.shared.exceptions import MCPError
from mcp.shared.subscriptions import ToolsListChanged
from mcp_types.version import MODERN_PROTOCOL_VERSIONS

from valetkey.errors import StoreError
from valetkey.model import Caller, Clock, Principal
from valetkey.server.callers import Callers
from valetkey.server.elicit import Context
from valetkey.server.presences import Presences, Whose, concerns
from valetkey.store import Row, Store

_log = logging.getLogger(__name__)
EVERY_SECONDS = 0.5
_LOOKS = 20
"""After so many looks everybody who is present is looked at: their time may be over."""

MOST_STREAMS = 50
"""How many streams the clients of one caller may hold open, so that one cannot use up everybody's."""

_CHANGED = "notifications/tools/list_changed"
_KINDS = (
    "grant.given",
    "grant.narrowed",
    "grant.extended",
    "grant.revoked",
    "connection.connected",
    "connection.needs_reauth",
    "connection.revoked",
)
_OF_AGENTS = ("agent.suspended", "agent.resumed", "agent.removed")
"""These are about an agent, whoever it acts for."""

_ENDING = (
    "session.ended",
    "token.revoked",
    "client.code_reused",
    "client.refresh_reused",
    "grant.revoked",
    "agent.stopped",
    "agent.suspended",
    "agent.removed",
)
"""What may have ended somebody: their session is then read, and not what the event says of it."""

_Ours = tuple[Principal, str]


class Listeners:
    """Everybody who wants to hear of changes: streams of the modern era, connections of the legacy one."""

    def __init__(self) -> None:
        self._handlers: WeakValueDictionary[_Ours, ListenHandler] = WeakValueDictionary()
        self._buses: WeakKeyDictionary[ListenHandler, InMemorySubscriptionBus] = WeakKeyDictionary()
        self._connections: dict[_Ours, WeakSet[Connection]] = {}

    def handler(self, caller: Caller) -> ListenHandler:
        """The one handler of a caller's streams; it goes when the last of them ends."""
        handler = self._handlers.get(_ours(caller))
        if handler is None:
            bus = InMemorySubscriptionBus()
            handler = self._handlers[_ours(caller)] = ListenHandler(bus, max_subscriptions=MOST_STREAMS)
            self._buses[handler] = bus
        return handler

    def remember(self, caller: Caller, connection: Connection) -> None:
        """Keep a legacy connection for as long as the SDK does."""
        self._connections.setdefault(_ours(caller), WeakSet()).add(connection)

    async def tell(self, whose: Iterable[Whose]) -> None:
        """Say to some callers' clients that the list changed; a client that is gone is passed over."""
        changed = set(whose)
        for ours in {*self._handlers, *self._connections}:
            if any(concerns(ours, one) for one in changed):
                await self._tell(ours)

    def anybody(self) -> bool:
        """Whether there is anybody to tell; forgets callers whose connections have all gone."""
        self._connections = {who: those for who, those in self._connections.items() if those}
        return bool(self._handlers or self._connections)

    async def _tell(self, ours: _Ours) -> None:
        if handler := self._handlers.get(ours):
            await self._buses[handler].publish(ToolsListChanged())
        for connection in list(self._connections.get(ours, ())):
            await connection.notify(_CHANGED, None)


def _ours(caller: Caller) -> _Ours:
    return caller.principal, caller.actor.client


class Changes:
    """Watches the audit. `run` it in one task for all endpoints of a process; `presences` are all theirs."""

    def __init__(self, store: Store, clock: Clock) -> None:
        self._store, self._clock, self._listeners = store, clock, Listeners()
        self.presences = Presences()

    def of(self, callers: Callers) -> "CallersChanges":
        """The changes as the server of one transport takes part in them."""
        return CallersChanges(self._listeners, self.presences, callers)

    async def run(self) -> None:
        """Look every half second, while anybody is there, until cancelled."""
        seen, then = await self._head(), self._clock.now()
        async with anyio.create_task_group() as tasks:
            for look in itertools.count(1):
                await anyio.sleep(EVERY_SECONDS)
                now = self._clock.now()
                try:
                    seen = await self._round(seen, then, now, tasks)
                except StoreError as error:  # the next look sees what this one did not
                    _log.warning("whether anything changed could not be told: %s", error)
                    continue
                if look % _LOOKS == 0:
                    self.presences.look(tasks)
                then = now

    async def _round(self, seen: int, then: int, now: int, tasks: TaskGroup) -> int:
        if not self._listeners.anybody() and not self.presences:
            return await self._head()
        seen = await self._look(seen, tasks)
        await self._listeners.tell(await self._ended(then, now))
        return seen

    async def _look(self, seen: int, tasks: TaskGroup) -> int:
        """Look at the events since; what was looked through is not looked through again."""
        head = await self._head()
        rows = await self._store.all(_CHANGES, seen, head, *_WATCHED)
        await self._listeners.tell(_of_kinds(rows, (*_KINDS, *_OF_AGENTS)))
        self.presences.look(tasks, _of_kinds(rows, _ENDING))
        return int(rows[-1]["seq"]) if len(rows) == _MOST else head

    async def _ended(self, then: int, now: int) -> list[Whose]:
        """Those who are refused something and of whose grants one ended: the refusal, or what undid it."""
        return [_whose(row) for row in await self._store.all(_ENDED, then, now)]

    async def _head(self) -> int:
        row = await self._store.one("SELECT max(seq) AS seq FROM audit")
        return int(row["seq"] or 0) if row else 0


def _whose(row: Row) -> Whose:
    if row["issuer"] is None or row["kind"] in _OF_AGENTS:
        return None, row["actor"]
    return Principal(row["issuer"], row["subject"]), row["actor"]


def _of_kinds(rows: Iterable[Row], kinds: Sequence[str]) -> set[Whose]:
    return {_whose(row) for row in rows if row["kind"] in kinds}


class CallersChanges:
    """What a server is given: its handler of `subscriptions/listen`, and a middleware."""

    def __init__(self, listeners: Listeners, presences: Presences, callers: Callers) -> None:
        self._listeners, self._presences, self._callers = listeners, presences, callers

    async def listen(
        self, ctx: Context, params: types.SubscriptionsListenRequestParams
    ) -> types.SubscriptionsListenResult:
        """Serve one stream of the modern era, to nobody who is not to have one."""
        caller = self._callers.known()
        if not await self._callers.stands(caller):
            raise MCPError(code=types.INVALID_REQUEST, message="this agent is suspended, or its session over")
        return await self._listeners.handler(caller)(ctx, params)

    async def __call__(self, ctx: Context, call_next: CallNext) -> HandlerResult:
        """What takes a while is ended with its caller.

        Who lists tools over a legacy connection is remembered: those are told when the list changes.
        """
        if ctx.method in _LASTING:
            with self._presences.during(self._callers.known(), self._callers.stands):
                return await call_next(ctx)
        if ctx.method == "tools/list" and ctx.protocol_version not in MODERN_PROTOCOL_VERSIONS:
            caller = await self._callers.current()
            self._listeners.remember(caller, ctx.session._connection)  # noqa: SLF001 - the SDK has no other handle
        return await call_next(ctx)


_MOST = 1_000
_LASTING = ("tools/call", "subscriptions/listen")
_WATCHED = tuple(dict.fromkeys((*_KINDS, *_OF_AGENTS, *_ENDING)))
_CHANGES = f"""
SELECT seq, kind, issuer, subject, actor FROM audit
WHERE seq > $1 AND seq <= $2 AND kind IN ({", ".join(f"${n}" for n in range(3, len(_WATCHED) + 3))})
ORDER BY seq LIMIT {_MOST}"""  # noqa: S608 - placeholders only
_ENDED = """
SELECT DISTINCT 'grant.ended' AS kind, g.issuer, g.subject, g.actor FROM grants g
WHERE g.until > $1 AND g.until <= $2 AND g.revoked IS NULL AND EXISTS (
  SELECT 1 FROM grants r WHERE r.issuer = g.issuer AND r.subject = g.subject AND r.actor = g.actor
  AND r.refused <> '[]' AND r.revoked IS NULL)"""
