"""/join/<invitation>: a person who was invited chooses how they sign in, and is signed in.

Who was invited anew begins anew: no password or passkey of before opens anything from then on.
"""

from starlette.responses import Response
from starlette.routing import Route

from valetkey.audit import Audit
from valetkey.errors import UsageError
from valetkey.pages import HOME, Form, Pages, Visit
from valetkey.people import Accounts, Passkeys, Person
from valetkey.people.passkeys import NotAccepted
from valetkey.people.passwords import SHORTEST
from valetkey.store import Store
from valetkey.web.browsers import Browsers
from valetkey.web.labels import browser_label


class Joining:
    """Turns invitations into people with a password or a passkey."""

    def __init__(
        self, store: Store, accounts: Accounts, passkeys: Passkeys, browsers: Browsers, audit: Audit
    ) -> None:
        self._store, self._accounts, self._passkeys = store, accounts, passkeys
        self._browsers, self._audit = browsers, audit

    def routes(self, pages: Pages) -> list[Route]:
        return [pages.route("/join/{invitation}", get=self._show, post=self._join)]

    async def _show(self, visit: Visit) -> Response:
        return await self._page(visit, await self._invited(visit))

    async def _join(self, visit: Visit, form: Form) -> Response:
        invited, made = await self._invited(visit), form.one("passkey")
        try:
            await (self._with_passkey(visit, made) if made else self._with_password(visit, form))
        except UsageError as error:
            return await self._page(visit, invited, problem=str(error), status=422)
        except NotAccepted as refused:
            return await self._page(visit, invited, problem=refused.text, status=refused.status)
        way = "passkey" if made else "password"
        return await self._browsers.begin(visit, invited.principal, "person.joined", HOME, way=way)

    async def _with_password(self, visit: Visit, form: Form) -> None:
        await self._accounts.join(_invitation(visit), form.one("password"))

    async def _with_passkey(self, visit: Visit, made: str) -> None:
        name = browser_label(visit.request.headers.get("user-agent", ""))
        async with self._store.transaction() as tx:
            person = await self._accounts.begin_anew(tx, _invitation(visit))
            passkey = await self._passkeys.add(tx, person.principal, name, made, *_about(visit))
            await self._audit.append(tx, passkey.event("passkey.added"))

    async def _invited(self, visit: Visit) -> Person:
        return await self._accounts.invited(self._store, _invitation(visit))

    async def _page(self, visit: Visit, person: Person, *, problem: str = "", status: int = 200) -> Response:
        offered = await self._passkeys.offered(self._store, person.principal, person.name, *_about(visit))
        return visit.page(
            "join.html",
            status=status,
            person=person,
            problem=problem,
            code_file="",
            shortest=SHORTEST,
            passkey=offered,
        )


def _invitation(visit: Visit) -> str:
    return str(visit.request.path_params["invitation"])


def _about(visit: Visit) -> tuple[str, ...]:
    return ("join", _invitation(visit), *visit.bound_to())
