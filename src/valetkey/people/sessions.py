"""The rows behind every token and cookie we issue: read on each use, so that ending one is immediate."""

import base64
import json
from dataclasses import dataclass, replace
from typing import Any

from valetkey.model import DAY, MINUTE, Clock, Ids, Principal, Randomness
from valetkey.store import Reads, Row, Store, Transaction
from valetkey.vault import KeyRing, Purpose
from valetkey.vault.rows import BoundRows, Table

BROWSER_LASTS = 7 * DAY
TOKEN_LASTS, TOKEN_AT_MOST = 60 * MINUTE, 30 * DAY
MOST_BROWSERS = 50
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

    def __init__(
        self,
        store: Store,
        keys: KeyRing,
        ids: Ids,
        clock: Clock,
        randomness: Randomness,
        most_browsers: int = MOST_BROWSERS,
    ) -> None:
        self._store, self._keys, self._ids, self._clock, self._randomness = (
            store,
            keys,
            ids,
            clock,
            randomness,
        )
        self._bound, self._most = BoundRows(keys, TABLE), most_browsers

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
        await end_browsers(tx, self._bound, principal, self._clock.now(), newest=self._most)
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
        return self._live(await db.one(f"{_SELECT} WHERE id = $1 AND kind <> 'browser'", session_id))

    async def extend(self, tx: Transaction, session: Session, until: int) -> Session:
        """Let a session last until `until`, and return it so."""
        await self._bound.change(tx, session.id, until=until)
        return replace(session, until=until)

    async def of_cookie(self, secret: str) -> Session | None:
        """Return the live session of a browser's cookie."""
        return self._live(await self._store.one(f"{_SELECT} WHERE digest = $1", self._digest(secret)))

    async def all(self, db: Reads, kind: str) -> list[Session]:
        """Return the live sessions of one kind, newest first."""
        rows = await db.all(f"{_SELECT} WHERE kind = $1 ORDER BY created DESC", kind)
        return [session for row in rows if (session := self._live(row))]

    async def of_actor(self, db: Reads, actor: str) -> list[Session]:
        """Return an agent's live sessions, whoever they are for, newest first."""
        rows = await db.all(f"{_SELECT} WHERE actor = $1 ORDER BY created DESC", actor)
        return [session for row in rows if (session := self._live(row))]

    async def of(self, db: Reads, principal: Principal) -> list[Session]:
        """Return a principal's live sessions of every kind, newest first."""
        sql = f"{_SELECT} WHERE issuer = $1 AND subject = $2 ORDER BY created DESC, id DESC"
        rows = await db.all(sql, principal.issuer, principal.subject)
        return [session for row in rows if (session := self._live(row))]

    async def end(self, tx: Transaction, session_id: str) -> Session | None:
        """End a session for good, with all that were got in exchange for it; None when it was not live."""
        session = self._live(await tx.one(f"{_SELECT} WHERE id = $1", session_id))
        for row in self._bound.all_good(await tx.all(_WITH_DESCENDANTS, session_id)):
            await self._bound.change(tx, row["id"], ended=self._clock.now())
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
        await self._bound.insert(
            tx,
            id=session.id,
            kind=session.kind,
            digest=digest,
            issuer=session.principal.issuer,
            subject=session.principal.subject,
            actor=session.actor,
            chain=json.dumps(session.chain),
            scopes=" ".join(session.scopes),
            resource=session.resource,
            parent=session.parent,
            under=session.under,
            label=session.label,
            away=int(session.away),
            created=session.created,
            until=session.until,
        )
        return session

    def _live(self, found: Row | None) -> Session | None:
        row = self._bound.good(found)
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


async def end_browsers(
    tx: Transaction,
    bound: BoundRows,
    principal: Principal,
    now: int,
    *,
    keep: str | None = None,
    newest: int = 0,
) -> None:
    """End a principal's sessions in browsers but `keep` and so many `newest`. `bound`: rows of TABLE."""
    rows = await tx.all(_BROWSERS, principal.issuer, principal.subject, keep or "")
    for row in bound.all_good(rows)[newest:]:
        await bound.change(tx, row["id"], ended=now)


_WHO = ("kind", "digest", "issuer", "subject", "actor", "chain")
_WHAT = ("scopes", "resource", "parent", "under", "label", "away", "created", "until", "ended")
TABLE = Table("sessions", ("id",), (*_WHO, *_WHAT))
_SELECT = TABLE.select
_BROWSERS = f"""
{_SELECT} WHERE issuer = $1 AND subject = $2 AND kind = 'browser' AND ended IS NULL AND id <> $3
ORDER BY created DESC, id DESC"""
_WITH_DESCENDANTS = f"""
WITH RECURSIVE ending (id) AS (
  SELECT id FROM sessions WHERE id = $1
  UNION SELECT sessions.id FROM sessions JOIN ending ON sessions.parent = ending.id
)
{_SELECT} WHERE ended IS NULL AND id IN (SELECT id FROM ending)"""  # noqa: S608 - names of columns
