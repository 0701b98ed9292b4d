"""Clients that register themselves (RFC 7591): how many there may be, and when one is forgotten.

Anybody may register, so nothing is remembered of it but the client, and of those nobody let in, few.
"""

import base64
from collections.abc import Mapping

from valetkey.audit import Audit
from valetkey.errors import OAuthError
from valetkey.grants import Grants
from valetkey.model import DAY, MINUTE, Actor, AuditEvent, Clock, Ids, Json, Randomness
from valetkey.people import Agent, Agents, Kind, Sessions
from valetkey.store import Store, Transaction

MOST_A_MINUTE = 30
MOST_UNUSED = 1_000
"""Clients that nobody has let in yet. The oldest makes way, once it has had ten minutes."""

UNUSED_FOR = 90 * DAY
_UNDISTURBED = 10 * MINUTE


class DynamicClients:
    """Adds clients, and forgets those that nobody uses."""

    def __init__(
        self,
        store: Store,
        agents: Agents,
        sessions: Sessions,
        grants: Grants,
        audit: Audit,
        ids: Ids,
        clock: Clock,
        randomness: Randomness,
    ) -> None:
        self._store, self._agents, self._sessions, self._grants = store, agents, sessions, grants
        self._audit, self._ids, self._clock, self._randomness = audit, ids, clock, randomness

    async def add(
        self, name: str, metadata: Mapping[str, Json], *, with_secret: bool
    ) -> tuple[Agent, str | None]:
        """Return a new client and its secret, if it wants one, which is shown this once.

        Raises OAuthError with status 429 where too many came within a minute.
        """
        secret = base64.urlsafe_b64encode(self._randomness(32)).decode().rstrip("=") if with_secret else None
        digest = self._agents.secret_digest(secret) if secret else None
        async with self._store.transaction(durable=False) as tx:
            await self._refuse_flood(tx)
            await tx.run(_MAKE_ROOM, self._clock.now() - _UNDISTURBED, MOST_UNUSED - 1)
            client = await self._agents.add(tx, self._ids.new("agt"), name, Kind.DYNAMIC, metadata, digest)
        return client, secret

    async def _refuse_flood(self, tx: Transaction) -> None:
        row = await tx.one(_NEW, self._clock.now() - MINUTE)
        if row and row["n"] >= MOST_A_MINUTE:
            text = "too many clients are registering; try again in a minute"
            raise OAuthError("temporarily_unavailable", text, 429)

    async def forget_unused(self) -> None:
        """Forget clients that have not been here for 90 days, with all that they were allowed."""
        rows = await self._store.all(_UNUSED, self._clock.now() - UNUSED_FOR)
        for row in rows:
            await self._forget(row["id"])

    async def _forget(self, client_id: str) -> None:
        async with self._store.transaction() as tx:
            for session in await self._sessions.of_actor(tx, client_id):
                await self._sessions.end(tx, session.id)
        for grant in await self._grants.of_actor(client_id):
            await self._grants.revoke(grant.principal, grant.id, by="system")
        async with self._store.transaction() as tx:
            if client := await self._agents.get(tx, client_id):
                await self._agents.forget(tx, client)
                facts = {"reason": "unused"}
                await self._audit.append(
                    tx, AuditEvent("agent.removed", "system", None, Actor(client_id), facts)
                )


_NEW = "SELECT count(*) AS n FROM agents WHERE kind = 'dynamic' AND created > $1"
_UNUSED = "SELECT id FROM agents WHERE kind = 'dynamic' AND used <= $1"
_MAKE_ROOM = """
DELETE FROM agents WHERE id IN (
  SELECT a.id FROM agents a
  WHERE a.kind = 'dynamic' AND a.suspended IS NULL AND a.created <= $1 AND a.used = a.created
    AND NOT EXISTS (SELECT 1 FROM sessions s WHERE s.actor = a.id)
  ORDER BY a.created DESC LIMIT 1000000 OFFSET $2)"""
