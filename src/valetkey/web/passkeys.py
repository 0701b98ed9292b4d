"""/mine/passkeys: adding one, which takes a proof and then a browser that makes it; and removing one."""

from starlette.responses import Response
from starlette.routing import Route

from valetkey.audit import Audit
from valetkey.errors import UsageError
from valetkey.pages import Form, Pages
from valetkey.pages.proof import Proof
from valetkey.people import LOCAL, Accounts, Passkeys
from valetkey.people.passkeys import NotAccepted
from valetkey.store import Store
from valetkey.web.labels import browser_label
from valetkey.web.own import Own, OwnPages, nothing
from valetkey.web.sessions import PATH as BACK

_NEW = "/mine/passkeys/new"
_ABOUT = "new passkey"


class PasskeyPages:
    """Adds and removes passkeys of our own people."""

    def __init__(
        self, store: Store, audit: Audit, own: OwnPages, accounts: Accounts, passkeys: Passkeys, proof: Proof
    ) -> None:
        self._store, self._audit, self._own = store, audit, own
        self._accounts, self._passkeys, self._proof = accounts, passkeys, proof

    def routes(self, pages: Pages) -> list[Route]:
        return [
            self._own.route(pages, _NEW, get=self._show, post=self._answer),
            self._own.route(pages, "/mine/passkeys/{id}/remove", post=self._remove),
        ]

    async def _show(self, own: Own) -> Response:
        return await self._page(own)

    async def _answer(self, own: Own, form: Form) -> Response:
        """Take the proof at first; once it is there, what the browser made."""
        if own.principal.issuer != LOCAL or not self._passkeys.possible:
            raise nothing()
        if own.visit.confirmed(_ABOUT):
            return await self._add(own, form)
        if wrong := await self._proof.wrong(own.session, form, _ABOUT):
            return await self._page(own, problem=wrong.text, status=wrong.status)
        return own.visit.confirm(own.visit.see(_NEW), _ABOUT)

    async def _add(self, own: Own, form: Form) -> Response:
        made, name = form.one("passkey"), form.one("name")
        try:
            async with self._store.transaction() as tx:
                passkey = await self._passkeys.add(tx, own.principal, name, made, *_about(own))
                await self._audit.append(tx, passkey.event("passkey.added"))
        except (NotAccepted, UsageError) as error:
            return await self._page(own, problem=getattr(error, "text", str(error)), status=422)
        return own.visit.see(BACK)

    async def _remove(self, own: Own, form: Form) -> Response:
        try:
            async with self._store.transaction() as tx:
                passkey = await self._passkeys.remove(tx, own.principal, own.id())
                await self._audit.append(tx, passkey.event("passkey.removed"))
        except UsageError:
            raise nothing() from None
        return own.visit.see(BACK)

    async def _page(self, own: Own, *, problem: str = "", status: int = 200) -> Response:
        if own.principal.issuer != LOCAL:
            raise nothing()
        person = await self._accounts.get(self._store, own.principal)
        values = {"problem": problem, "host": self._passkeys.host}
        if not own.visit.confirmed(_ABOUT):
            ways = await self._proof.ways(own.session, _ABOUT)
            return own.page("passkey.html", status=status, ways=ways, **values)
        offered = await self._passkeys.offered(self._store, own.principal, person.name, *_about(own))
        label = browser_label(own.visit.request.headers.get("user-agent", ""))
        return own.page("passkey.html", status=status, ways=None, offered=offered, label=label, **values)


def _about(own: Own) -> tuple[str, ...]:
    return (_ABOUT, *own.visit.bound_to())
