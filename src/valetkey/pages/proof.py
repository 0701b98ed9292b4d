"""The person once more, before anything is allowed: agents drive browsers too, and have their cookies.

A page shows the `Ways` in which its person can prove that they are there, and asks `wrong` of what its form
brought. A further way to do so is a field of `Ways` and a branch here; no page changes for it.
"""

from dataclasses import dataclass

from valetkey.audit import Audit
from valetkey.errors import PageError
from valetkey.model import AuditEvent
from valetkey.pages.forms import Form
from valetkey.people import LOCAL, Accounts, Session
from valetkey.people.passkeys import NotAccepted, Passkeys
from valetkey.people.proved import Proved
from valetkey.store import Store

_PURPOSE = "proof"


@dataclass(frozen=True, slots=True)
class Ways:
    """How a person can prove that they are there: what the macro `proof` of fields.html shows.

    `name` is theirs, for a browser that remembers passwords. `passkey` are the options for
    `navigator.credentials.get`, empty for somebody who has none here. `issuer` is where somebody else
    vouches for them and they can sign in once more, `about` this page; `proved`: they did, just now.
    """

    name: str
    password: bool
    passkey: str
    issuer: str = ""
    about: str = ""
    proved: bool = False


@dataclass(frozen=True, slots=True)
class Wrong:
    """Why a proof was not taken: the HTTP status of the page, and what it says."""

    status: int
    text: str


class Proof:
    """Checks that the person of a session is there, for one page: `about` says which, as an id does."""

    def __init__(
        self, store: Store, accounts: Accounts, passkeys: Passkeys, proved: Proved, audit: Audit
    ) -> None:
        self._store, self._accounts, self._passkeys = store, accounts, passkeys
        self._proved, self._audit = proved, audit

    async def ways(self, session: Session, about: str) -> Ways:
        """Return what a page about something has to show."""
        person = await self._accounts.get(self._store, session.principal)
        passkey = await self._passkeys.asked_of(self._store, session.principal, _PURPOSE, session.id, about)
        if session.principal.issuer == LOCAL:
            return Ways(person.name, person.has_password, passkey)
        proved = await self._proved.holds(session.id, about)
        return Ways(person.name, person.has_password, passkey, session.principal.issuer, about, proved=proved)

    async def wrong(self, session: Session, form: Form, about: str) -> Wrong | None:
        """Return what is wrong with the proof in a form, None when the person is there.

        What a passkey signed for one page is worth nothing on another, and nothing a second time.
        """
        if signed := form.one("passkey"):
            return await self._wrong_passkey(session, signed, about)
        if session.principal.issuer != LOCAL and not form.one("password"):
            return await self._wrong_elsewhere(session, about)
        return await self._wrong_password(session, form.one("password"))

    async def _wrong_elsewhere(self, session: Session, about: str) -> Wrong | None:
        if await self._proved.holds(session.id, about):
            return None
        text = f"Sign in at {session.principal.issuer} once more, then say it again: two minutes have passed."
        return Wrong(403, text)

    async def _wrong_passkey(self, session: Session, signed: str, about: str) -> Wrong | None:
        principal = session.principal
        try:
            await self._passkeys.use(signed, _PURPOSE, session.id, about, principal=principal)
        except NotAccepted as refused:
            if refused.copied:
                await self._audit.note(refused.copied.event("passkey.copied"))
            return Wrong(refused.status, refused.text)
        return None

    async def _wrong_password(self, session: Session, password: str) -> Wrong | None:
        try:
            if await self._accounts.confirm(session.principal, password):
                return None
        except PageError as error:
            return Wrong(error.status, error.text)
        facts = {"session": session.id}
        failed = AuditEvent("person.sign_in_failed", "person", session.principal, None, facts)
        async with self._store.transaction() as tx:
            burst = await self._accounts.failed_to_confirm(tx, session.principal)
            await self._audit.append(tx, failed, *([burst.event(session.principal)] if burst else []))
        return Wrong(403, "This is not your password.")
