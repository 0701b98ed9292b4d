"""Grants: which actor may use which tools on a principal's connections, until when.

A grant names tools (`gmail.list_unread`), a whole connector (`gmail.*`) or an effect (`gmail:read`);
a tool that destroys is covered only by its own name, which a person has ticked.
"""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from valetkey.audit import Audit
from valetkey.errors import UsageError
from valetkey.manifest import Tool
from valetkey.model import HOUR, Actor, AuditEvent, Clock, Effect, Grant, Ids, Json, Principal
from valetkey.store import Reads, Row, Store, Transaction

LASTS: dict[str, int | None] = {
    "1 hour": HOUR,
    "8 hours": 8 * HOUR,
    "30 days": 30 * 24 * HOUR,
    "until I revoke": None,
}
"""What a person picks from, in the order it is shown; milliseconds, or None for no end."""


@dataclass(frozen=True, slots=True)
class Given:
    """What a person decided on a page: tools they allowed, tools they refused, for how long."""

    tools: frozenset[str]
    refused: frozenset[str]
    lasts: int | None


class Grants:
    """Stores, reads and ends grants."""

    def __init__(self, store: Store, audit: Audit, ids: Ids, clock: Clock) -> None:
        self._store, self._audit, self._ids, self._clock = store, audit, ids, clock

    async def give(
        self, tx: Transaction, principal: Principal, actor: str, connections: Iterable[str], given: Given
    ) -> Grant:
        """Store a grant in the caller's transaction, and the fact of it in the audit."""
        now = self._clock.now()
        until = None if given.lasts is None else now + given.lasts
        grant = Grant(
            self._ids.new("grt"),
            principal,
            actor,
            frozenset(connections),
            given.tools,
            given.refused,
            until,
            now,
        )
        lists = (_text(grant.connections), _text(grant.tools), _text(grant.refused))
        limits = (until, grant.uses, grant.used, int(grant.offline), now)
        await tx.run(_INSERT, grant.id, principal.issuer, principal.subject, actor, *lists, *limits)
        await self._audit.append(tx, _event("grant.given", "person", grant))
        return grant

    async def covers(self, principal: Principal, actor: str, connection: str, tool: Tool) -> bool:
        """Whether a live grant lets this actor use this tool on this connection; a later refusal wins."""
        live = await self._live(self._store, principal, actor)
        return _allows((grant for grant in live if _speaks_of(grant, connection, tool)), tool)

    async def refused(self, principal: Principal, actor: str, tools: Iterable[Tool]) -> frozenset[str]:
        """Those of the tools that a person refused this actor and has not allowed since."""
        live = await self._live(self._store, principal, actor)
        spoken = {tool: [grant for grant in live if _speaks_of(grant, None, tool)] for tool in tools}
        return frozenset(tool.name for tool, said in spoken.items() if said and not _allows(said, tool))

    async def of(self, principal: Principal) -> list[Grant]:
        """A principal's live grants, newest first."""
        sql = f"{_LIVE} AND issuer = $2 AND subject = $3 ORDER BY id DESC"
        return [_grant(row) for row in await self._store.all(sql, *self._who(principal))]

    async def of_actor(self, actor: str) -> list[Grant]:
        """An actor's live grants, whoever gave them, newest first."""
        sql = f"{_LIVE} AND actor = $2 ORDER BY id DESC"
        return [_grant(row) for row in await self._store.all(sql, self._clock.now(), actor)]

    async def lives(self, grant_id: str) -> bool:
        """Whether a grant has neither ended nor been revoked."""
        return await self._store.one(f"{_LIVE} AND id = $2", self._clock.now(), grant_id) is not None

    async def revoke(
        self,
        principal: Principal,
        grant_id: str,
        by: str = "person",
        facts: Mapping[str, Json] | None = None,
    ) -> Grant:
        """End one of a principal's grants at once; `facts` go into its event.

        Raises UsageError when they have no such live grant.
        """
        found = f"{_LIVE} AND issuer = $2 AND subject = $3 AND id = $4"
        async with self._store.transaction() as tx:
            row = await tx.one(found, *self._who(principal), grant_id)
            if row is None:
                raise UsageError("there is no such grant, or it has ended already")
            await tx.run("UPDATE grants SET revoked = $1 WHERE id = $2", self._clock.now(), grant_id)
            await self._audit.append(tx, _event("grant.revoked", by, _grant(row), facts))
        return _grant(row)

    async def _live(self, db: Reads, principal: Principal, actor: str) -> list[Grant]:
        sql = f"{_LIVE} AND issuer = $2 AND subject = $3 AND actor = $4 ORDER BY id DESC"
        return [_grant(row) for row in await db.few(sql, *self._who(principal), actor)]

    def _who(self, principal: Principal) -> tuple[int, str, str]:
        return self._clock.now(), principal.issuer, principal.subject


def _allows(newest_first: Iterable[Grant], tool: Tool) -> bool:
    """What the newest of the grants that speak of a tool says: a person's last word counts."""
    return next((tool.name not in grant.refused for grant in newest_first), False)


def _speaks_of(grant: Grant, connection: str | None, tool: Tool) -> bool:
    """Whether a grant refuses a tool, or allows it on this connection (None: on any)."""
    return tool.name in grant.refused or (connection in {None, *grant.connections} and _names(grant, tool))


def _names(grant: Grant, tool: Tool) -> bool:
    if tool.name in grant.tools:
        return True
    if tool.effect is Effect.DESTROY:
        return False
    connector = tool.connector.name
    return f"{connector}.*" in grant.tools or f"{connector}:{tool.effect}" in grant.tools


def _text(names: Iterable[str]) -> str:
    return json.dumps(sorted(names))


def _grant(row: Row) -> Grant:
    connections, tools, refused = (
        frozenset(json.loads(row[name])) for name in ("connections", "tools", "refused")
    )
    principal = Principal(row["issuer"], row["subject"])
    return Grant(
        id=row["id"],
        principal=principal,
        actor=row["actor"],
        connections=connections,
        tools=tools,
        refused=refused,
        until=row["until"],
        created=row["created"],
        uses=row["uses"],
        used=row["used"],
        offline=bool(row["offline"]),
    )


def _event(kind: str, by: str, grant: Grant, more: Mapping[str, Json] | None = None) -> AuditEvent:
    facts = {
        "grant": grant.id,
        "connections": sorted(grant.connections),
        "tools": sorted(grant.tools),
        "refused": sorted(grant.refused),
        "until": grant.until,
        **(more or {}),
    }
    return AuditEvent(kind, by, grant.principal, Actor(grant.actor), facts)


_INSERT = """
INSERT INTO grants
  (id, issuer, subject, actor, connections, tools, refused, until, uses, used, offline, created)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)"""
_LIVE = """
SELECT id, issuer, subject, actor, connections, tools, refused, until, uses, used, offline, created
FROM grants WHERE revoked IS NULL AND (until IS NULL OR until > $1)"""

__all__ = ["LASTS", "Given", "Grants"]
