"""/signin/<issuer> and its callback: people sign in where an issuer that we trust vouches for them.

Whoever is signed in from there goes once more to show that they are there: a cookie alone allows nothing.
"""

import json
from urllib.parse import urlsplit

from starlette.responses import Response
from starlette.routing import Route

from valetkey.audit import Audit
from valetkey.errors import IssuerFailed, PageError, Unauthenticated, UsageError
from valetkey.identity.id_tokens import SignedIn
from valetkey.identity.issuers import Issuer
from valetkey.identity.sign_ins import Arrived
from valetkey.identity.trust import Trust
from valetkey.model import AuditEvent, Json
from valetkey.pages import HOME, Form, Pages, Visit, safe_return
from valetkey.people import Session
from valetkey.people.proved import Proved
from valetkey.web.browsers import Browsers


class Federated:
    """Sends people to issuers, and receives them."""

    def __init__(self, trust: Trust, proved: Proved, browsers: Browsers, audit: Audit) -> None:
        self._trust, self._proved, self._browsers, self._audit = trust, proved, browsers, audit

    def routes(self, pages: Pages) -> list[Route]:
        return [
            pages.route("/signin/{issuer}", post=self._set_out),
            pages.route("/signin/{issuer}/callback", get=self._arrive),
        ]

    async def _set_out(self, visit: Visit, form: Form) -> Response:
        issuer = self._issuer(visit)
        about = form.one("about") if visit.session else ""
        back = _came_from(visit) if about else safe_return(form.one("return_to"))
        if visit.session and not (about and visit.session.principal.issuer == issuer.key):
            return visit.see(back)  # they are signed in already, or from elsewhere
        luggage = {"about": about, "return_to": back}
        try:
            url = await self._trust.sign_ins.begin(issuer, _browser(visit), luggage, anew=bool(about))
        except IssuerFailed:
            raise _failed(issuer) from None
        # A page and no redirect: Chromium holds whatever an issuer redirects to against our form-action.
        return visit.page("onward.html", place=urlsplit(url).netloc, url=url)

    async def _arrive(self, visit: Visit) -> Response:
        issuer, params = self._issuer(visit), visit.request.query_params.multi_items()
        try:
            arrived = await self._trust.sign_ins.arrive(issuer, params, _browser(visit))
        except IssuerFailed:
            await self._note(visit, issuer, "issuer_failed")
            raise _failed(issuer) from None
        except Unauthenticated:
            await self._note(visit, issuer, "not_believed")
            text = (
                "What it said of you cannot be believed here. Nothing was done; the operator's audit has it."
            )
            raise PageError(403, f"The sign-in at {issuer.key} did not work", text) from None
        except PageError as refused:
            await self._note(visit, issuer, "callback_refused", status=refused.status)
            raise
        return await self._received(visit, issuer, arrived)

    async def _received(self, visit: Visit, issuer: Issuer, arrived: Arrived) -> Response:
        who, to = arrived.who, safe_return(arrived.luggage["return_to"])
        if about := arrived.luggage["about"]:
            return await self._shown(visit, issuer, who, about, to)
        await self._trust.vouched.met(who.principal, who.name)
        return await self._browsers.begin(visit, who.principal, "person.signed_in", to, way=issuer.key)

    async def _shown(self, visit: Visit, issuer: Issuer, who: SignedIn, about: str, to: str) -> Response:
        """The person of this session is there, if it was they who signed in."""
        session = _same_person(visit, who)
        if session is None:
            await self._note(visit, issuer, "somebody_else")
            text = f"Sign in at {issuer.key} as the person who is signed in here, or sign out here first."
            raise PageError(403, "Somebody else signed in", text)
        await self._proved.remember(session.id, about)
        return visit.see(to)

    def _issuer(self, visit: Visit) -> Issuer:
        try:
            issuer = self._trust.issuers.named(visit.request.path_params["issuer"])
        except UsageError:
            issuer = None
        if issuer is None or issuer.rules.sign_in is None:
            raise PageError(404, "There is nothing here", "The address may be mistyped.")
        return issuer

    async def _note(self, visit: Visit, issuer: Issuer, why: str, **facts: Json) -> None:
        principal = visit.session.principal if visit.session else None
        told = {"issuer": issuer.key, "why": why, **facts}
        await self._audit.note(AuditEvent("person.sign_in_failed", "person", principal, None, told))


def _same_person(visit: Visit, who: SignedIn) -> Session | None:
    return visit.session if visit.session and visit.session.principal == who.principal else None


def _browser(visit: Visit) -> str:
    """A text that no other browser has, nor the same one once somebody else has signed in there."""
    return json.dumps(visit.bound_to())


def _came_from(visit: Visit) -> str:
    """The page of ours whose form was sent. Where a browser does not say, home: nothing hangs on it."""
    parts = urlsplit(visit.request.headers.get("referer", ""))
    return safe_return(f"{parts.path}?{parts.query}" if parts.query else parts.path) if parts.path else HOME


def _failed(issuer: Issuer) -> PageError:
    text = "It does not answer as it should. Try again in a moment; `valetkey issuers check` says more."
    return PageError(502, f"{issuer.key} cannot be reached for signing in", text)
