"""/signin and /signout: our own people, with their password or a passkey."""

from urllib.parse import urlencode

from starlette.responses import Response
from starlette.routing import Route

from valetkey.errors import PageError
from valetkey.identity.issuers import Issuers
from valetkey.pages import HOME, Form, Pages, Visit, safe_return
from valetkey.pages.returning import sign_in_url
from valetkey.people import Accounts, Passkeys
from valetkey.people.passkeys import NotAccepted
from valetkey.store import Store
from valetkey.web.browsers import Browsers

_PURPOSE, _DONE = "sign in", "person.signed_in"


class Signing:
    """Signs people in and out. `issuers` are those where other people may sign in."""

    def __init__(
        self,
        store: Store,
        accounts: Accounts,
        passkeys: Passkeys,
        issuers: Issuers,
        browsers: Browsers,
        *,
        owner_chooses: bool,
    ) -> None:
        self._store, self._accounts, self._passkeys, self._browsers = store, accounts, passkeys, browsers
        self._issuers, self._owner_chooses = [one.key for one in issuers.signing_in()], owner_chooses

    def routes(self, pages: Pages) -> list[Route]:
        return [
            pages.route("/signin", get=self._show, post=self._sign_in),
            pages.route("/signout", post=self._sign_out),
        ]

    async def _show(self, visit: Visit) -> Response:
        wanted = safe_return(visit.request.query_params.get("return_to", HOME))
        if visit.session:
            return visit.see(wanted)
        if self._owner_chooses and await self._accounts.newcomer(self._store):
            return visit.see(f"/welcome?{urlencode({'return_to': wanted})}")
        return await self._page(visit, wanted)

    async def _sign_in(self, visit: Visit, form: Form) -> Response:
        wanted = safe_return(form.one("return_to"))
        if signed := form.one("passkey"):
            return await self._by_passkey(visit, wanted, signed)
        return await self._by_password(visit, wanted, form.one("name").strip(), form.one("password"))

    async def _by_passkey(self, visit: Visit, wanted: str, signed: str) -> Response:
        try:
            passkey = await self._passkeys.use(signed, _PURPOSE, *visit.bound_to())
        except NotAccepted as refused:
            await self._browsers.refused_passkey(refused)
            return await self._page(visit, wanted, problem=refused.text, status=refused.status)
        return await self._browsers.begin(visit, passkey.principal, _DONE, wanted, way="passkey")

    async def _by_password(self, visit: Visit, wanted: str, name: str, password: str) -> Response:
        try:
            person = await self._accounts.sign_in(name, password)
        except PageError as error:  # too many tries: the page stays, with the name and the wait
            return await self._page(visit, wanted, name=name, problem=error.text, status=error.status)
        if person is None:
            await self._browsers.refused(name)
            problem = "Name and password do not match."
            return await self._page(visit, wanted, name=name, problem=problem, status=403)
        return await self._browsers.begin(visit, person.principal, _DONE, wanted, way="password")

    async def _sign_out(self, visit: Visit, form: Form) -> Response:
        return await self._browsers.end(visit, sign_in_url(safe_return(form.one("return_to"))))

    async def _page(
        self, visit: Visit, wanted: str, *, name: str = "", problem: str = "", status: int = 200
    ) -> Response:
        return visit.page(
            "signin.html",
            status=status,
            return_to=wanted,
            asked=wanted.startswith(("/connect/", "/authorize")),
            name=name,
            problem=problem,
            passkey=self._passkeys.asked(_PURPOSE, *visit.bound_to()),
            issuers=self._issuers,
            ours=not self._issuers or await self._accounts.anybody(self._store),
        )
