"""The door every page is behind: the name it is reached under, the method, and an answer for every error."""

import logging
from collections.abc import Awaitable, Callable, Mapping

from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.types import Receive, Scope, Send

from valetkey.errors import PageError, StoreError, where
from valetkey.pages import cookies
from valetkey.pages.forms import Form
from valetkey.pages.headers import page_headers
from valetkey.pages.static import nothing
from valetkey.pages.visit import Tools, Visit
from valetkey.people import Sessions

Show = Callable[[Visit], Awaitable[Response]]
Submit = Callable[[Visit, Form], Awaitable[Response]]
_log = logging.getLogger(__name__)


class Door:
    """An ASGI endpoint: what GET shows, what POST does; a form is checked before its handler sees it."""

    def __init__(
        self, path: str, tools: Tools, sessions: Sessions, get: Show | None, post: Submit | None
    ) -> None:
        self._path, self._tools, self._sessions, self._get, self._post = path, tools, sessions, get, post

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope, receive)
        response = await self._answer(request)
        await response(scope, receive, send)

    async def _answer(self, request: Request) -> Response:
        try:
            self._tools.site.refuse_other_hosts(request)
            return await self._handled(await self._visit(request))
        except PageError as error:
            return self._problem(error)
        except StoreError as error:
            _log.error("%s could not be stored: %s", self._path, error)
            text = (
                "The store of this server cannot be written, so nothing was done. Its operator has to look."
            )
            return self._problem(PageError(503, "Not now", text))
        except Exception as error:  # noqa: BLE001 - whatever it is, a person gets a page and no detail
            _log.error("%s failed: %s", self._path, where(error))
            text = "Nothing more is known to have been done. Try again; the operator's log says what it was."
            return self._problem(PageError(500, "Something went wrong here", text))

    async def _handled(self, visit: Visit) -> Response:
        method = visit.request.method
        if method == "GET" and self._get:
            return await self._get(visit)
        if method == "POST" and self._post:
            return await self._post(visit, await visit.form())
        raise PageError(405, "That cannot be done here", "Use the form on the page.")

    async def _visit(self, request: Request) -> Visit:
        secret = cookies.read(request, self._tools.site.cookie())
        return Visit(request, await self._sessions.of_cookie(secret) if secret else None, self._tools)

    def _problem(self, error: PageError) -> Response:
        html = self._tools.templates.get_template("problem.html").render(title=error.title, text=error.text)
        return HTMLResponse(html, error.status, headers={**page_headers(), **self._allow(error)})

    def _allow(self, error: PageError) -> Mapping[str, str]:
        methods = [name for name, handler in (("GET", self._get), ("POST", self._post)) if handler]
        return {"Allow": ", ".join(methods)} if error.status == 405 else {}


class Nowhere(Door):
    """The door at every address where nothing is, whatever the method."""

    def __init__(self, tools: Tools, sessions: Sessions) -> None:
        super().__init__("an unknown address", tools, sessions, None, None)

    async def _handled(self, visit: Visit) -> Response:
        raise nothing()
