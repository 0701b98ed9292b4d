"""The rows behind every token and cookie we issue: read on each use, so that ending one is immediate."""

import base64
from dataclasses import dataclass

from valetkey.model import DAY, MINUTE, Clock, Ids, Principal, Randomness
from valetkey.store import Reads, Row, Store, Transaction
from valetkey.vault import KeyRing, Purpose

BROWSER_LASTS = 7 * DAY
TOKEN_LASTS, TOKEN_AT_MOST = 60 * MINUTE, 30 * DAY


@dataclass(frozen=True, slots=True)
class Session:
    """A live session. `actor` is the agent a token is for; a browser's session has none."""

    id: str
    kind: str
    principal: Principal
    actor: str | None
    created: int
    until: int


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
        """Start the session of a client's token. `lasts` is in milliseconds."""
        return await self._start(tx, "token", None, principal, actor, lasts)

    async def start_browser(self, tx: Transaction, principal: Principal) -> tuple[Session, str]:
        """Start a browser's session; the second value is the cookie's secret, kept here as a digest."""
        secret = base64.urlsafe_b64encode(self._randomness(32)).decode().rstrip("=")
        session = await self._start(tx, "browser", self._digest(secret), principal, None, BROWSER_LASTS)
        return session, secret

    async def read(self, session_id: str) -> Session | None:
        """Return a token's session if it is live now: neither ended nor past its time."""
        return self._live(await self._store.one(f"{_SESSIONS} WHERE id = $1 AND kind = 'token'", session_id))

    async def of_cookie(self, secret: str) -> Session | None:
        """Return the live session of a browser's cookie."""
        return self._live(await self._store.one(f"{_SESSIONS} WHERE digest = $1", self._digest(secret)))

    async def all(self, db: Reads, kind: str) -> list[Session]:
        """Return the live sessions of one kind, newest first."""
        rows = await db.all(f"{_SESSIONS} WHERE kind = $1 ORDER BY created DESC", kind)
        return [session for row in rows if (session := self._live(row))]

    async def end(self, tx: Transaction, session_id: str) -> Session | None:
        """End a session for good and return it; None when it was not live."""
        session = self._live(await tx.one(f"{_SESSIONS} WHERE id = $1", session_id))
        await tx.run(
            "UPDATE sessions SET ended = $1 WHERE id = $2 AND ended IS NULL", self._clock.now(), session_id
        )
        return session

    async def _start(
        self,
        tx: Transaction,
        kind: str,
        digest: str | None,
        principal: Principal,
        actor: str | None,
        lasts: int,
    ) -> Session:
        now = self._clock.now()
        session = Session(self._ids.new("ses"), kind, principal, actor, now, now + lasts)
        values = (session.id, kind, digest, principal.issuer, principal.subject, actor, now, session.until)
        await tx.run("INSERT INTO sessions VALUES ($1, $2, $3, $4, $5, $6, $7, $8, NULL)", *values)
        return session

    def _live(self, row: Row | None) -> Session | None:
        if row is None or row["ended"] is not None or row["until"] <= self._clock.now():
            return None
        principal = Principal(row["issuer"], row["subject"])
        return Session(row["id"], row["kind"], principal, row["actor"], row["created"], row["until"])

    def _digest(self, secret: str) -> str:
        return self._keys.server(Purpose.PAGE).digest(f"session {secret}")


_SESSIONS = "SELECT id, kind, issuer, subject, actor, created, until, ended FROM sessions"
