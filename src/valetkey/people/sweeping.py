"""Rows about people that nobody needs any more: the audit keeps what has to be remembered."""

from valetkey.model import DAY, Clock
from valetkey.people.tries import SHOWN_FOR
from valetkey.store import Store

_KEPT = 30 * DAY
"""For how long it can still be looked up how a session or an invitation ended."""


class Sweeping:
    """Forgets what is over."""

    def __init__(self, store: Store, clock: Clock) -> None:
        self._store, self._clock = store, clock

    async def sweep(self) -> None:
        """Forget tries of long ago, what came once and would be late now, old invitations and sessions."""
        now = self._clock.now()
        async with self._store.transaction(durable=False) as tx:
            await tx.run("DELETE FROM failures WHERE since <= $1 AND last <= $1", now - SHOWN_FOR)
            await tx.run("DELETE FROM seen WHERE until <= $1", now)
            await tx.run("DELETE FROM invitations WHERE COALESCE(used, until) <= $1", now - _KEPT)
            await tx.run(_SESSIONS, now - _KEPT)


# What others were got from goes after them: a sweep takes the leaves, the next one what they hung from.
_SESSIONS = """
DELETE FROM sessions WHERE COALESCE(ended, until) <= $1
AND NOT EXISTS (SELECT 1 FROM sessions AS child WHERE child.parent = sessions.id)"""
