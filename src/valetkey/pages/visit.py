"""One request of a browser: who it is signed in as, its form, and the answers a handler can give."""

import base64
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from jinja2 import Environment
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response

from valetkey.errors import PageError
from valetkey.model import MINUTE, Clock, Randomness
from valetkey.pages import cookies
from valetkey.pages.forms import Form, read_form
from valetkey.pages.headers import page_headers
from valetkey.pages.site import Site
from valetkey.pages.stamps import Stamps
from valetkey.people import Session
from valetkey.people.sessions import BROWSER_LASTS

FORM, CONFIRMED = "-form", "-confirmed"
"""Suffixes of cookies: what a form is bound to before anyone signs in; a password given a moment ago."""

CONFIRMED_FOR = 2 * MINUTE
STAMP = "stamp"
"""The hidden field of every form."""
_TICKET = re.compile(r"[A-Za-z0-9_-]{43}", re.ASCII)


@dataclass(frozen=True, slots=True)
class Tools:
    """What visits share."""

    site: Site
    stamps: Stamps
    templates: Environment
    clock: Clock
    randomness: Randomness
    asleep: Callable[[], str | None]


class Visit:
    """A request that arrived under a name of ours. `session` is the browser's live session, if any."""

    def __init__(self, request: Request, session: Session | None, tools: Tools) -> None:
        self.request, self.session, self._tools = request, session, tools
        found = cookies.read(request, self._name(FORM)) or ""
        self._kept = _TICKET.fullmatch(found) is not None
        self._ticket = found if self._kept else _text(tools.randomness(32))

    @property
    def now(self) -> int:
        """The time by our clock, in milliseconds."""
        return self._tools.clock.now()

    async def form(self) -> Form:
        """Return the posted form.

        Raises PageError: 403 when no page of ours in this browser sent it; another when it cannot be read.
        """
        self._tools.site.refuse_other_sites(self.request)
        form = await read_form(self.request)
        if not self._tools.stamps.fits(form.one(STAMP), "form", *self.bound_to()):
            text = "You may have signed in or out since it was opened. Nothing was done: open it again."
            raise PageError(403, "This page is out of date", text)
        return form

    def bound_to(self) -> tuple[str, str]:
        """What forms and challenges of this browser are for: its session, or a ticket before there is one."""
        return ("session", self.session.id) if self.session else ("browser", self._ticket)

    def page(
        self, template: str, *, status: int = 200, form_to: Iterable[str] = (), **values: Any
    ) -> Response:
        """Show a page. `form_to` are URLs elsewhere that its form may redirect to."""
        stamp = self._tools.stamps.make("form", *self.bound_to())
        known = {"stamp": stamp, "signed_in": self.session is not None, "now": self.now}
        known["asleep"] = self._tools.asleep()
        html = self._tools.templates.get_template(template).render(**known, **values)
        response = HTMLResponse(html, status, headers=page_headers(form_to))
        if self.session is None and not self._kept:
            cookies.put(response, self._tools.site, self._name(FORM), self._ticket)
        return response

    def see(self, url: str) -> Response:
        """Send the browser on (RFC 9110 section 15.4.4): what it does next is a GET."""
        return RedirectResponse(url, 303, headers=page_headers())

    def signed_in(self, response: Response, secret: str) -> Response:
        """Give the browser a session's cookie. What it had before ends here: a planted one is worthless."""
        cookies.put(response, self._tools.site, self._name(), secret, BROWSER_LASTS)
        cookies.put(response, self._tools.site, self._name(FORM), "", 0)
        return response

    def signed_out(self, response: Response) -> Response:
        for suffix in ("", CONFIRMED):
            cookies.put(response, self._tools.site, self._name(suffix), "", 0)
        return response

    def confirm(self, response: Response, about: str) -> Response:
        """Remember in the browser that this session's password was given just now, about one thing."""
        at = str(self._tools.clock.now())
        value = f"{at}.{self._tools.stamps.make('confirmed', *self.bound_to(), about, at)}"
        cookies.put(response, self._tools.site, self._name(CONFIRMED), value, CONFIRMED_FOR)
        return response

    def confirmed(self, about: str) -> bool:
        """Whether the password was given about this, in this session, within the last two minutes."""
        at, _, stamp = (cookies.read(self.request, self._name(CONFIRMED)) or "").partition(".")
        ours = self._tools.stamps.fits(stamp, "confirmed", *self.bound_to(), about, at)
        return ours and self.session is not None and self._is_recent(int(at))

    def _is_recent(self, at: int) -> bool:
        return 0 <= self._tools.clock.now() - at < CONFIRMED_FOR

    def _name(self, suffix: str = "") -> str:
        return self._tools.site.cookie(suffix)


def _text(random: bytes) -> str:
    return base64.urlsafe_b64encode(random).decode().rstrip("=")
