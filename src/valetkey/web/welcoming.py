"""/welcome: where one person's agents run on one machine, its owner chooses how to sign in at the first page.

Only a stdio process on loopback mounts it. It takes the link, which other accounts of the machine do not
know, and a code from a file, which an agent that can open pages does not.
"""

from starlette.responses import Response
from starlette.routing import Route

from valetkey.audit import Audit
from valetkey.errors import PageError, UsageError
from valetkey.needs import Requests
from valetkey.pages import HOME, Form, Pages, Visit, safe_return
from valetkey.pages.proof import Wrong
from valetkey.people import Accounts, Passkeys, Person, Welcome
from valetkey.people.passkeys import NotAccepted
from valetkey.people.passwords import SHORTEST
from valetkey.store import Store
from valetkey.web.browsers import Browsers
from valetkey.web.labels import browser_label

_LINK = "/connect/"


class Welcoming:
    """Lets the owner choose a first password or passkey, once, on the way to a link that is for them."""

    def __init__(
        self,
        store: Store,
        accounts: Accounts,
        passkeys: Passkeys,
        requests: Requests,
        browsers: Browsers,
        audit: Audit,
        welcome: Welcome,
    ) -> None:
        self._store, self._accounts, self._passkeys = store, accounts, passkeys
        self._requests, self._browsers, self._audit, self._welcome = requests, browsers, audit, welcome

    def routes(self, pages: Pages) -> list[Route]:
        return [pages.route("/welcome", get=self._show, post=self._choose)]

    async def _show(self, visit: Visit) -> Response:
        return await self._page(visit, await self._owner(visit))

    async def _choose(self, visit: Visit, form: Form) -> Response:
        owner, made = await self._owner(visit), form.one("passkey")
        if wrong := await self._wrong_code(owner, form.one("code")):
            return await self._page(visit, owner, wrong_code=wrong.text, status=wrong.status)
        try:
            await (self._with_passkey(visit, owner, made) if made else self._with_password(owner, form))
        except UsageError as error:
            return await self._page(visit, owner, problem=str(error), status=422)
        except NotAccepted as refused:
            return await self._page(visit, owner, problem=refused.text, status=refused.status)
        self._welcome.clear_away()
        way, to = "passkey" if made else "password", _wanted(visit)
        return await self._browsers.begin(visit, owner.principal, "person.joined", to, way=way)

    async def _wrong_code(self, owner: Person, code: str) -> Wrong | None:
        try:
            right = await self._welcome.is_right(owner.principal, code)
        except PageError as error:
            return Wrong(error.status, error.text)
        return None if right else Wrong(403, "This is not the code in that file.")

    async def _with_password(self, owner: Person, form: Form) -> None:
        await self._accounts.choose_first(owner.principal, form.one("password"))

    async def _with_passkey(self, visit: Visit, owner: Person, made: str) -> None:
        name = browser_label(visit.request.headers.get("user-agent", ""))
        async with self._store.transaction() as tx:
            await self._accounts.refuse_joined(tx, owner.principal)
            passkey = await self._passkeys.add(tx, owner.principal, name, made, *_about(visit))
            await self._audit.append(tx, passkey.event("passkey.added"))

    async def _owner(self, visit: Visit) -> Person:
        owner = await self._accounts.newcomer(self._store)
        if owner is None:
            text = "The owner of this server has chosen how to sign in already."
            raise PageError(404, "There is nothing here", text)
        await self._refuse_without_link(visit, owner)
        return owner

    async def _refuse_without_link(self, visit: Visit, owner: Person) -> None:
        """Raises PageError 404 for anybody who was not sent here by an open link of the owner's."""
        handle = _wanted(visit).removeprefix(_LINK).partition("/")[0]
        request = await self._requests.by_handle(handle)
        if request.principal != owner.principal or request.state != "open":
            text = "This link is not open. Ask your agent to try again: it gets a new one."
            raise PageError(404, "There is nothing here", text)

    async def _page(
        self, visit: Visit, owner: Person, *, problem: str = "", wrong_code: str = "", status: int = 200
    ) -> Response:
        self._welcome.lay_out(owner.principal)
        offered = await self._passkeys.offered(self._store, owner.principal, owner.name, *_about(visit))
        return visit.page(
            "join.html",
            status=status,
            person=owner,
            problem=problem,
            wrong_code=wrong_code,
            code_file=str(self._welcome.file),
            shortest=SHORTEST,
            passkey=offered,
        )


def _wanted(visit: Visit) -> str:
    return safe_return(visit.request.query_params.get("return_to", HOME))


def _about(visit: Visit) -> tuple[str, ...]:
    return ("welcome", *visit.bound_to())
