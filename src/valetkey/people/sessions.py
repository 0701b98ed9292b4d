"""The rows behind every token and cookie we issue: read on each use, so that ending one is immediate."""

import base64
import json
from dataclasses import dataclass, replace
from typing import Any

from valetkey.model import DAY, MINUTE, Clock, Ids, Principal, Randomness
from valetkey.store import Reads, Row, Store, Transaction
from valetkey.vault import KeyRing, Purpose

BROWSER_LASTS = 7 * DAY
TOKEN_LASTS, TOKEN_AT_MOST = 60 * MINUTE, 30 * DAY
_MOST_BROWSERS = 50
SCOPE = "mcp"
"""The scope with which a token calls tools, and nothing else."""


@dataclass(frozen=True, slots=True)
class Session:
    """A live session. `actor` is the agent a token is for; a browser's session has none.

    `chain` is who stands behind the actor (RFC 8693 section 4.1), nearest first. `resource` is the MCP
    endpoint its tokens are for (RFC 8707), None for all. `parent` is the session and `under` the grant
    that it ends with. `label` says to a person which browser or client this is. `away`: it goes back to a
    grant alone, whose person was not there.
    """

    id: str
    kind: str
    principal: Principal
    actor: str | None
    created: int
    until: int
    chain: tuple[str, ...] = ()
    scopes: tuple[str, ...] = (SCOPE,)
    resource: str | None = None
    parent: str | None = None
    under: str | None = None
    label: str | None = None
    away: bool = False


