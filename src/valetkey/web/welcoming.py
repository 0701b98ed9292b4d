"""/welcome: where one person's agents run on one machine, its owner chooses a password at the first page.

Only a stdio process on loopback mounts it: there the threat model already counts everything that runs
under the same account as the owner.
"""

from starlette.responses import Response
from starlette.routing import Route

from valetkey.errors import PageError, UsageError
from valetkey.pages import Form, Pages, Visit, safe_return
from valetkey.people import Accounts, Person
from valetkey.people.passwords import SHORTEST
from valetkey.store import Store
from valetkey.web.browsers import Browsers


class Welcoming:
    """Lets the owner choose a first password, once."""

    def __init__(self, store: Store, accounts: Accounts, browsers: Browsers) -> None:
        self._store, self._accounts, self._browsers = store, accounts, browsers

    def routes(self, pages: Pages) -> list[Route]:
        return [pages.route("/welcome", get=self._show, post=self._choose)]

    async def _show(self, visit: Visit) -> Response:
        return _page(visit, await self._owner())

    async def _choose(self, visit: Visit, form: Form) -> Response:
        owner = await self._owner()
        try:
            person = await self._accounts.choose_first(owner.subject, form.one("password"))
        except UsageError as error:
            return _page(visit, owner, problem=str(error), status=422)
        wanted = safe_return(visit.request.query_params.get("return_to", "/mine"))
        return await self._browsers.begin(visit, person.principal, "person.joined", wanted)

    async def _owner(self) -> Person:
        owner = await self._accounts.newcomer(self._store)
        if owner is None:
            raise PageError(404, "There is nothing here", "The owner of this server has a password already.")
        return owner


def _page(visit: Visit, person: Person, *, problem: str = "", status: int = 200) -> Response:
    return visit.page("join.html", status=status, person=person, problem=problem, shortest=SHORTEST)
