"""Authorization codes (RFC 6749 section 4.1.2): good once, within a minute, and only for whoever began.

A code stands for the session that its person has already allowed; tokens are made of that elsewhere.
"""

import base64
import hashlib
import hmac
import re

from valetkey.audit import Audit
from valetkey.errors import OAuthError
from valetkey.model import MINUTE, SECOND, Actor, AuditEvent, Clock, Randomness
from valetkey.people import Session, Sessions
from valetkey.store import Row, Store, Transaction
from valetkey.vault import KeyRing, Purpose
from valetkey.vault.rows import BoundRows, Table

LASTS = 60 * SECOND
_REMEMBERED = 10 * MINUTE
"""How long after its end a second use of a code is still known for what it is."""

_VERIFIER = re.compile(r"[A-Za-z0-9._~-]{43,128}", re.ASCII)


class Codes:
    """Makes codes and redeems them."""

    def __init__(
        self,
        store: Store,
        keys: KeyRing,
        audit: Audit,
        sessions: Sessions,
        clock: Clock,
        randomness: Randomness,
    ) -> None:
        self._store, self._keys, self._audit, self._sessions = store, keys, audit, sessions
        self._clock, self._randomness = clock, randomness
        self._bound = BoundRows(keys, TABLE)

    async def make(self, tx: Transaction, session: Session, redirect_uri: str, challenge: str) -> str:
        """Return a new code of a client's session. `challenge` is of PKCE's S256 (RFC 7636 section 4.2)."""
        code = base64.urlsafe_b64encode(self._randomness(32)).decode().rstrip("=")
        what = {"session": session.id, "redirect_uri": redirect_uri, "challenge": challenge}
        await self._bound.insert(tx, digest=self._digest(code), **what, until=self._clock.now() + LASTS)
        return code

    async def redeem(
        self, code: str, client_id: str, redirect_uri: str, verifier: str, resource: str | None
    ) -> Session:
        """Return the session of a code, which is used up from here on.

        Raises OAuthError: `invalid_grant`, and `invalid_target` for another resource. A wrong attempt does
        not use the code up: whoever only found it must not keep its client out. A second use ends the
        session of the first (RFC 6749 section 4.1.2): one of the two was a thief.
        """
        async with self._store.transaction() as tx:
            row, session = await self._known(tx, code)
            if row["used"] is None:
                self._refuse_other(row, session, client_id, redirect_uri, verifier, resource)
                await self._bound.change(tx, row["digest"], used=self._clock.now())
            else:
                await self._end(tx, session)
        if row["used"] is not None:
            raise _unknown()
        return session

    async def forget_late(self) -> None:
        """Forget codes that are long past their time."""
        async with self._store.transaction() as tx:
            await tx.run("DELETE FROM codes WHERE until <= $1", self._clock.now() - _REMEMBERED)

    async def _end(self, tx: Transaction, session: Session) -> None:
        await self._sessions.end(tx, session.id)
        actor = Actor(session.actor) if session.actor else None
        facts = {"session": session.id}
        event = AuditEvent("client.code_reused", "agent", session.principal, actor, facts)
        await self._audit.append(tx, event)

    async def _known(self, tx: Transaction, code: str) -> tuple[Row, Session]:
        row = self._bound.good(await tx.one(_CODE, self._digest(code)))
        session = await self._sessions.live(tx, row["session"]) if row else None
        if row is None or session is None:
            raise _unknown()
        return row, session

    def _refuse_other(
        self,
        row: Row,
        session: Session,
        client_id: str,
        redirect_uri: str,
        verifier: str,
        resource: str | None,
    ) -> None:
        if row["until"] <= self._clock.now() or session.actor != client_id:
            raise _unknown()
        if row["redirect_uri"] != redirect_uri:
            raise _refused("`redirect_uri` is not the one that the code was sent to")
        if not _fits(verifier, row["challenge"]):
            raise _refused("`code_verifier` does not fit the challenge")
        if resource not in {None, session.resource}:
            raise OAuthError("invalid_target", "`resource` is not the one that was allowed")

    def _digest(self, code: str) -> str:
        return self._keys.server(Purpose.LOOKUP).digest(f"code {code}")


def _fits(verifier: str, challenge: str) -> bool:
    """Whether a verifier is the one of a challenge (RFC 7636 section 4.6)."""
    if not _VERIFIER.fullmatch(verifier):
        return False
    digest = hashlib.sha256(verifier.encode()).digest()
    ours = base64.urlsafe_b64encode(digest).decode().rstrip("=")
    return hmac.compare_digest(ours.encode(), challenge.encode())


def _unknown() -> OAuthError:
    return _refused("this code is unknown, expired or used")


def _refused(description: str) -> OAuthError:
    return OAuthError("invalid_grant", description)


TABLE = Table("codes", ("digest",), ("session", "redirect_uri", "challenge", "until", "used"))
_CODE = f"{TABLE.select} WHERE digest = $1"
