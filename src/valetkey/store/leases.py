"""Names that one process at a time may hold, as rows: who does the jobs, who serves the pages."""

from valetkey.model import MINUTE, Clock
from valetkey.store import Store

LONGEST = 2 * MINUTE
"""No lease lasts longer: one that seems to was written by a clock that has been set back since."""


class Leases:
    """Takes, keeps and lets go of names. `owner` is this process, and nobody else."""

    def __init__(self, store: Store, clock: Clock, owner: str) -> None:
        self._store, self._clock, self.owner = store, clock, owner

    async def take(self, name: str, lasts: int) -> bool:
        """Take a name, or keep it, for so many milliseconds; False while another process has it."""
        if lasts > LONGEST:
            raise AssertionError("a lease this long would not be believed")
        now = self._clock.now()
        async with self._store.transaction(durable=False) as tx:
            return await tx.one(_TAKE, name, self.owner, now + lasts, now, now + LONGEST) is not None

    async def let_go(self, name: str) -> None:
        """Let go of a name, if it is this process that holds it."""
        async with self._store.transaction(durable=False) as tx:
            await tx.run("DELETE FROM leases WHERE name = $1 AND owner = $2", name, self.owner)

    async def held(self, name: str) -> bool:
        """Whether any process holds a name now."""
        now = self._clock.now()
        sql = "SELECT 1 AS held FROM leases WHERE name = $1 AND until BETWEEN $2 AND $3"
        return await self._store.one(sql, name, now, now + LONGEST) is not None


_TAKE = """
INSERT INTO leases VALUES ($1, $2, $3)
ON CONFLICT (name) DO UPDATE SET owner = excluded.owner, until = excluded.until
  WHERE leases.owner = excluded.owner OR leases.until NOT BETWEEN $4 AND $5
RETURNING owner"""
