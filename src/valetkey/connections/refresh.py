"""When a token set has to be refreshed, and by whom: one holder of a lease at a time, on all machines.

A caller that goes away cancels nothing: the work runs in the server's own tasks. What one holder
does with the lease is in `renewal`.
"""

from collections import defaultdict
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from functools import partial

import anyio
from anyio.abc import TaskGroup

from valetkey.connections import lease as leases
from valetkey.connections.circuit import LONGEST_WAIT, Circuits
from valetkey.connections.detached import Flight
from valetkey.connections.endpoint import Awake
from valetkey.connections.renewal import Renewal
from valetkey.connections.schedule import refreshing
from valetkey.connections.setbacks import Setbacks, as_it_is, reconnect, registration
from valetkey.connections.tokensets import Held, TokenSets
from valetkey.errors import StoreError
from valetkey.manifest import Connector
from valetkey.model import MINUTE, Clock, Connection
from valetkey.store import Store

AT_ONCE, AT_ONCE_PER_PROVIDER = 128, 64
"""How many refreshes one process has under way: a provider that hangs leaves room for the others."""

_PATIENCE_SECONDS = 3
"""How long a call with a token that still lives waits for a newer one."""

_OTHERS_POLL = 0.05
"""Seconds between looks at the row while another process refreshes."""


@dataclass(frozen=True, slots=True)
class Need:
    """What a token set has to be: newer than the version `refused`; `ahead`, not past its planned renewal."""

    refused: int = 0
    ahead: bool = False


class Refresher:
    """Hands out token sets that are good to send. `tasks` belongs to the server, not to a caller."""

    def __init__(
        self,
        store: Store,
        sets: TokenSets,
        renewal: Renewal,
        setbacks: Setbacks,
        circuits: Circuits,
        clock: Clock,
        tasks: TaskGroup,
        *,
        owner: str,
        awake: Awake,
        overridden: Callable[[frozenset[str]], bool],
    ) -> None:
        self._store, self._sets, self._renewal, self._clock = store, sets, renewal, clock
        self._setbacks, self._circuits = setbacks, circuits
        self._tasks, self._owner, self._overridden, self._awake = tasks, owner, overridden, awake
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
        need = Need(refused)
        while True:
            held = await self.read(connection, connector)
            if held.dead is None and not self._due(held, need):
                with suppress(StoreError):  # a plan alone, which the next call makes as well
                    await self._sets.used(self._store, held, connector)
                return held
            held = await self._awaited(self._flight(connection, connector, need), held, need)
            if held.version > refused:  # else this was a flight of somebody whose token was not refused
                return held

    async def renew(self, connection: Connection, connector: Connector) -> None:
        """Refresh a connection's token set if its planned time has come. Raises as `usable` does."""
        await self._flight(connection, connector, Need(ahead=True)).landed()

    async def read(self, connection: Connection, connector: Connector) -> Held:
        """Return a token set as it stands. Raises OriginsChanged, NotTheirs, Forgotten, IntegrityError."""
        where = (connection.token_set, connection.principal, connector)
        return await self._sets.read(self._store, *where, overridden=self._overridden(connector.origins))

    @property
    def under_way(self) -> int:
        """How many refreshes this process has under way."""
        return len(self._flights)

    def watch(self, seen: Callable[[frozenset[str], str], object]) -> None:
        """Tell somebody of each refresh that brought nothing: for which connectors, and what it means."""
        self._setbacks.seen = seen

    async def damaged(self, key: str) -> None:
        """Record that a token set did not open."""
        await self._setbacks.damaged(key)

    async def _awaited(self, flight: Flight[Held], held: Held, need: Need) -> Held:
        """What comes of a refresh; a token that still lives serves where that takes too long."""
        if held.dead is not None or self._useless(held, need):
            return await flight.landed()
        with anyio.move_on_after(_PATIENCE_SECONDS):
            return await flight.landed()
        return held

    def _due(self, held: Held, need: Need) -> bool:
        """Refused just now, or within a minute (at most a fifth of its life) of its end, or as planned."""
        if held.version <= need.refused:
            return True
        now, planned, tokens = self._clock.now(), held.row["renew_at"], held.tokens
        if need.ahead and planned is not None and now >= planned:
            return True
        if tokens.expires_at is None:
            return False
        skew = min(MINUTE, (tokens.expires_at - tokens.issued_at) // 5)
        return now >= tokens.expires_at - skew

    def _flight(self, connection: Connection, connector: Connector, need: Need) -> Flight[Held]:
        key = connection.token_set
        if key not in self._flights:
            work = partial(self._renewed, connection, connector, need)
            self._flights[key] = Flight.begin(self._tasks, work, after=lambda: self._flights.pop(key))
        return self._flights[key]

    async def _renewed(self, connection: Connection, connector: Connector, need: Need) -> Held:
        async with self._rooms[connector.provider], self._room:  # waited for before the lease, not within
            while True:
                held = await self.read(connection, connector)
                if settled := await self._settled(held, connector, need):
                    return settled
                if done := await self._tried(held, connector, useless=self._useless(held, need)):
                    return done
                await anyio.sleep(_OTHERS_POLL)

    async def _tried(self, held: Held, connector: Connector, *, useless: bool) -> Held | None:
        """Refresh under a lease; None: somebody else has it, or had the turn to ask: look again."""
        if useless and await self._circuits.heard(registration(held)):
            return None
        with self._circuits.asking(registration(held)) as wait:
            if wait:
                return as_it_is(held, connector, wait=wait, useless=useless)
            await self._awake()
            refresh = refreshing(connector)
            lease = await leases.take(self._store, self._clock, self._owner, held, refresh)
            if lease is None:
                return None if useless else held
            return await self._renewal.spend(held, connector, lease, useless=useless)

    async def _settled(self, held: Held, connector: Connector, need: Need) -> Held | None:
        """Return what can be told without the provider; None when it has to be asked."""
        if held.dead is not None:
            raise reconnect(connector)
        if not self._due(held, need):
            return held
        useless = self._useless(held, need)
        if held.tokens.refresh is None:
            if useless:
                await self._setbacks.died(held, "refused" if held.version <= need.refused else "expired")
                raise reconnect(connector)
            return held
        wait = (held.row["retry_at"] or 0) - self._clock.now()
        return as_it_is(held, connector, wait=wait, useless=useless) if 0 < wait <= LONGEST_WAIT else None

    def _useless(self, held: Held, need: Need) -> bool:
        """Whether the access token at hand cannot serve any longer, not even for a last minute."""
        expires = held.tokens.expires_at
        return held.version <= need.refused or (expires is not None and self._clock.now() >= expires)
