"""/signin and /signout: our own people and their passwords."""

from urllib.parse import urlencode

from starlette.responses import Response
from starlette.routing import Route

from valetkey.errors import PageError
from valetkey.pages import HOME, Form, Pages, Visit, safe_return
from valetkey.pages.returning import sign_in_url
from valetkey.people import Accounts
from valetkey.store import Store
from valetkey.web.browsers import Browsers


class Signing:
    """Signs people in and out."""

    def __init__(self, store: Store, accounts: Accounts, browsers: Browsers, *, owner_chooses: bool) -> None:
        self._store, self._accounts, self._browsers = store, accounts, browsers
        self._owner_chooses = owner_chooses

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
        return _page(visit, wanted)

    async def _sign_in(self, visit: Visit, form: Form) -> Response:
        name, wanted = form.one("name").strip(), safe_return(form.one("return_to"))
        try:
            person = await self._accounts.sign_in(name, form.one("password"))
        except PageError as error:  # too many tries: the page stays, with the name and the wait
            return _page(visit, wanted, name=name, problem=error.text, status=error.status)
        if person is None:
            await self._browsers.refused(name)
            return _page(visit, wanted, name=name, problem="Name and password do not match.", status=403)
        return await self._browsers.begin(visit, person.principal, "person.signed_in", wanted)

    async def _sign_out(self, visit: Visit, form: Form) -> Response:
        return await self._browsers.end(visit, sign_in_url(safe_return(form.one("return_to"))))


def _page(visit: Visit, wanted: str, *, name: str = "", problem: str = "", status: int = 200) -> Response:
    asked = wanted.startswith("/connect/")
    return visit.page("signin.html", status=status, return_to=wanted, asked=asked, name=name, problem=problem)
