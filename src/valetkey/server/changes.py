"""Telling clients that their list of tools changed, in both eras, whichever process made the change.

The audit is the feed: what changes a list (a grant, a connection, an agent's switch) is a fact there. Only
the clients of the person and the agent that it is about are told. That a grant ended by the clock is no
fact anywhere; it changes a list only where something is refused, and only there it is looked for.
"""

from collections.abc import Iterable
from weakref import WeakKeyDictionary, WeakSet, WeakValueDictionary

import anyio
import mcp_types as types
from mcp.server.connection import Connection
from mcp.server.context import CallNext, HandlerResult
from mcp.server.subscriptions import InMemorySubscriptionBus, ListenHandler
from mcp.shared.exceptions import MCPError
from mcp.shared.subscriptions import ToolsListChanged
from mcp_types.version import MODERN_PROTOCOL_VERSIONS

from valetkey.errors import Unauthenticated
from valetkey.identity.trusted import PREFIX
from valetkey.model import Caller, Clock, Principal
from valetkey.server.callers import Callers
from valetkey.server.elicit import Context
from valetkey.store import Row, Store

EVERY_SECONDS = 0.5
_ENDED_EVERY_SECONDS, _FOREIGN_EVERY_SECONDS = 1.0, 15.0
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
_OF_AGENTS = ("agent.suspended", "agent.resumed")
"""These are about an agent, whoever it acts for."""

Whose = tuple[Principal | None, str | None]
"""Whose lists changed: a principal's and an actor's; None for those of all."""

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
            if any(_is(ours, one) for one in changed):
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


def _is(ours: _Ours, whose: Whose) -> bool:
    return all(wanted in {None, found} for found, wanted in zip(ours, whose, strict=True))


class Changes:
    """Watches the audit for changes of lists. `run` it in one task for all endpoints of a process."""

    def __init__(self, store: Store, clock: Clock) -> None:
        self._store, self._clock, self._listeners = store, clock, Listeners()

    def of(self, callers: Callers) -> "CallersChanges":
        """The changes as the server of one transport takes part in them."""
        return CallersChanges(self._listeners, callers)

    async def run(self) -> None:
        """Look every half second, while somebody listens, until cancelled."""
        seen, then = await self._head(), self._clock.now()
        while True:
            await anyio.sleep(EVERY_SECONDS)
            now = self._clock.now()
            if self._listeners.anybody():
                seen = await self._look(seen)
                await self._listeners.tell(await self._ended(then, now))
            else:
                seen = await self._head()
            then = now

    async def _look(self, seen: int) -> int:
        rows = await self._store.all(_CHANGES, seen, *_KINDS, *_OF_AGENTS)
        await self._listeners.tell(_whose(row) for row in rows)
        return max([seen, *(int(row["seq"]) for row in rows)])

    async def _ended(self, then: int, now: int) -> list[Whose]:
        """Those who are refused something and of whose grants one ended: the refusal, or what undid it."""
        return [_whose(row) for row in await self._store.all(_ENDED, then, now)]

    async def _head(self) -> int:
        row = await self._store.one("SELECT max(seq) AS seq FROM audit")
        return int(row["seq"] or 0) if row else 0


def _whose(row: Row) -> Whose:
    if row["kind"] in _OF_AGENTS:
        return None, row["actor"]
    return Principal(row["issuer"], row["subject"]), row["actor"]


class CallersChanges:
    """What a server is given: its handler of `subscriptions/listen`, and a middleware for the legacy era."""

    def __init__(self, listeners: Listeners, callers: Callers) -> None:
        self._listeners, self._callers = listeners, callers

    async def listen(
        self, ctx: Context, params: types.SubscriptionsListenRequestParams
    ) -> types.SubscriptionsListenResult:
        """Serve one stream of the modern era, for as long as the session of its token lives."""
        caller = await self._callers.current()
        refused = MCPError(types.INVALID_REQUEST, "this token's session has ended")
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(self._until_ended, caller, tasks.cancel_scope)
            try:
                return await self._listeners.handler(caller)(ctx, params)
            except MCPError as full:  # raised again below, without the group around it
                refused = full
            finally:
                tasks.cancel_scope.cancel()
        raise refused

    async def _until_ended(self, caller: Caller, stream: anyio.CancelScope) -> None:
        """End a stream when its session does. Another issuer may have to be asked each time: not so often."""
        every = _FOREIGN_EVERY_SECONDS if caller.session.startswith(PREFIX) else _ENDED_EVERY_SECONDS
        while not stream.cancel_called:
            await anyio.sleep(every)
            try:
                await self._callers.current()
            except Unauthenticated as ended:
                if ended.status != 503:  # an issuer that cannot be asked has said nothing
                    stream.cancel()

    async def __call__(self, ctx: Context, call_next: CallNext) -> HandlerResult:
        """Remember who lists tools over a legacy connection: those are told when the list changes."""
        if ctx.method == "tools/list" and ctx.protocol_version not in MODERN_PROTOCOL_VERSIONS:
            caller = await self._callers.current()
            self._listeners.remember(caller, ctx.session._connection)  # noqa: SLF001 - the SDK has no other handle
        return await call_next(ctx)


_CHANGES = """
SELECT seq, kind, issuer, subject, actor FROM audit
WHERE seq > $1 AND kind IN ($2, $3, $4, $5, $6, $7, $8, $9, $10) AND issuer IS NOT NULL
ORDER BY seq LIMIT 1000"""
_ENDED = """
SELECT DISTINCT 'grant.ended' AS kind, g.issuer, g.subject, g.actor FROM grants g
WHERE g.until > $1 AND g.until <= $2 AND g.revoked IS NULL AND EXISTS (
  SELECT 1 FROM grants r WHERE r.issuer = g.issuer AND r.subject = g.subject AND r.actor = g.actor
  AND r.refused <> '[]' AND r.revoked IS NULL)"""
