"""/join/<invitation>: a person who was invited chooses a password and is signed in."""

from starlette.responses import Response
from starlette.routing import Route

from valetkey.errors import UsageError
from valetkey.pages import HOME, Form, Pages, Visit
from valetkey.people import Accounts, Person
from valetkey.people.passwords import SHORTEST
from valetkey.store import Store
from valetkey.web.browsers import Browsers


class Joining:
    """Turns invitations into people with a password."""

    def __init__(self, store: Store, accounts: Accounts, browsers: Browsers) -> None:
        self._store, self._accounts, self._browsers = store, accounts, browsers

    def routes(self, pages: Pages) -> list[Route]:
        return [pages.route("/join/{invitation}", get=self._show, post=self._join)]

    async def _show(self, visit: Visit) -> Response:
        return _page(visit, await self._invited(visit))

    async def _join(self, visit: Visit, form: Form) -> Response:
        invited = await self._invited(visit)
        try:
            person = await self._accounts.join(visit.request.path_params["invitation"], form.one("password"))
        except UsageError as error:
            return _page(visit, invited, problem=str(error), status=422)
        return await self._browsers.begin(visit, person.principal, "person.joined", HOME)

    async def _invited(self, visit: Visit) -> Person:
        return await self._accounts.invited(self._store, visit.request.path_params["invitation"])


def _page(visit: Visit, person: Person, *, problem: str = "", status: int = 200) -> Response:
    return visit.page("join.html", status=status, person=person, problem=problem, shortest=SHORTEST)
