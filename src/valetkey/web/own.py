"""The pages under /mine: for whoever is signed in, about themselves, with one navigation.

What is somebody else's looks there like what never was.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from starlette.responses import Response
from starlette.routing import Route

from valetkey.errors import PageError
from valetkey.model import Principal
from valetkey.needs import Requests
from valetkey.pages import Form, Pages, Visit
from valetkey.pages import Show as PageShow
from valetkey.pages import Submit as PageSubmit
from valetkey.pages.returning import sign_in_first
from valetkey.people import Session
from valetkey.store import Reads


@dataclass(frozen=True, slots=True)
class Own:
    """A visit of somebody who is signed in. `waiting` is how much waits for them to decide."""

    visit: Visit
    session: Session
    waiting: int

    @property
    def principal(self) -> Principal:
        return self.session.principal

    def id(self, name: str = "id") -> str:
        """A part of the address."""
        return str(self.visit.request.path_params[name])

    def asked(self, name: str) -> str:
        """A value of the query, empty where there is none."""
        return self.visit.request.query_params.get(name, "")

    def page(self, template: str, *, status: int = 200, **values: Any) -> Response:
        """Show one of their pages."""
        return self.visit.page(template, status=status, waiting=self.waiting, **values)

    def done(self, title: str, text: str, back: str) -> Response:
        """Say what was done."""
        return self.page("done.html", title=title, text=text, back=back)


Show = Callable[[Own], Awaitable[Response]]
Submit = Callable[[Own, Form], Awaitable[Response]]


class OwnPages:
    """Makes routes whose handlers need not ask whether anybody is there."""

    def __init__(self, db: Reads, requests: Requests) -> None:
        self._db, self._requests = db, requests

    def route(self, pages: Pages, path: str, *, get: Show | None = None, post: Submit | None = None) -> Route:
        """Return a route of somebody's own: GET leads to the sign-in page first, POST is refused without."""
        return pages.route(
            path, get=self._showing(get) if get else None, post=self._submitting(post) if post else None
        )

    def _showing(self, get: Show) -> PageShow:
        async def show(visit: Visit) -> Response:
            if visit.session is None:
                return sign_in_first(visit, _address(visit))
            return await get(await self._own(visit, visit.session))

        return show

    def _submitting(self, post: Submit) -> PageSubmit:
        async def submit(visit: Visit, form: Form) -> Response:
            if visit.session is None:
                raise PageError(403, "You are not signed in", "Sign in, and try again.")
            return await post(await self._own(visit, visit.session), form)

        return submit

    async def _own(self, visit: Visit, session: Session) -> Own:
        return Own(visit, session, len(await self._requests.open_for(self._db, session.principal)))


def nothing() -> PageError:
    """What is raised for an id that is nobody's, or somebody else's: nobody can tell which."""
    return PageError(404, "There is nothing here", "It may have ended already, or it is not yours.")


def made(one: str) -> int:
    """When something was made, in milliseconds: its id's UUIDv7 begins with it (RFC 9562 section 5.7)."""
    return int(one.partition("_")[2][:12], 16)


def _address(visit: Visit) -> str:
    url = visit.request.url
    return f"{url.path}?{url.query}" if url.query else url.path
