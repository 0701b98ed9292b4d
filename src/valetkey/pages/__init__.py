"""What every page shares: templates, the session cookie, stamped forms, headers, static files, error pages.

What the pages are for is the business of the rooms above; nothing here knows a route but `/static/`.
"""

import secrets
from collections.abc import Callable, Sequence

from starlette.applications import Starlette
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from valetkey.model import Clock, Randomness
from valetkey.pages.door import Door, Nowhere, Show, Submit
from valetkey.pages.forms import Form
from valetkey.pages.headers import page_headers
from valetkey.pages.returning import HOME, safe_return
from valetkey.pages.site import Site
from valetkey.pages.stamps import Stamps
from valetkey.pages.static import answer, static_files
from valetkey.pages.templates import environment
from valetkey.pages.visit import Tools, Visit
from valetkey.pages.words import EFFECTS, plain, tool_title
from valetkey.people import Sessions
from valetkey.vault import KeyRing


class Pages:
    """Makes routes of handlers. `asleep` says, in half a sentence, why this server acts for nobody."""

    def __init__(
        self,
        site: Site,
        keys: KeyRing,
        sessions: Sessions,
        clock: Clock,
        randomness: Randomness = secrets.token_bytes,
        asleep: Callable[[], str | None] = lambda: None,
    ) -> None:
        self._sessions, self._static = sessions, static_files()
        templates = environment({name: file.link for name, file in self._static.items()})
        self._tools = Tools(site, Stamps(keys), templates, clock, randomness, asleep)

    def route(self, path: str, *, get: Show | None = None, post: Submit | None = None) -> Route:
        """Return a route that answers GET, POST or both; any other method is 405."""
        return Route(path, Door(path, self._tools, self._sessions, get, post))

    def static(self) -> Route:
        """Return the route of the stylesheet and the images."""
        return self.route("/static/{name}", get=self._file)

    def application(self, routes: Sequence[BaseRoute]) -> Starlette:
        """Return the application of routes: where none of them is, there is a page that says so."""
        made = Starlette(routes=routes)
        made.router.redirect_slashes = False  # Starlette builds that redirect from `Host`
        made.router.default = Nowhere(self._tools, self._sessions)
        return made

    async def _file(self, visit: Visit) -> Response:
        version = visit.request.query_params.get("v")
        return answer(self._static, visit.request.path_params["name"], version)


__all__ = [
    "EFFECTS",
    "HOME",
    "Form",
    "Pages",
    "Show",
    "Site",
    "Submit",
    "Visit",
    "page_headers",
    "plain",
    "safe_return",
    "tool_title",
]
