"""When a token set has to be refreshed, and by whom: one holder of a lease at a time, on all machines.

A caller that goes away cancels nothing: the work runs in the server's own tasks. What one holder
does with the lease is in `renewal`.
"""

from collections import defaultdict
from collections.abc import Callable
from functools import partial

import anyio
from anyio.abc import TaskGroup

from valetkey.connections.detached import Flight
from valetkey.connections.endpoint import HARD_SECONDS
from valetkey.connections.renewal import Lease, Renewal, reconnect
from valetkey.connections.tokensets import Held, TokenSets
from valetkey.manifest import Connector
from valetkey.model import MINUTE, SECOND, Clock, Connection
from valetkey.store import Store

LEASE = 30 * SECOND
"""How long one holder may refresh. Longer than any request can take, or two would spend one token."""

AT_ONCE, AT_ONCE_PER_PROVIDER = 128, 64
"""How many refreshes one process has under way: a provider that hangs leaves room for the others."""

_MARGIN = 5 * SECOND
_OTHERS_POLL = 0.05
"""Seconds between looks at the row while another process refreshes."""


class Refresher:
    """Hands out token sets that are good to send. `tasks` belongs to the server, not to a caller."""

    def __init__(
        self,
        store: Store,
        sets: TokenSets,
        renewal: Renewal,
        clock: Clock,
        tasks: TaskGroup,
        *,
        owner: str,
        overridden: Callable[[frozenset[str]], bool],
    ) -> None:
        if HARD_SECONDS * SECOND + _MARGIN >= LEASE:
            raise AssertionError("a refresh could outlive its lease")
        self._store, self._sets, self._renewal, self._clock = store, sets, renewal, clock
        self._tasks, self._owner, self._overridden = tasks, owner, overridden
        self._flights: dict[str, Flight[Held]] = {}
        self._room = anyio.CapacityLimiter(AT_ONCE)
        self._rooms = defaultdict[str, anyio.CapacityLimiter](
            lambda: anyio.CapacityLimiter(AT_ONCE_PER_PROVIDER)
        )

    async def usable(self, connection: Connection, connector: Connector, *, refused: int = 0) -> Held:
        """Return a connection's token set, good to send now, refreshed first where it has to be.

        `refused` is the version a provider has just turned down: that one is not good enough.
        Raises CallError: `reconnect` when its person has to come, `unavailable` when later may do;
        OriginsChanged, NotTheirs, Forgotten, IntegrityError.
        """
        while True:
            held = await self.read(connection, connector)
            if held.dead is None and not self._due(held, refused):
                return held
            held = await self._flight(connection, connector, refused).landed()
            if held.version > refused:  # else this was a flight of somebody whose token was not refused
                return held

    async def read(self, connection: Connection, connector: Connector) -> Held:
        """Return a token set as it stands. Raises OriginsChanged, NotTheirs, Forgotten, IntegrityError."""
        where = (connection.token_set, connection.principal, connector)
        return await self._sets.read(self._store, *where, overridden=self._overridden(connector.origins))

    async def damaged(self, key: str) -> None:
        """Record that a token set did not open."""
        await self._renewal.damaged(key)

    def _due(self, held: Held, refused: int) -> bool:
        """Refused just now, or within a minute (at most a fifth of its life) of its end."""
        if held.version <= refused:
            return True
        tokens = held.tokens
        if tokens.expires_at is None:
            return False
        skew = min(MINUTE, (tokens.expires_at - tokens.issued_at) // 5)
        return self._clock.now() >= tokens.expires_at - skew

    def _flight(self, connection: Connection, connector: Connector, refused: int) -> Flight[Held]:
        key = connection.token_set
        if key not in self._flights:
            work = partial(self._renewed, connection, connector, refused)
            self._flights[key] = Flight.begin(self._tasks, work, after=lambda: self._flights.pop(key))
        return self._flights[key]

    async def _renewed(self, connection: Connection, connector: Connector, refused: int) -> Held:
        async with self._rooms[connector.provider], self._room:  # waited for before the lease, not within
            while True:
                held = await self.read(connection, connector)
                if settled := await self._settled(held, connector, refused):
                    return settled
                if done := await self._tried(held, connector, useless=self._useless(held, refused)):
                    return done
                await anyio.sleep(_OTHERS_POLL)

    async def _tried(self, held: Held, connector: Connector, *, useless: bool) -> Held | None:
        """Refresh under a lease; None: somebody else has it, and what they make of it has to be awaited."""
        lease = await self._take_lease(held)
        if lease is None:
            return None if useless else held
        return await self._renewal.spend(held, connector, lease, useless=useless)

    async def _settled(self, held: Held, connector: Connector, refused: int) -> Held | None:
        """Return what can be told without the provider; None when it has to be asked."""
        if held.dead is not None:
            raise reconnect(connector)
        if not self._due(held, refused):
            return held
        useless = self._useless(held, refused)
        if held.tokens.refresh is None:
            if useless:
                await self._renewal.died(held, "refused" if held.version <= refused else "expired")
                raise reconnect(connector)
            return held
        wait = (held.row["retry_at"] or 0) - self._clock.now()
        return self._renewal.as_it_is(held, connector, wait=wait, useless=useless) if wait > 0 else None

    def _useless(self, held: Held, refused: int) -> bool:
        """Whether the access token at hand cannot serve any longer, not even for a last minute."""
        expires = held.tokens.expires_at
        return held.version <= refused or (expires is not None and self._clock.now() >= expires)

    async def _take_lease(self, held: Held) -> Lease | None:
        """Take the lease and write what is about to be spent, before it is; None: another has it."""
        now, intent = self._clock.now(), str(held.version)
        until = now + LEASE
        async with self._store.transaction() as tx:
            before = await tx.one("SELECT intent FROM token_sets WHERE id = $1", held.id)
            row = await tx.one(_LEASE, self._owner, until, intent, held.id, now, held.version)
        lost = before is not None and before["intent"] == intent  # spent by a holder that never told the end
        return Lease(self._owner, until, lost) if row else None


_LEASE = """
UPDATE token_sets SET lease_owner = $1, lease_until = $2, intent = $3
WHERE id = $4 AND dead IS NULL AND (lease_until IS NULL OR lease_until < $5)
  AND EXISTS (SELECT 1 FROM sealed WHERE purpose = 'token' AND id = $4 AND version = $6)
RETURNING id"""
