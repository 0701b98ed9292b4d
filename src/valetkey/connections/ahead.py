"""Renewing what nobody waits for: a job finds the token sets whose planned time has come (`schedule`).

Each registration has its own share, and a call always finds room beside it: a provider that hangs takes
nothing from the others. Who is cut off when time is up comes first the next minute.
"""

import anyio

from valetkey.connections.refresh import Refresher
from valetkey.connections.registrations import Registrations
from valetkey.connections.rows import Rows
from valetkey.connections.tokensets import TokenSets
from valetkey.errors import CallError, IntegrityError
from valetkey.manifest import Catalog
from valetkey.model import DAY, Clock, Connection
from valetkey.store import Store

AT_ONCE, AT_MOST = 16, 2_000
"""How many are renewed side by side, and in one go, of one registration: a quarter of what a process may."""

_SECONDS = 40
"""The jobs' lease is longer than this, and it is kept once a go."""


class Ahead:
    """Renews what is due, in the server's own tasks."""

    def __init__(
        self,
        store: Store,
        sets: TokenSets,
        rows: Rows,
        registrations: Registrations,
        refresher: Refresher,
        catalog: Catalog,
        clock: Clock,
    ) -> None:
        self._store, self._sets, self._rows, self._registrations = store, sets, rows, registrations
        self._refresher, self._catalog, self._clock = refresher, catalog, clock

    async def renew_due(self) -> None:
        """Renew what is due, for at most forty seconds; what was begun then ends by itself."""
        with anyio.move_on_after(_SECONDS):
            async with anyio.create_task_group() as tasks:
                for registration in await self._registrations.all(self._store):
                    tasks.start_soon(self._renew_of, registration.name)

    async def _renew_of(self, registration: str) -> None:
        room = anyio.CapacityLimiter(AT_ONCE)
        async with anyio.create_task_group() as tasks:
            for row in await self._store.all(_DUE, self._clock.now(), registration, AT_MOST):
                tasks.start_soon(self._renew, row["connection"], room)

    async def _renew(self, connection_id: str, room: anyio.CapacityLimiter) -> None:
        async with room:
            connection = await self._rows.get(self._store, connection_id)
            if connection is not None:
                await self._tried(connection)

    async def _tried(self, connection: Connection) -> None:
        connector = self._catalog.connectors.get(connection.connector)
        try:
            if connector is not None:
                return await self._refresher.renew(connection, connector)
        except CallError:  # its row says what is wrong and when to try again; its next call is told
            return None
        except IntegrityError:  # found, and told of, by the next call for it
            pass
        return await self._sets.put_off(self._store, connection.token_set, self._clock.now() + DAY)


_DUE = """
SELECT MIN(c.id) AS connection FROM token_sets t JOIN connections c ON c.token_set = t.id
WHERE t.dead IS NULL AND t.renew_at <= $1 AND (t.retry_at IS NULL OR t.retry_at <= $1)
  AND c.registration = $2 AND c.state = 'connected'
GROUP BY t.id, t.renew_at ORDER BY t.renew_at LIMIT $3"""
