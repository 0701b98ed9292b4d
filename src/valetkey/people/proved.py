"""Who showed a moment ago that they are there, by signing in once more where they sign in."""

import json

from valetkey.model import MINUTE, Clock
from valetkey.store import Store

HOLDS_FOR = 2 * MINUTE


class Proved:
    """Remembers it for two minutes, for one session and one page: `about` says which."""

    def __init__(self, store: Store, clock: Clock) -> None:
        self._store, self._clock = store, clock

    async def remember(self, session: str, about: str) -> None:
        """It was shown just now."""
        now = self._clock.now()
        async with self._store.transaction() as tx:
            await tx.run("DELETE FROM seen WHERE until <= $1", now)
            await tx.run(_SEEN, _key(session, about), now + HOLDS_FOR)

    async def holds(self, session: str, about: str) -> bool:
        """Whether it was shown in the last two minutes."""
        sql = "SELECT 1 FROM seen WHERE about = $1 AND until > $2"
        return await self._store.one(sql, _key(session, about), self._clock.now()) is not None


def _key(session: str, about: str) -> str:
    return json.dumps(["proved", session, about])


_SEEN = """
INSERT INTO seen VALUES ($1, $2)
ON CONFLICT (about) DO UPDATE SET until = excluded.until"""
