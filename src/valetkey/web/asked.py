"""Who may see an access request's pages: the person who was asked, signed in, while it is open."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from starlette.responses import Response
from starlette.routing import Route

from valetkey.needs import AccessRequest, Next, Requests
from valetkey.pages import Form, Pages, Visit
from valetkey.pages.returning import sign_in_first
from valetkey.people import Accounts, Session
from valetkey.store import Store


@dataclass(frozen=True, slots=True)
class Hearing:
    """An open access request before the person it is for. `name` is theirs, `path` the request's page."""

    visit: Visit
    session: Session
    request: AccessRequest
    name: str
    path: str

    def onward(self, to: Next) -> Response:
        """Send the person where they go next."""
        url = to.provider or (f"{self.path}/confirm" if to.confirm else self.path)
        return self.visit.see(url)


Show = Callable[[Hearing], Awaitable[Response]]
Submit = Callable[[Hearing, Form], Awaitable[Response]]


class AskedPerson:
    """Lets the person who was asked through to a page, and nobody else."""

    def __init__(self, store: Store, accounts: Accounts, requests: Requests) -> None:
        self._store, self._accounts, self._requests = store, accounts, requests

    def route(self, pages: Pages, path: str, get: Show, post: Submit) -> Route:
        """Return a route whose handlers need not ask who is there. `path` holds the `handle`."""

        async def show(visit: Visit) -> Response:
            return await self._heard(visit, get)

        async def submit(visit: Visit, form: Form) -> Response:
            return await self._heard(visit, lambda hearing: post(hearing, form))

        return pages.route(path, get=show, post=submit)

    def path(self, request: AccessRequest) -> str:
        return f"/connect/{self._requests.handle(request)}"

    async def _heard(self, visit: Visit, handler: Show) -> Response:
        request = await self._requests.by_handle(visit.request.path_params["handle"])
        path = self.path(request)
        if visit.session is None:
            return sign_in_first(visit, path)
        if visit.session.principal != request.principal:
            return visit.page("somebody_else.html", status=403, return_to=path)
        if request.state != "open":
            if request.own:  # there is no agent to go back to
                return visit.see("/mine")
            return _ended(visit, request)
        person = await self._accounts.get(self._store, request.principal)
        return await handler(Hearing(visit, visit.session, request, person.name, path))


def _ended(visit: Visit, request: AccessRequest) -> Response:
    status, drawing, title, text = _ENDED[request.state]
    return visit.page("ended.html", status=status, drawing=drawing, title=title, text=text)


_ENDED = {
    "met": (200, "check", "Done", "You can go back to your agent. It continues by itself."),
    "declined": (200, "cross", "You said no", "The agent was told, and nothing was shared with it."),
    "expired": (
        410,
        "clock",
        "This link is no longer open",
        "Nobody answered it in time. Ask your agent to try again: it gets a new one.",
    ),
}
