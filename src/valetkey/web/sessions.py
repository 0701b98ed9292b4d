"""/mine/sessions: how a person signs in, and where they and their clients are signed in now.

To end a session takes no password. To change how one signs in does.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from starlette.responses import Response
from starlette.routing import Route

from valetkey.audit import Audit
from valetkey.errors import UsageError
from valetkey.model import AuditEvent, Json
from valetkey.pages import Form, Pages
from valetkey.pages.proof import Proof
from valetkey.people import LOCAL, Accounts, Agents, Passkeys, Session, Sessions
from valetkey.people.passwords import SHORTEST
from valetkey.store import Store
from valetkey.web.browsers import Browsers
from valetkey.web.own import Own, OwnPages, nothing

PATH = "/mine/sessions"
_CLIENTS = {"client": "Signed in by you", "token": "With a token from the operator"}
_ABOUT = "password"


@dataclass(frozen=True, slots=True)
class _Place:
    """A session as the page shows it: where, how it came about, and whether it is the one that looks."""

    id: str
    label: str
    how: str
    since: int
    until: int
    this: bool


@dataclass(frozen=True, slots=True)
class _Problem:
    """What is wrong with the form for a password: its proof, or the new password."""

    status: int = 200
    proof: str = ""
    new: str = ""


class SessionsPage:
    """Lists sessions and ends them; shows the ways to sign in and changes the password."""

    def __init__(
        self,
        store: Store,
        audit: Audit,
        own: OwnPages,
        accounts: Accounts,
        passkeys: Passkeys,
        sessions: Sessions,
        agents: Agents,
        browsers: Browsers,
        proof: Proof,
    ) -> None:
        self._store, self._audit, self._own = store, audit, own
        self._accounts, self._passkeys, self._sessions = accounts, passkeys, sessions
        self._agents, self._browsers, self._proof = agents, browsers, proof

    def routes(self, pages: Pages) -> list[Route]:
        return [
            self._own.route(pages, PATH, get=self._show, post=self._end),
            self._own.route(pages, "/mine/password", post=self._change_password),
        ]

    async def _show(self, own: Own) -> Response:
        return await self._page(own, _Problem())

    async def _end(self, own: Own, form: Form) -> Response:
        """End one session, or `browsers`, or `clients`."""
        which = form.one("end")
        if which == "browsers":
            return await self._browsers.end_all(own.visit, own.principal)
        theirs = await self._sessions.of(self._store, own.principal)
        clients = [session for session in theirs if session.kind != "browser"]
        ending = clients if which == "clients" else [one for one in theirs if one.id == which]
        if not ending:
            raise nothing()
        await self._ended(ending)
        if own.session in ending:
            return own.visit.signed_out(own.visit.see("/signin"))
        return own.visit.see(PATH)

    async def _ended(self, ending: Iterable[Session]) -> None:
        async with self._store.transaction() as tx:
            for session in ending:
                if await self._sessions.end(tx, session.id):
                    await self._audit.append(tx, _event(session, "session.ended", kind=session.kind))

    async def _change_password(self, own: Own, form: Form) -> Response:
        if own.principal.issuer != LOCAL:
            raise nothing()
        problem, stored = await self._checked(own, form)
        if problem:
            return await self._page(own, problem)
        async with self._store.transaction() as tx:
            await self._accounts.set_password(tx, own.principal, stored, keep=own.session.id)
            await self._audit.append(tx, _event(own.session, "password.changed"))
        text = "Every other browser is signed out. Your agents are not affected."
        return own.done("Your password is set", text, PATH)

    async def _checked(self, own: Own, form: Form) -> tuple[_Problem | None, str]:
        """Hash the new password first: a proof that counts once is not spent on one that cannot be."""
        try:
            stored = await self._accounts.hashed(form.one("new"))
        except UsageError as error:
            return _Problem(422, new=str(error)), ""
        wrong = await self._proof.wrong(own.session, form, _ABOUT)
        return (_Problem(wrong.status, proof=wrong.text) if wrong else None), stored

    async def _page(self, own: Own, problem: _Problem) -> Response:
        theirs = await self._sessions.of(self._store, own.principal)
        person = await self._accounts.get(self._store, own.principal)
        return own.page(
            "sessions.html",
            status=problem.status,
            person=person,
            local=own.principal.issuer == LOCAL,
            burst=await self._accounts.burst(self._store, person),
            ways=await self._proof.ways(own.session, _ABOUT),
            passkeys=await self._passkeys.all(self._store, own.principal),
            host=self._passkeys.host if self._passkeys.possible else "",
            browsers=[await self._place(own, one) for one in theirs if one.kind == "browser"],
            clients=[await self._place(own, one) for one in theirs if one.kind in _CLIENTS],
            problem=problem,
            shortest=SHORTEST,
        )

    async def _place(self, own: Own, session: Session) -> _Place:
        how, this = _CLIENTS.get(session.kind, ""), session.id == own.session.id
        label = session.label or await self._name(session)
        return _Place(session.id, label, how, session.created, session.until, this)

    async def _name(self, session: Session) -> str:
        agent = await self._agents.get(self._store, session.actor) if session.actor else None
        return agent.name if agent else session.actor or "A browser"


def _event(session: Session, kind: str, /, **facts: Json) -> AuditEvent:
    return AuditEvent(kind, "person", session.principal, None, {"session": session.id, **facts})
