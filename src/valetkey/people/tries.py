"""Tries at a secret, counted so that guessing is slow: of a password here, or of one that is pasted."""

from valetkey.model import MINUTE, Clock
from valetkey.store import Store, Transaction

_FREE, _LONGEST_WAIT = 5, 15 * MINUTE


class Tries:
    """Counts tries by what they are about, a digest. Five are free; then the wait doubles from a second."""

    def __init__(self, store: Store, clock: Clock) -> None:
        self._store, self._clock = store, clock

    async def claim(self, about: str) -> int:
        """Count a try before it is made, so that parallel guesses cannot outrun the count.

        Returns 0, or the seconds to wait when it may not be made yet: then it does not count.
        """
        now = self._clock.now()
        async with self._store.transaction(durable=False) as tx:
            row = await tx.one("SELECT count, since FROM failures WHERE about = $1", about)
            if row and now < row["since"] + _wait(row["count"]):
                return int((row["since"] + _wait(row["count"]) - now) // 1000 + 1)
            await tx.run(_COUNT, about, now)
        return 0

    async def forget(self, tx: Transaction, about: str) -> None:
        """The right one was given: count from the start again."""
        await tx.run("DELETE FROM failures WHERE about = $1", about)


def _wait(count: int) -> int:
    """Milliseconds to wait after so many tries."""
    return 0 if count < _FREE else min(_LONGEST_WAIT, 1000 * 2 ** min(count - _FREE, 20))


_COUNT = """
INSERT INTO failures VALUES ($1, 1, $2)
ON CONFLICT (about) DO UPDATE SET count = failures.count + 1, since = excluded.since"""
