"""/welcome: where one person's agents run on one machine, its owner chooses a password at the first page.

Only a stdio process on loopback mounts it: there the threat model already counts everything that runs
under the same account as the owner. Other accounts of the machine reach the port, too; they do not know
the link, and without it there is nothing here.
"""

from starlette.responses import Response
from starlette.routing import Route

from valetkey.errors import PageError, UsageError
from valetkey.needs import Requests
from valetkey.pages import HOME, Form, Pages, Visit, safe_return
from valetkey.people import Accounts, Person
from valetkey.people.passwords import SHORTEST
from valetkey.store import Store
from valetkey.web.browsers import Browsers

_LINK = "/connect/"


class Welcoming:
    """Lets the owner choose a first password, once, on the way to a link that is for them."""

    def __init__(self, store: Store, accounts: Accounts, requests: Requests, browsers: Browsers) -> None:
        self._store, self._accounts, self._requests, self._browsers = store, accounts, requests, browsers

    def routes(self, pages: Pages) -> list[Route]:
        return [pages.route("/welcome", get=self._show, post=self._choose)]

    async def _show(self, visit: Visit) -> Response:
        return _page(visit, await self._owner(visit))

    async def _choose(self, visit: Visit, form: Form) -> Response:
        owner = await self._owner(visit)
        try:
            person = await self._accounts.choose_first(owner.principal, form.one("password"))
        except UsageError as error:
            return _page(visit, owner, problem=str(error), status=422)
        return await self._browsers.begin(visit, person.principal, "person.joined", _wanted(visit))

    async def _owner(self, visit: Visit) -> Person:
        owner = await self._accounts.newcomer(self._store)
        if owner is None:
            raise PageError(404, "There is nothing here", "The owner of this server has a password already.")
        await self._refuse_without_link(visit, owner)
        return owner

    async def _refuse_without_link(self, visit: Visit, owner: Person) -> None:
        """Raises PageError 404 for anybody who was not sent here by an open link of the owner's."""
        handle = _wanted(visit).removeprefix(_LINK).partition("/")[0]
        request = await self._requests.by_handle(handle)
        if request.principal != owner.principal or request.state != "open":
            text = "This link is not open. Ask your agent to try again: it gets a new one."
            raise PageError(404, "There is nothing here", text)


def _wanted(visit: Visit) -> str:
    return safe_return(visit.request.query_params.get("return_to", HOME))


def _page(visit: Visit, person: Person, *, problem: str = "", status: int = 200) -> Response:
    return visit.page("join.html", status=status, person=person, problem=problem, shortest=SHORTEST)
