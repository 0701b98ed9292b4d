"""Connections whose end is in sight, or whose renewal keeps failing; and what is left of those that died."""

from valetkey.audit import Audit
from valetkey.connections.rows import Rows
from valetkey.connections.tokensets import TokenSets
from valetkey.model import DAY, AuditEvent, Clock, Connection, ConnectionState
from valetkey.store import Row, Store

KEEP_DEAD = 30 * DAY
"""How long the tokens of a dead set stay sealed: an answer that was late, or a mistake, can bring it back."""

_AT_MOST = 500


class Ending:
    """Looks ahead, and clears away."""

    def __init__(self, store: Store, rows: Rows, sets: TokenSets, audit: Audit, clock: Clock) -> None:
        self._store, self._rows, self._sets = store, rows, sets
        self._audit, self._clock = audit, clock

    async def expiring(self, before: int) -> list[tuple[Connection, int]]:
        """Return the connections that will end before a time unless their person consents anew, and when."""
        return await self._connected(await self._store.all(_EXPIRING, before))

    async def failing(self, since: int) -> list[tuple[Connection, int]]:
        """Return the connections whose every renewal has failed since then or longer, and since when."""
        return await self._connected(await self._store.all(_FAILING, since))

    async def forget_dead(self) -> None:
        """Remove the secrets of what died a month ago; its connections go on waiting for their person."""
        for row in await self._store.all(_DEAD, self._clock.now() - KEEP_DEAD, _AT_MOST):
            async with self._store.transaction() as tx:
                facts = await self._sets.forget(tx, row["id"], row["dead"])
                for connection in await self._rows.sharing(tx, row["id"]):
                    event = {"connection": connection.id, **facts}
                    who = connection.principal
                    await self._audit.append(tx, AuditEvent("tokens.forgotten", "system", who, None, event))

    async def _connected(self, rows: list[Row]) -> list[tuple[Connection, int]]:
        found = [(await self._rows.get(self._store, row["id"]), int(row["at"])) for row in rows]
        return [(one, at) for one, at in found if one and one.state is ConnectionState.CONNECTED]


_EXPIRING = """
SELECT c.id AS id, t.ends_at AS at FROM token_sets t JOIN connections c ON c.token_set = t.id
WHERE t.dead IS NULL AND t.ends_at < $1 AND c.state = 'connected' ORDER BY t.ends_at, c.id"""
_FAILING = """
SELECT c.id AS id, t.failing AS at FROM token_sets t JOIN connections c ON c.token_set = t.id
WHERE t.failing <= $1 AND c.state = 'connected' ORDER BY t.failing, c.id"""
_DEAD = "SELECT id, dead FROM token_sets WHERE died_at < $1 LIMIT $2"
