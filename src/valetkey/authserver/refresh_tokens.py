"""Refresh tokens: one good at a time, and each session a lineage of its own (RFC 9700 section 4.14.2).

A used one gives its successor again for half a minute, to a client that lost the answer or asked twice at
once. After that it is a copy in somebody else's hands, or was, and the lineage ends.
"""

import base64
import hmac

from valetkey.audit import Audit
from valetkey.errors import OAuthError
from valetkey.model import DAY, SECOND, Actor, AuditEvent, Clock, Randomness
from valetkey.people import Session, Sessions
from valetkey.store import Store, Transaction
from valetkey.vault import Purpose, Vault
from valetkey.vault.rows import BoundRows, Table

IDLE, AT_MOST = 30 * DAY, 180 * DAY
"""How long a lineage lasts after its last use, and from its beginning."""

OVERLAP = 30 * SECOND
_SUCCESSOR = "refresh_successor"


class RefreshTokens:
    """Makes, rotates and recognises refresh tokens.

    One is `<session>.<256 random bits>.<our tag>`. The store has digests of the live one alone; the tag
    tells an old one of ours, which means theft, from one that somebody made up, which means nothing.
    """

    def __init__(
        self,
        store: Store,
        vault: Vault,
        audit: Audit,
        sessions: Sessions,
        clock: Clock,
        randomness: Randomness,
    ) -> None:
        self._store, self._vault, self._audit, self._sessions = store, vault, audit, sessions
        self._clock, self._randomness = clock, randomness
        self._bound = BoundRows(vault.keys, TABLE)

    async def first(self, session: Session) -> tuple[Session, str]:
        """Begin the lineage of a session; returns it as it stands from here on, and its first token."""
        async with self._store.transaction() as tx:
            return await self._used(tx, session), await self._new(tx, session)

    async def session(self, token: str) -> Session | None:
        """Return the live session whose token this is or was; None for anything else."""
        named, _, tag = token.rpartition(".")
        if not hmac.compare_digest(self._tag(named).encode(), tag.encode()):
            return None
        return await self._sessions.read(named.partition(".")[0])

    async def is_good(self, token: str) -> bool:
        """Whether a token is the one of its lineage that was not used yet."""
        row = self._bound.good(await self._store.one(_TOKEN, self._digest(token)))
        return row is not None and row["used"] is None

    async def rotate(self, session: Session, token: str) -> tuple[Session, str]:
        """Return the session, which lasts on, and the token that follows this one.

        Raises OAuthError `invalid_grant`. One transaction decides, so that of many at once all get the
        same; what was committed and never answered is there for the next try.
        """
        async with self._store.transaction() as tx:
            live = await self._sessions.live(tx, session.id)
            successor = await self._successor(tx, live, token) if live else None
            if live and successor:
                live = await self._used(tx, live)
            elif live:
                await self._end(tx, live)
        if live is None or successor is None:
            raise refused()
        return live, successor

    async def _successor(self, tx: Transaction, session: Session, token: str) -> str | None:
        """The token that follows; None where this one was used too long ago."""
        digest, now = self._digest(token), self._clock.now()
        row = self._bound.good(await tx.one(_TOKEN, digest))
        if row is None:
            return None
        if row["used"] is None:
            await self._bound.change(tx, digest, used=now)
            successor = await self._new(tx, session)
            await self._vault.put(tx, _SUCCESSOR, digest, successor, bound=session.id)
            return successor
        if now - row["used"] >= OVERLAP:
            return None
        return str((await self._vault.open(tx, _SUCCESSOR, digest)).content)

    async def forget_late(self) -> None:
        """Forget what was used half a minute ago, with its sealed successor, and what ended."""
        async with self._store.transaction() as tx:
            rows = await tx.all(_LATE, self._clock.now() - OVERLAP, self._clock.now())
            digests = [row["digest"] for row in rows]
            await self._vault.forget_all(tx, _SUCCESSOR, digests)
            await tx.many("DELETE FROM refresh_tokens WHERE digest = $1", [(digest,) for digest in digests])

    async def _new(self, tx: Transaction, session: Session) -> str:
        random = base64.urlsafe_b64encode(self._randomness(32)).decode().rstrip("=")
        named = f"{session.id}.{random}"
        token = f"{named}.{self._tag(named)}"
        await self._bound.insert(tx, digest=self._digest(token), session=session.id)
        return token

    async def _used(self, tx: Transaction, session: Session) -> Session:
        until = min(session.created + AT_MOST, self._clock.now() + IDLE)
        return await self._sessions.extend(tx, session, until)

    async def _end(self, tx: Transaction, session: Session) -> None:
        """Two hands have held this lineage, and nobody can tell which of them is the client's."""
        await self._sessions.end(tx, session.id)
        actor = Actor(session.actor) if session.actor else None
        facts = {"session": session.id}
        await self._audit.append(
            tx, AuditEvent("client.refresh_reused", "agent", session.principal, actor, facts)
        )

    def _tag(self, named: str) -> str:
        return self._keyed(f"refresh token of ours {named}")

    def _digest(self, token: str) -> str:
        return self._keyed(f"refresh token {token}")

    def _keyed(self, text: str) -> str:
        return self._vault.keys.server(Purpose.LOOKUP).digest(text)


def refused() -> OAuthError:
    """Return the one refusal for a token that is unknown, over, used, or another client's."""
    return OAuthError("invalid_grant", "this refresh token is unknown, or good no longer: sign in again")


TABLE = Table("refresh_tokens", ("digest",), ("session", "used"))
_TOKEN = f"{TABLE.select} WHERE digest = $1"
_LATE = """
SELECT digest FROM refresh_tokens WHERE used <= $1
UNION SELECT r.digest FROM refresh_tokens r JOIN sessions s ON s.id = r.session
WHERE s.ended IS NOT NULL OR s.until <= $2"""
