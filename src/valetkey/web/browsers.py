"""Browsers that sign in and out: their sessions and cookies, and what the audit says of it."""

from starlette.responses import Response

from valetkey.audit import Audit
from valetkey.model import AuditEvent, Principal
from valetkey.pages import Visit
from valetkey.people import Session, Sessions
from valetkey.store import Store
from valetkey.vault import KeyRing, Purpose


class Browsers:
    """Begins and ends the sessions of browsers."""

    def __init__(self, store: Store, keys: KeyRing, audit: Audit, sessions: Sessions) -> None:
        self._store, self._keys, self._audit, self._sessions = store, keys, audit, sessions

    async def begin(self, visit: Visit, principal: Principal, kind: str, to: str) -> Response:
        """Sign a browser in and send it on. It always gets a new session; a planted or older one ends."""
        async with self._store.transaction() as tx:
            if visit.session:
                await self._sessions.end(tx, visit.session.id)
            session, secret = await self._sessions.start_browser(tx, principal)
            await self._audit.append(tx, _event(kind, session))
        return visit.signed_in(visit.see(to), secret)

    async def end(self, visit: Visit, to: str) -> Response:
        """Sign this browser out and send it on."""
        if visit.session:
            await self._end([visit.session])
        return visit.signed_out(visit.see(to))

    async def end_all(self, visit: Visit, principal: Principal) -> Response:
        """Sign out every browser of a principal."""
        live = await self._sessions.all(self._store, "browser")
        await self._end([session for session in live if session.principal == principal])
        return visit.signed_out(visit.see("/signin"))

    async def refused(self, name: str) -> None:
        """Record a wrong name or password: the name as a keyed digest, itself only in the sealed part."""
        digest = self._keys.server(Purpose.LOOKUP).digest(f"name {name[:63].lower()}")
        event = AuditEvent("person.sign_in_failed", "person", None, None, {"name": digest}, {"name": name})
        await self._audit.note(event)

    async def _end(self, ending: list[Session]) -> None:
        async with self._store.transaction() as tx:
            for session in ending:
                await self._sessions.end(tx, session.id)
            await self._audit.append(tx, *(_event("person.signed_out", session) for session in ending))


def _event(kind: str, session: Session) -> AuditEvent:
    return AuditEvent(kind, "person", session.principal, None, {"session": session.id})
