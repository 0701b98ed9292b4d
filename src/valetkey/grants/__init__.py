"""Grants: which actor may use which tools on a principal's connections, until when, and how often.

What an entry names is in `entries`, which grant counts in `deciding`; here they are kept.
"""

from collections.abc import Callable, Collection, Iterable, Mapping
from functools import partial

from valetkey.audit import Audit, Claim
from valetkey.errors import UsageError
from valetkey.grants import rows
from valetkey.grants.changing import extended, narrowed
from valetkey.grants.deciding import allowing, hidden
from valetkey.grants.terms import KEEP, LASTS, USES, Given, Less, More, Terms
from valetkey.manifest import Tool
from valetkey.model import Clock, Grant, Ids, Json, Principal
from valetkey.store import Reads, Row, Store, Transaction
from valetkey.vault import KeyRing
from valetkey.vault.rows import BoundRows


class Grants:
    """Stores, reads, changes and ends grants."""

    def __init__(self, store: Store, keys: KeyRing, audit: Audit, ids: Ids, clock: Clock) -> None:
        self._store, self._audit, self._ids, self._clock = store, audit, ids, clock
        self._bound = BoundRows(keys, rows.TABLE)

    async def give(
        self, tx: Transaction, principal: Principal, actor: str, connections: Iterable[str], given: Given
    ) -> Grant:
        """Store a grant in the caller's transaction, and the fact of it in the audit."""
        now = self._clock.now()
        grant = Grant(
            id=self._ids.new("grt"),
            principal=principal,
            actor=actor,
            connections=frozenset(connections),
            tools=given.tools,
            refused=given.refused,
            until=None if given.lasts is None else now + given.lasts,
            created=now,
            uses=given.uses,
            offline=given.offline,
        )
        await self._bound.insert(tx, **rows.values(grant))
        await self._audit.append(tx, rows.event("grant.given", "person", grant))
        return grant

    async def covering(
        self, principal: Principal, actor: str, connection: str, tool: Tool, *, away: bool = False
    ) -> Grant | None:
        """Return the grant that lets this actor use this tool on this connection now, if one does.

        `away`: the actor came while its person is away, so only a grant that says so counts.
        """
        standing = await self._standing(self._store, principal, actor)
        return allowing(standing, connection, tool, away=away)

    async def covers(self, principal: Principal, actor: str, connection: str, tool: Tool) -> bool:
        """Whether there is such a grant, while the person is there."""
        return await self.covering(principal, actor, connection, tool) is not None

    async def refused(self, principal: Principal, actor: str, tools: Iterable[Tool]) -> frozenset[str]:
        """Those of the tools that a person refused this actor and has not allowed since."""
        standing = await self._standing(self._store, principal, actor)
        return frozenset(tool.name for tool in tools if hidden(standing, tool))

    def claim(self, grant: Grant) -> Claim | None:
        """What uses up one call of a grant while the call is opened; None where its calls are not counted."""
        if grant.uses is None:
            return None

        async def one_call(tx: Transaction) -> bool:
            row = await self._live(tx, grant.id)
            if row is not None:
                await self._bound.change(tx, grant.id, used=row["used"] + 1)
            return row is not None

        return one_call

    async def of(self, principal: Principal) -> list[Grant]:
        """A principal's live grants, newest first."""
        sql = f"{rows.LIVE} AND issuer = $2 AND subject = $3 ORDER BY id DESC"
        return self._read(await self._store.all(sql, *self._who(principal)))

    async def get(self, grant_id: str) -> Grant | None:
        """Whosever live grant has this id: for the operator, who may name any."""
        row = await self._live(self._store, grant_id)
        return rows.read(row) if row else None

    async def of_actor(self, actor: str) -> list[Grant]:
        """The live grants that principals gave an actor, newest first."""
        sql = f"{rows.LIVE} AND actor = $2 ORDER BY id DESC"
        return self._read(await self._store.all(sql, self._clock.now(), actor))

    async def lives(self, grant_id: str) -> bool:
        """Whether a grant has neither ended nor been revoked or used up."""
        return await self._live(self._store, grant_id) is not None

    async def stands(self, grant_id: str) -> bool:
        """Whether a grant has neither ended nor been revoked, though it may be used up."""
        row = await self._store.one(f"{rows.STANDING} AND id = $2", self._clock.now(), grant_id)
        return self._bound.good(row) is not None

    async def narrow(
        self,
        principal: Principal,
        grant_id: str,
        less: Less,
        by: str = "person",
        facts: Mapping[str, Json] | None = None,
    ) -> Grant:
        """Take something away from one of a principal's grants. It can be no way to allow more.

        Raises UsageError: no such grant, nothing would change, or nothing be left.
        """
        change = partial(narrowed, less=less, now=self._clock.now())
        return await self._changed(principal, grant_id, change, "grant.narrowed", by, facts)

    async def extend(
        self,
        principal: Principal,
        grant_id: str,
        more: More,
        by: str = "person",
        facts: Mapping[str, Json] | None = None,
    ) -> Grant:
        """Add to one of a principal's grants; that it is they who do was proved before.

        Raises UsageError: no such grant, or nothing would change.
        """
        change = partial(extended, more=more, now=self._clock.now())
        return await self._changed(principal, grant_id, change, "grant.extended", by, facts)

    async def revoke(
        self,
        principal: Principal,
        grant_id: str,
        by: str = "person",
        facts: Mapping[str, Json] | None = None,
    ) -> Grant:
        """End one of a principal's grants at once; `facts` go into its event.

        Raises UsageError when they have no such grant.
        """
        async with self._store.transaction() as tx:
            grant = await self._own(tx, principal, grant_id)
            await self._end(tx, grant, by, facts)
        return grant

    async def revoke_all(self, tx: Transaction, principal: Principal, actors: Collection[str]) -> list[Grant]:
        """End everything a principal lets some actors do, in the caller's transaction; return it."""
        ending = [grant for actor in sorted(actors) for grant in await self._standing(tx, principal, actor)]
        for grant in ending:
            await self._end(tx, grant, "person", None)
        return ending

    async def _changed(
        self,
        principal: Principal,
        grant_id: str,
        change: Callable[[Grant], Grant],
        kind: str,
        by: str,
        facts: Mapping[str, Json] | None,
    ) -> Grant:
        async with self._store.transaction() as tx:
            before = await self._own(tx, principal, grant_id)
            after = change(before)
            if after == before:
                raise UsageError("that would change nothing in this grant")
            await self._bound.change(tx, grant_id, **rows.terms(after))
            await self._audit.append(tx, rows.event(kind, by, after, facts))
        return after

    async def _end(self, tx: Transaction, grant: Grant, by: str, facts: Mapping[str, Json] | None) -> None:
        await self._bound.change(tx, grant.id, revoked=self._clock.now())
        await self._audit.append(tx, rows.event("grant.revoked", by, grant, facts))

    async def _own(self, tx: Transaction, principal: Principal, grant_id: str) -> Grant:
        mine = f"{rows.STANDING} AND issuer = $2 AND subject = $3 AND id = $4"
        row = self._bound.good(await tx.one(mine, *self._who(principal), grant_id))
        if row is None:
            raise UsageError("there is no such grant, or it has ended already")
        return rows.read(row)

    async def _standing(self, db: Reads, principal: Principal, actor: str) -> list[Grant]:
        sql = f"{rows.STANDING} AND issuer = $2 AND subject = $3 AND actor = $4 ORDER BY id DESC"
        return self._read(await db.few(sql, *self._who(principal), actor))

    async def _live(self, db: Reads, grant_id: str) -> Row | None:
        return self._bound.good(await db.one(f"{rows.LIVE} AND id = $2", self._clock.now(), grant_id))

    def _read(self, found: Iterable[Row]) -> list[Grant]:
        return [rows.read(row) for row in self._bound.all_good(found)]

    def _who(self, principal: Principal) -> tuple[int, str, str]:
        return self._clock.now(), principal.issuer, principal.subject


__all__ = ["KEEP", "LASTS", "USES", "Given", "Grants", "Less", "More", "Terms"]
