"""What may come once: an assertion's id, a challenge. A second time it is a replay."""

from valetkey.model import Clock
from valetkey.store import Transaction


class Once:
    """Remembers what came, for as long as it could come again and be believed."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock

    async def first(self, tx: Transaction, about: str, until: int) -> bool:
        """Whether this came for the first time; it is remembered until `until`, epoch milliseconds."""
        await tx.run("DELETE FROM seen WHERE until <= $1", self._clock.now())
        sql = "INSERT INTO seen VALUES ($1, $2) ON CONFLICT (about) DO NOTHING"
        return bool(await tx.run(sql, about, until))
