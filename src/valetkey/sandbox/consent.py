"""The authorization endpoint all providers share: check the request, show the page, redirect with a code.

A request that cannot be trusted gets a page and never a redirect (RFC 6749 section 4.1.2.1).
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Protocol
from urllib.parse import urlencode, urlsplit

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from valetkey.sandbox.forms import needed, parameters, query_parameters
from valetkey.sandbox.ledger import Refused
from valetkey.sandbox.pages import Brand, consent_page, refusal_page
from valetkey.sandbox.people import find_person
from valetkey.sandbox.provider import Provider

LOOPBACK = re.compile(r"http://(localhost|127\.0\.0\.1):[0-9]{1,5}/callback/[A-Za-z0-9_-]+")
CHALLENGE = re.compile(r"[A-Za-z0-9_-]{43}")


@dataclass(frozen=True, slots=True)
class Ask:
    """A checked authorization request. `offline`: a refresh token will be issued."""

    redirect_uri: str
    state: str | None
    scopes: tuple[str, ...]
    challenge: str | None
    offline: bool
    login_hint: str
    including_granted: bool


class Dialect(Protocol):
    """Where providers differ. `granular`: each scope can be unticked; `answers_errors`: errors redirect."""

    brand: Brand
    granular: bool
    answers_errors: bool

    def scopes(self, query: dict[str, str]) -> tuple[str, ...]:
        """Return the scopes asked for. Raises Refused for one there is not."""
        ...

    def offline(self, query: dict[str, str]) -> bool:
        """Whether this request, once allowed, brings a refresh token."""
        ...

    def words(self, scope: str) -> str:
        """Say what a scope allows, for a person."""
        ...


class Consent:
    """One provider's authorization endpoint."""

    def __init__(self, provider: Provider, dialect: Dialect) -> None:
        self._provider, self._dialect = provider, dialect

    async def endpoint(self, request: Request) -> Response:
        """GET shows the page; POST is its form: `account`, `scope` once per ticked box, `decision`."""
        try:
            query = query_parameters(request)
            self._check_client(query)
        except Refused as refused:
            return refusal_page(self._dialect.brand, refused.error, refused.text)
        try:
            ask = self._ask(query)
        except Refused as refused:
            return self._refuse(query, refused)
        return await self._answered(request, ask) if request.method == "POST" else self._page(ask)

    def decide(self, ask: Ask, account: str, ticked: Iterable[str], decision: str) -> str:
        """Carry out a person's decision; return the URL their browser is sent to. Raises Refused."""
        if decision != "allow":
            return self._location(ask.redirect_uri, ask.state, {"error": "access_denied"})
        person = find_person(account)
        if person is None:
            raise Refused("invalid_request", "nobody here has that address")
        granted = self._granted(ask, person.email, ticked)
        if not granted:
            return self._location(ask.redirect_uri, ask.state, {"error": "access_denied"})
        code = self._provider.ledger.consent(
            self._provider.kind.client.id,
            person.email,
            granted,
            ask.redirect_uri,
            ask.challenge,
            offline=ask.offline,
        )
        self._provider.counters.codes_issued += 1
        return self._location(ask.redirect_uri, ask.state, {"code": code})

    def approve(self, query: str, account: str, ticked: Iterable[str] | None, decision: str) -> str:
        """Answer the authorization request with this query string as its form would; for tests in process."""
        asked = parameters(query)
        self._check_client(asked)
        ask = self._ask(asked)
        return self.decide(ask, account, ask.scopes if ticked is None else ticked, decision)

    def _check_client(self, query: dict[str, str]) -> None:
        if query.get("client_id") != self._provider.kind.client.id:
            raise Refused("invalid_client", "no client is registered under this client_id")
        uri = query.get("redirect_uri", "")
        loopback = self._provider.rules.http_redirects and LOOPBACK.fullmatch(uri)
        if not loopback and uri not in self._provider.redirects:
            raise Refused("redirect_uri_mismatch", "this redirect_uri is not registered for the client")

    def _ask(self, query: dict[str, str]) -> Ask:
        if needed(query, "response_type") != "code":
            raise Refused("unsupported_response_type", "only response_type=code is served")
        return Ask(
            redirect_uri=query["redirect_uri"],
            state=query.get("state"),
            scopes=self._dialect.scopes(query),
            challenge=self._challenge(query),
            offline=self._dialect.offline(query),
            login_hint=query.get("login_hint", ""),
            including_granted=query.get("include_granted_scopes") == "true",
        )

    def _challenge(self, query: dict[str, str]) -> str | None:
        """RFC 7636 section 4.3, S256 only: `plain` protects nothing, and is what a missing method means."""
        challenge, method = query.get("code_challenge"), query.get("code_challenge_method")
        if challenge is None and method is None and not self._provider.rules.pkce_required:
            return None
        if method != "S256" or not CHALLENGE.fullmatch(challenge or ""):
            raise Refused("invalid_request", "a code_challenge with code_challenge_method=S256 is needed")
        return challenge

    def _granted(self, ask: Ask, account: str, ticked: Iterable[str]) -> frozenset[str]:
        exactly = self._provider.rules.grants_exactly
        if exactly is not None:
            return exactly
        asked = frozenset(ask.scopes)
        chosen = asked & frozenset(ticked) if self._dialect.granular else asked
        earlier = self._provider.ledger.granted(self._provider.kind.client.id, account)
        return chosen | earlier if ask.including_granted else chosen

    def _page(self, ask: Ask) -> Response:
        boxes = [(scope, self._dialect.words(scope)) for scope in ask.scopes]
        client, host = self._provider.kind.client.name, urlsplit(ask.redirect_uri).netloc
        return consent_page(
            self._dialect.brand, client, host, boxes, ask.login_hint, granular=self._dialect.granular
        )

    async def _answered(self, request: Request, ask: Ask) -> Response:
        form = await request.form()
        account, decision = str(form.get("account", "")), str(form.get("decision", ""))
        ticked = [str(scope) for scope in form.getlist("scope")]
        try:
            return RedirectResponse(self.decide(ask, account, ticked, decision), 303)
        except Refused as refused:
            return refusal_page(self._dialect.brand, refused.error, refused.text)

    def _refuse(self, query: dict[str, str], refused: Refused) -> Response:
        if not self._dialect.answers_errors:
            return refusal_page(self._dialect.brand, refused.error, refused.text)
        answer = {"error": refused.error, "error_description": refused.text}
        return RedirectResponse(self._location(query["redirect_uri"], query.get("state"), answer), 303)

    def _location(self, redirect_uri: str, state: str | None, answer: dict[str, str]) -> str:
        if state is not None:
            answer["state"] = state
        if self._provider.rules.sends_iss:
            answer["iss"] = self._provider.kind.issuer  # RFC 9207 section 2: in errors too
        glue = "&" if urlsplit(redirect_uri).query else "?"
        return redirect_uri + glue + urlencode(answer)
