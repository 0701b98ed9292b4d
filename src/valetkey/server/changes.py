"""Telling clients that their list of tools changed, in both eras, whichever process made the change.

The audit is the feed: what changes a list (a grant, a connection) is a fact there. Only the clients of the
person it is about are told.
"""

from weakref import WeakKeyDictionary, WeakSet, WeakValueDictionary

import anyio
import mcp_types as types
from mcp.server.connection import Connection
from mcp.server.context import CallNext, HandlerResult
from mcp.server.subscriptions import InMemorySubscriptionBus, ListenHandler
from mcp.shared.subscriptions import ToolsListChanged
from mcp_types.version import MODERN_PROTOCOL_VERSIONS

from valetkey.model import Principal
from valetkey.server.callers import Callers
from valetkey.server.elicit import Context
from valetkey.store import Store

EVERY_SECONDS = 0.5
MOST_STREAMS = 50
"""How many streams one person's clients may hold open, so that one cannot use up everybody's."""

_CHANGED = "notifications/tools/list_changed"
_KINDS = (
    "grant.given",
    "grant.revoked",
    "connection.connected",
    "connection.needs_reauth",
    "connection.revoked",
)


class Listeners:
    """Everybody who wants to hear of changes: streams of the modern era, connections of the legacy one."""

    def __init__(self) -> None:
        self._handlers: WeakValueDictionary[Principal, ListenHandler] = WeakValueDictionary()
        self._buses: WeakKeyDictionary[ListenHandler, InMemorySubscriptionBus] = WeakKeyDictionary()
        self._connections: dict[Principal, WeakSet[Connection]] = {}

    def handler(self, principal: Principal) -> ListenHandler:
        """The one handler of a person's streams; it goes when the last of them ends."""
        handler = self._handlers.get(principal)
        if handler is None:
            bus = InMemorySubscriptionBus()
            handler = self._handlers[principal] = ListenHandler(bus, max_subscriptions=MOST_STREAMS)
            self._buses[handler] = bus
        return handler

    def remember(self, principal: Principal, connection: Connection) -> None:
        """Keep a legacy connection for as long as the SDK does."""
        self._connections.setdefault(principal, WeakSet()).add(connection)

    async def tell(self, principal: Principal) -> None:
        """Say to a person's clients that the list changed; a client that is gone is passed over."""
        if handler := self._handlers.get(principal):
            await self._buses[handler].publish(ToolsListChanged())
        for connection in list(self._connections.get(principal, ())):
            await connection.notify(_CHANGED, None)

    def anybody(self) -> bool:
        """Whether there is anybody to tell; forgets people whose connections have all gone."""
        self._connections = {who: those for who, those in self._connections.items() if those}
        return bool(self._handlers or self._connections)


class Changes:
    """Watches the audit for changes of lists. `run` it in one task for all endpoints of a process."""

    def __init__(self, store: Store) -> None:
        self._store, self._listeners = store, Listeners()

    def of(self, callers: Callers) -> "CallersChanges":
        """The changes as the server of one transport takes part in them."""
        return CallersChanges(self._listeners, callers)

    async def run(self) -> None:
        """Look every half second, while somebody listens, until cancelled."""
        seen = await self._head()
        while True:
            await anyio.sleep(EVERY_SECONDS)
            if self._listeners.anybody():
                seen = await self._look(seen)
            else:
                seen = await self._head()

    async def _look(self, seen: int) -> int:
        rows = await self._store.all(_CHANGES, seen, *_KINDS)
        for principal in {Principal(row["issuer"], row["subject"]) for row in rows}:
            await self._listeners.tell(principal)
        return max([seen, *(int(row["seq"]) for row in rows)])

    async def _head(self) -> int:
        row = await self._store.one("SELECT max(seq) AS seq FROM audit")
        return int(row["seq"] or 0) if row else 0


class CallersChanges:
    """What a server is given: its handler of `subscriptions/listen`, and a middleware for the legacy era."""

    def __init__(self, listeners: Listeners, callers: Callers) -> None:
        self._listeners, self._callers = listeners, callers

    async def listen(
        self, ctx: Context, params: types.SubscriptionsListenRequestParams
    ) -> types.SubscriptionsListenResult:
        """Serve one stream of the modern era."""
        caller = await self._callers.current()
        return await self._listeners.handler(caller.principal)(ctx, params)

    async def __call__(self, ctx: Context, call_next: CallNext) -> HandlerResult:
        """Remember who lists tools over a legacy connection: those are told when the list changes."""
        if ctx.method == "tools/list" and ctx.protocol_version not in MODERN_PROTOCOL_VERSIONS:
            caller = await self._callers.current()
            self._listeners.remember(caller.principal, ctx.session._connection)  # noqa: SLF001 - the SDK has no other handle
        return await call_next(ctx)


_CHANGES = """
SELECT seq, issuer, subject FROM audit
WHERE seq > $1 AND kind IN ($2, $3, $4, $5, $6) AND issuer IS NOT NULL ORDER BY seq LIMIT 1000"""