class Sessions:
    """Starts, reads and ends sessions."""

    def __init__(self, store: Store, keys: KeyRing, ids: Ids, clock: Clock, randomness: Randomness) -> None:
        self._store, self._keys, self._ids, self._clock, self._randomness = (
            store,
            keys,
            ids,
            clock,
            randomness,
        )

    async def start_token(self, tx: Transaction, principal: Principal, actor: str, lasts: int) -> Session:
        """Start the session of a token that the operator mints. `lasts` is in milliseconds."""
        return await self._start(tx, self._new("token", principal, actor, lasts))

    async def start_browser(
        self, tx: Transaction, principal: Principal, label: str | None = None
    ) -> tuple[Session, str]:
        """Start a browser's session; the second value is the cookie's secret, kept here as a digest.

        A person has so many browsers and no more: the ones begun longest ago end.
        """
        secret = base64.urlsafe_b64encode(self._randomness(32)).decode().rstrip("=")
        session = self._new("browser", principal, None, BROWSER_LASTS, label=label)
        await self._start(tx, session, self._digest(secret))
        await tx.run(_END_OLDEST, self._clock.now(), principal.issuer, principal.subject, _MOST_BROWSERS)
        return session, secret

    async def start_client(
        self,
        tx: Transaction,
        principal: Principal,
        actor: str,
        lasts: int,
        *,
        scopes: tuple[str, ...],
        resource: str | None,
        label: str | None,
    ) -> Session:
        """Start the session of a client that a person signed in: its lineage of refresh tokens."""
        more = {"scopes": scopes, "resource": resource, "label": label}
        return await self._start(tx, self._new("client", principal, actor, lasts, **more))

    async def start_exchanged(
        self,
        tx: Transaction,
        principal: Principal,
        actor: str,
        lasts: int,
        *,
        chain: tuple[str, ...],
        scopes: tuple[str, ...],
        resource: str | None,
        parent: str | None,
        under: str,
        away: bool,
    ) -> Session:
        """Start the session of a token that an agent got in exchange (RFC 8693), under the grant `under`."""
        may = {"chain": chain, "scopes": scopes, "resource": resource, "away": away}
        session = self._new("exchanged", principal, actor, lasts, parent=parent, under=under, **may)
        return await self._start(tx, session)

    async def read(self, session_id: str) -> Session | None:
        """Return a token's session if it is live now: neither ended nor past its time."""
        return await self.live(self._store, session_id)

    async def live(self, db: Reads, session_id: str) -> Session | None:
        """Return what `read` does, as a transaction sees it."""
        return self._live(await db.one(f"{_SESSIONS} WHERE id = $1 AND kind <> 'browser'", session_id))

    async def extend(self, tx: Transaction, session: Session, until: int) -> Session:
        """Let a session last until `until`, and return it so."""
        await tx.run("UPDATE sessions SET until = $1 WHERE id = $2", until, session.id)
        return replace(session, until=until)

    async def of_cookie(self, secret: str) -> Session | None:
        """Return the live session of a browser's cookie."""
        return self._live(await self._store.one(f"{_SESSIONS} WHERE digest = $1", self._digest(secret)))

    async def all(self, db: Reads, kind: str) -> list[Session]:
        """Return the live sessions of one kind, newest first."""
        rows = await db.all(f"{_SESSIONS} WHERE kind = $1 ORDER BY created DESC", kind)
        return [session for row in rows if (session := self._live(row))]

    async def of_actor(self, db: Reads, actor: str) -> list[Session]:
        """Return an agent's live sessions, whoever they are for, newest first."""
        rows = await db.all(f"{_SESSIONS} WHERE actor = $1 ORDER BY created DESC", actor)
        return [session for row in rows if (session := self._live(row))]

    async def of(self, db: Reads, principal: Principal) -> list[Session]:
        """Return a principal's live sessions of every kind, newest first."""
        sql = f"{_SESSIONS} WHERE issuer = $1 AND subject = $2 ORDER BY created DESC, id DESC"
        rows = await db.all(sql, principal.issuer, principal.subject)
        return [session for row in rows if (session := self._live(row))]

    async def end(self, tx: Transaction, session_id: str) -> Session | None:
        """End a session for good, with all that were got in exchange for it; None when it was not live."""
        session = self._live(await tx.one(f"{_SESSIONS} WHERE id = $1", session_id))
        await tx.run(_END, self._clock.now(), session_id)
        return session

    async def forget_exchanged(self) -> None:
        """Delete what agents got for ten minutes, a day after: there are as many of these as they like."""
        async with self._store.transaction(durable=False) as tx:
            sql = "DELETE FROM sessions WHERE kind = 'exchanged' AND until <= $1"
            await tx.run(sql, self._clock.now() - DAY)

    def _new(self, kind: str, principal: Principal, actor: str | None, lasts: int, **more: Any) -> Session:
        now = self._clock.now()
        return Session(self._ids.new("ses"), kind, principal, actor, now, now + lasts, **more)

    async def _start(self, tx: Transaction, session: Session, digest: str | None = None) -> Session:
        who = (session.principal.issuer, session.principal.subject, session.actor)
        may = (json.dumps(session.chain), " ".join(session.scopes), session.resource)
        ends = (session.parent, session.under, session.label, int(session.away))
        lasts = (session.created, session.until)
        await tx.run(_INSERT, session.id, session.kind, digest, *who, *may, *ends, *lasts)
        return session

    def _live(self, row: Row | None) -> Session | None:
        if row is None or row["ended"] is not None or row["until"] <= self._clock.now():
            return None
        return Session(
            id=row["id"],
            kind=row["kind"],
            principal=Principal(row["issuer"], row["subject"]),
            actor=row["actor"],
            created=row["created"],
            until=row["until"],
            chain=tuple(json.loads(row["chain"])),
            scopes=tuple(row["scopes"].split()),
            resource=row["resource"],
            parent=row["parent"],
            under=row["under"],
            label=row["label"],
            away=bool(row["away"]),
        )

    def _digest(self, secret: str) -> str:
        return self._keys.server(Purpose.PAGE).digest(f"session {secret}")


_SESSIONS = """
SELECT id, kind, issuer, subject, actor, chain, scopes, resource, parent, under, label, away, created, until,
  ended
FROM sessions"""
_INSERT = """
INSERT INTO sessions
  (id, kind, digest, issuer, subject, actor, chain, scopes, resource, parent, under, label, away, created,
   until)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15)"""
_END_OLDEST = """
UPDATE sessions SET ended = $1
WHERE ended IS NULL AND kind = 'browser' AND issuer = $2 AND subject = $3 AND id NOT IN (
  SELECT id FROM sessions WHERE ended IS NULL AND kind = 'browser' AND issuer = $2 AND subject = $3
  ORDER BY created DESC, id DESC LIMIT $4)"""
_END = """
WITH RECURSIVE ending (id) AS (
  SELECT id FROM sessions WHERE id = $2
  UNION SELECT sessions.id FROM sessions JOIN ending ON sessions.parent = ending.id
)
UPDATE sessions SET ended = $1 WHERE ended IS NULL AND id IN (SELECT id FROM ending)"""
