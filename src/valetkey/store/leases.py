"""Names that one process at a time may hold, as rows: who does the jobs, who serves the pages."""

from valetkey.model import Clock
from valetkey.store import Store


class Leases:
    """Takes, keeps and lets go of names. `owner` is this process, and nobody else."""

    def __init__(self, store: Store, clock: Clock, owner: str) -> None:
        self._store, self._clock, self._owner = store, clock, owner

    async def take(self, name: str, lasts: int) -> bool:
        """Take a name, or keep it, for so many milliseconds; False while another process has it."""
        now = self._clock.now()
        async with self._store.transaction(durable=False) as tx:
            return await tx.one(_TAKE, name, self._owner, now + lasts, now) is not None

    async def let_go(self, name: str) -> None:
        """Let go of a name, if it is this process that holds it."""
        async with self._store.transaction(durable=False) as tx:
            await tx.run("DELETE FROM leases WHERE name = $1 AND owner = $2", name, self._owner)

    async def held_elsewhere(self, name: str) -> bool:
        """Whether another process holds a name now."""
        sql = "SELECT 1 AS held FROM leases WHERE name = $1 AND owner <> $2 AND until >= $3"
        return await self._store.one(sql, name, self._owner, self._clock.now()) is not None


_TAKE = """
INSERT INTO leases VALUES ($1, $2, $3)
ON CONFLICT (name) DO UPDATE SET owner = excluded.owner, until = excluded.until
  WHERE leases.owner = excluded.owner OR leases.until < $4
RETURNING owner"""
