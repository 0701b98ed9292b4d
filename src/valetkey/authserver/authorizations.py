"""What waits at /authorize for its person, who may have to sign in first. Not every address could hold it."""

import base64
import json
from dataclasses import asdict

from valetkey.authserver.asked import Asked
from valetkey.errors import PageError
from valetkey.model import MINUTE, Clock, Randomness
from valetkey.store import Reads, Store, Transaction
from valetkey.vault import KeyRing
from valetkey.vault.rows import BoundRows, Table

LASTS = 10 * MINUTE
MOST = 10_000
"""How many may wait: anybody can ask. The oldest makes way, so that whoever asks now is heard."""


class Authorizations:
    """Keeps requests until they are answered, for ten minutes."""

    def __init__(self, store: Store, keys: KeyRing, clock: Clock, randomness: Randomness) -> None:
        self._store, self._clock, self._randomness = store, clock, randomness
        self._bound = BoundRows(keys, TABLE)

    async def keep(self, asked: Asked) -> str:
        """Keep a request and return its id, which nobody can guess."""
        made = base64.urlsafe_b64encode(self._randomness(18)).decode()
        async with self._store.transaction(durable=False) as tx:
            text, until = json.dumps(asdict(asked)), self._clock.now() + LASTS
            await self._bound.insert(tx, id=made, asked=text, until=until)
            await tx.run(_MAKE_ROOM, MOST)
        return made

    async def get(self, db: Reads, authorization: str) -> tuple[Asked, int]:
        """Return a request and until when it waits. Raises PageError 410: answered, too late, or unknown."""
        row = self._bound.good(await db.one(_WAITING, authorization, self._clock.now()))
        if row is None:
            text = "It was answered already, or its ten minutes are over. Begin again where you came from."
            raise PageError(410, "This is no longer open", text)
        return Asked(**json.loads(row["asked"])), row["until"]

    async def take(self, tx: Transaction, authorization: str) -> None:
        """Take a request out, so that it is answered once. Raises PageError 410."""
        await self.get(tx, authorization)
        await tx.run("DELETE FROM authorizations WHERE id = $1", authorization)

    async def forget_late(self) -> None:
        """Forget the requests that nobody answered in time."""
        async with self._store.transaction(durable=False) as tx:
            await tx.run("DELETE FROM authorizations WHERE until <= $1", self._clock.now())


TABLE = Table("authorizations", ("id",), ("asked", "until"))
_WAITING = f"{TABLE.select} WHERE id = $1 AND until > $2"
_MAKE_ROOM = """
DELETE FROM authorizations WHERE id IN (
  SELECT id FROM authorizations ORDER BY until DESC, id LIMIT 1000000 OFFSET $1)"""
