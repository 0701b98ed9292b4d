"""Where people sign in at an issuer of the sandbox: once for all clients, and anew when a client insists."""

import re
from urllib.parse import urlencode

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from valetkey.sandbox.forms import needed, query_parameters
from valetkey.sandbox.issuer import Issuer, Login
from valetkey.sandbox.issuer_twists import CALLBACK
from valetkey.sandbox.ledger import Refused
from valetkey.sandbox.pages import Brand, consent_page, refusal_page
from valetkey.sandbox.people import Person, find_person
from valetkey.sandbox.provider import Client

_REDIRECT = re.compile(r"http://(localhost|127\.0\.0\.1):[0-9]{1,5}/[A-Za-z0-9_/-]+")
_CHALLENGE = re.compile(r"[A-Za-z0-9_-]{43}")
_WORDS = {"openid": "Know who you are here", "profile": "See your name", "email": "See your e-mail address"}


class IssuerLogin:
    """The authorization endpoint of one issuer (OpenID Connect Core section 3.1.2)."""

    def __init__(self, issuer: Issuer) -> None:
        self._issuer = issuer
        self._brand = Brand(issuer.name.capitalize(), "#7a3ea8")
        self._cookie = f"{issuer.name}-sandbox"

    async def endpoint(self, request: Request) -> Response:
        try:
            query = query_parameters(request)
            client = self._client(query)
        except Refused as refused:
            return refusal_page(self._brand, refused.error, refused.text)
        try:
            return await self._answer(request, query, client)
        except Refused as refused:
            return self._back(query, {"error": refused.error, "error_description": refused.text})

    async def _answer(self, request: Request, query: dict[str, str], client: Client) -> Response:
        self._refuse_weak(query)
        if request.method == "POST":
            return await self._posted(request, query, client)
        known = self._signed_in(request)
        if known and not _insists(query, self._issuer.now() - known[1]):
            return self._arrived(query, client, *known)
        if query.get("prompt") == "none":
            raise Refused("login_required", "nobody is signed in here")
        scopes = [(one, _WORDS.get(one, one)) for one in needed(query, "scope").split()]
        return consent_page(
            self._brand,
            client.name,
            query["redirect_uri"],
            scopes,
            query.get("login_hint", ""),
            granular=False,
        )

    async def _posted(self, request: Request, query: dict[str, str], client: Client) -> Response:
        form = await request.form()
        person = find_person(str(form.get("account", "")))
        if form.get("decision") != "allow" or person is None:
            raise Refused("access_denied", "the person did not want to")
        now = self._issuer.now()
        response = self._arrived(query, client, person, now)
        response.set_cookie(self._cookie, f"{person.email}|{now}", httponly=True, samesite="lax")
        return response

    def _arrived(self, query: dict[str, str], client: Client, person: Person, at: int) -> Response:
        login = Login(
            person=person,
            client=client,
            at=at,
            redirect_uri=query["redirect_uri"],
            scopes=frozenset(query["scope"].split()),
            challenge=query["code_challenge"],
            nonce=query.get("nonce"),
            resource=query.get("resource"),
        )
        return self._back(query, {"code": self._issuer.code(login)})

    def _back(self, query: dict[str, str], answer: dict[str, str]) -> Response:
        said: dict[str, str | None] = {**answer, "state": query.get("state"), "iss": self._issuer.url}
        for name in self._issuer.books.twists & CALLBACK.keys():
            said |= CALLBACK[name]
        told = {name: value for name, value in said.items() if value is not None}
        return RedirectResponse(f"{query['redirect_uri']}?{urlencode(told)}", 303)

    def _client(self, query: dict[str, str]) -> Client:
        """Raises Refused where there is nobody to send an answer to (RFC 6749 section 4.1.2.1)."""
        client = self._issuer.client(query.get("client_id", ""))
        if client is None or not _REDIRECT.fullmatch(query.get("redirect_uri", "")):
            raise Refused("invalid_request", "this client, or its redirect_uri, is not known here")
        return client

    def _refuse_weak(self, query: dict[str, str]) -> None:
        if query.get("response_type") != "code" or "openid" not in needed(query, "scope").split():
            raise Refused("invalid_request", "a code, for openid, is all that can be had here")
        challenge, method = query.get("code_challenge", ""), query.get("code_challenge_method")
        if method != "S256" or not _CHALLENGE.fullmatch(challenge):
            raise Refused("invalid_request", "a code_challenge with S256 is needed")

    def _signed_in(self, request: Request) -> tuple[Person, int] | None:
        email, _, at = request.cookies.get(self._cookie, "").partition("|")
        person = find_person(email)
        return (person, int(at)) if person else None


def _insists(query: dict[str, str], age: int) -> bool:
    """Whether a client wants somebody to sign in who is signed in already."""
    return query.get("prompt") in {"login", "select_account"} or age > int(query.get("max_age", age))
