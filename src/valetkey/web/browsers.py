"""Browsers that sign in and out: their sessions and cookies, and what the audit says of it."""

from collections.abc import Iterable

from starlette.responses import Response

from valetkey.audit import Audit
from valetkey.model import AuditEvent, Json, Principal
from valetkey.pages import Visit
from valetkey.people import Accounts, Session, Sessions
from valetkey.people.passkeys import NotAccepted
from valetkey.store import Store
from valetkey.vault import KeyRing, Purpose
from valetkey.web.labels import browser_label


class Browsers:
    """Begins and ends the sessions of browsers."""

    def __init__(
        self, store: Store, keys: KeyRing, audit: Audit, accounts: Accounts, sessions: Sessions
    ) -> None:
        self._store, self._keys, self._audit = store, keys, audit
        self._accounts, self._sessions = accounts, sessions

    async def begin(self, visit: Visit, principal: Principal, kind: str, to: str, *, way: str) -> Response:
        """Sign a browser in and send it on. It always gets a new session; a planted or older one ends.

        `kind` is what the audit calls it, and `way` how the person showed who they are.
        """
        async with self._store.transaction() as tx:
            if visit.session:
                await self._sessions.end(tx, visit.session.id)
            label = browser_label(visit.request.headers.get("user-agent", ""))
            session, secret = await self._sessions.start_browser(tx, principal, label)
            await self._audit.append(tx, _event(kind, session, way=way))
        return visit.signed_in(visit.see(to), secret)

    async def end(self, visit: Visit, to: str) -> Response:
        """Sign this browser out and send it on."""
        if visit.session:
            await self._end([visit.session])
        return visit.signed_out(visit.see(to))

    async def end_all(self, visit: Visit, principal: Principal) -> Response:
        """Sign out every browser of a principal."""
        theirs = await self._sessions.of(self._store, principal)
        await self._end(session for session in theirs if session.kind == "browser")
        return visit.signed_out(visit.see("/signin"))

    async def refused(self, name: str) -> None:
        """Record a wrong name or password: the name as a keyed digest, itself only in the sealed part."""
        digest = self._keys.server(Purpose.LOOKUP).digest(f"name {name[:63].lower()}")
        failed = AuditEvent("person.sign_in_failed", "person", None, None, {"name": digest}, {"name": name})
        async with self._store.transaction() as tx:
            burst = await self._accounts.failed_to_sign_in(tx, name)
            whose = await self._accounts.known_as(tx, name)
            slowed = [burst.event(whose.principal if whose else None, name=digest)] if burst else []
            await self._audit.append(tx, failed, *slowed)

    async def refused_passkey(self, refused: NotAccepted) -> None:
        """Record a passkey that seems to exist twice. Any other that is refused says nothing of anybody."""
        if refused.copied:
            await self._audit.note(refused.copied.event("passkey.copied"))

    async def _end(self, ending: Iterable[Session]) -> None:
        async with self._store.transaction() as tx:
            for session in ending:
                await self._sessions.end(tx, session.id)
                await self._audit.append(tx, _event("person.signed_out", session))


def _event(kind: str, session: Session, **facts: Json) -> AuditEvent:
    return AuditEvent(kind, "person", session.principal, None, {"session": session.id, **facts})
