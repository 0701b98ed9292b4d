"""The password once more, before anything is allowed: agents drive browsers too, and have its cookies."""

from dataclasses import dataclass

from valetkey.audit import Audit
from valetkey.errors import PageError
from valetkey.model import AuditEvent
from valetkey.people import Accounts, Session


@dataclass(frozen=True, slots=True)
class Wrong:
    """Why a password was not taken: the HTTP status of the page, and what it says."""

    status: int
    text: str


class Proof:
    """Checks that the person of a session is there."""

    def __init__(self, accounts: Accounts, audit: Audit) -> None:
        self._accounts, self._audit = accounts, audit

    async def wrong(self, session: Session, password: str) -> Wrong | None:
        """Return what is wrong with a password, None when it is the right one."""
        try:
            if await self._accounts.confirm(session.principal, password):
                return None
        except PageError as error:
            return Wrong(error.status, error.text)
        facts = {"session": session.id}
        await self._audit.note(AuditEvent("person.sign_in_failed", "person", session.principal, None, facts))
        return Wrong(403, "This is not your password.")
