"""What happens without anybody asking: each process runs it, a lease in the store picks one.

Closing calls a dead process left open, giving back what nobody confirmed or came back for, telling
providers that did not answer, erasing what was deleted, signing the chain.
"""

import logging
from collections.abc import Awaitable, Callable, Sequence
from functools import partial

import anyio

from valetkey.audit import Audit
from valetkey.connections import Connections
from valetkey.errors import ValetkeyError
from valetkey.generation import Gate
from valetkey.model import MINUTE, SECOND, Clock
from valetkey.store import Store
from valetkey.store.leases import Leases

Job = Callable[[], Awaitable[object]]
_log = logging.getLogger(__name__)
EVERY_SECONDS = 60
CONFIRM_WITHIN = 10 * MINUTE
JOBS = "jobs"
"""The name of the lease."""

_LEASE = (EVERY_SECONDS + 15) * SECOND


class Jobs:
    """Runs the jobs of one process. `more` are those of rooms that this one does not know."""

    def __init__(
        self,
        store: Store,
        audit: Audit,
        connections: Connections,
        checkpoint: Callable[[], Awaitable[object]],
        clock: Clock,
        leases: Leases,
        gate: Gate,
        more: Sequence[Job] = (),
    ) -> None:
        self._store, self._audit, self._connections = store, audit, connections
        self._checkpoint, self._clock, self._leases, self._gate = checkpoint, clock, leases, gate
        self._more = more

    async def run(self) -> None:
        """Do the jobs every minute until cancelled."""
        while True:
            await _tried(self.once)  # the lease, too, is in a store that may be busy
            await anyio.sleep(EVERY_SECONDS)

    async def once(self) -> bool:
        """Do each job once if this process holds the lease; one that fails does not stop the next.

        On a copy that is not the live one only its own record is kept in order: whatever else there is to do
        is the live one's.
        """
        if not await self._leases.take(JOBS, _LEASE):
            return False
        await self._gate.look(self._store)
        taken = self._clock.now()
        for job in (
            self._audit.close_left_open,
            *(() if self._gate.reason else self._acting()),
            *self._last(),
        ):
            await _tried(job)
            if not 0 <= self._clock.now() - taken < _LEASE // 4:  # a long round is no absence
                await _tried(partial(self._leases.take, JOBS, _LEASE))
                taken = self._clock.now()
        return True

    def _acting(self) -> Sequence[Job]:
        return (
            self._give_back_unconfirmed,
            self._connections.revocation.retry,
            self._connections.flows.forget_late,
            *self._more,
        )

    def _last(self) -> Sequence[Job]:
        # Erasing: what a revocation could not erase while somebody was reading.
        return (self._store.erase_deleted, self._checkpoint)

    async def _give_back_unconfirmed(self) -> None:
        late = await self._connections.rows.unconfirmed(self._clock.now() - CONFIRM_WITHIN)
        for connection in late:
            await _tried(partial(self._connections.revocation.leave, connection, "system"))


async def _tried(job: Callable[[], Awaitable[object]]) -> None:
    """Do it, and let its failure stop nothing else: the next minute brings another try."""
    try:
        await job()
    except ValetkeyError as error:
        _log.error("a job failed and will be tried again: %s", error)
    except Exception as error:  # noqa: BLE001 - a fault in here must not take the server down
        _log.error("a job failed and will be tried again: %s", type(error).__name__)
