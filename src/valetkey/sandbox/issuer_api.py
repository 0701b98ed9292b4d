"""The endpoints of an issuer of the sandbox that programs come to: metadata, keys, tokens, introspection."""

import base64
import hashlib
from collections.abc import Awaitable, Callable

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from valetkey.model import Json
from valetkey.sandbox.forms import claimed, is_client, needed, token_form
from valetkey.sandbox.issuer import LASTS, Issuer, Login
from valetkey.sandbox.issuer_login import IssuerLogin
from valetkey.sandbox.ledger import Refused
from valetkey.sandbox.provider import Client, bearer_token
from valetkey.sandbox.tokens import refusal

_EXCHANGE = "urn:ietf:params:oauth:grant-type:token-exchange"
_ID_JAG = "urn:ietf:params:oauth:token-type:id-jag"
_Handler = Callable[[Request], Awaitable[Response]]


class IssuerApi:
    """One issuer over HTTP; `path` is that of its URL."""

    def __init__(self, issuer: Issuer, path: str) -> None:
        self._issuer, self._path, self._login = issuer, path, IssuerLogin(issuer)

    def routes(self) -> list[Route]:
        path, route = self._path, self._issuer.provider.route
        return [
            route(f"{path}/.well-known/openid-configuration", "api", self._seen(self._metadata), "GET"),
            route(f"/.well-known/oauth-authorization-server{path}", "api", self._seen(self._metadata), "GET"),
            route(f"{path}/jwks", "api", self._seen(self._jwks), "GET"),
            route(f"{path}/authorize", "authorize", self._seen(self._login.endpoint), "GET", "POST"),
            route(f"{path}/token", "token", self._seen(self._token), "POST"),
            route(f"{path}/introspect", "api", self._seen(self._introspect), "POST"),
            route(f"{path}/userinfo", "api", self._seen(self._userinfo), "GET"),
        ]

    def _seen(self, handler: _Handler) -> _Handler:
        async def counted(request: Request) -> Response:
            self._issuer.books.asked[request.url.path.removeprefix(self._path).strip("/")] += 1
            try:
                return await handler(request)
            except Refused as refused:
                return refusal(refused)

        return counted

    async def _metadata(self, _: Request) -> Response:
        return JSONResponse(self._issuer.metadata())

    async def _jwks(self, _: Request) -> Response:
        return JSONResponse(self._issuer.keys.jwks())

    async def _token(self, request: Request) -> Response:
        form = await token_form(request)
        client = self._client(request, form)
        if form.get("grant_type") == _EXCHANGE:
            return self._assertion(client, form)
        if form.get("grant_type") != "authorization_code":
            raise Refused("unsupported_grant_type", "use a code, or exchange an ID token")
        login = self._redeemed(client, form)
        audience = login.resource or client.id
        access = self._issuer.access_token(login.person.email, audience, client.id)
        issued = {"access_token": access, "id_token": self._issuer.id_token(login)}
        return _answer({**issued, "token_type": "Bearer", "expires_in": LASTS})

    def _redeemed(self, client: Client, form: dict[str, str]) -> Login:
        login, until = self._issuer.books.codes.pop(needed(form, "code"), (None, 0))
        if login is None or login.client != client or until <= self._issuer.now():
            raise Refused("invalid_grant", "the code is not known for this client, was used, or has expired")
        if login.redirect_uri != form.get("redirect_uri"):
            raise Refused("invalid_grant", "redirect_uri is not the one the code was issued for")
        digest = hashlib.sha256(form.get("code_verifier", "").encode()).digest()
        if base64.urlsafe_b64encode(digest).decode().rstrip("=") != login.challenge:
            raise Refused("invalid_grant", "code_verifier does not fit the challenge")
        return login

    def _assertion(self, client: Client, form: dict[str, str]) -> Response:
        """Answer with an ID-JAG for the person of an ID token that this client was given."""
        subject = self._issuer.active(needed(form, "subject_token"))
        if form.get("requested_token_type") != _ID_JAG or subject is None or subject["aud"] != client.id:
            raise Refused("invalid_grant", "an ID token of this client can be exchanged for an ID-JAG")
        email = f"{subject['oid'].removeprefix('oid-')}@example.com"
        token = self._issuer.id_jag(email, client.id, needed(form, "audience"), needed(form, "resource"))
        issued = {"access_token": token, "issued_token_type": _ID_JAG, "token_type": "N_A"}
        return _answer(issued)

    async def _introspect(self, request: Request) -> Response:
        """RFC 7662 section 2: only for a client that proves who it is."""
        form = await token_form(request)
        if not self._client(request, form).secret:
            raise Refused("invalid_client", "a public client may not ask", 401)
        claims = self._issuer.active(needed(form, "token"))
        return _answer({"active": True, **claims} if claims else {"active": False})

    async def _userinfo(self, request: Request) -> Response:
        claims = self._issuer.active(bearer_token(request))
        if claims is None:
            return JSONResponse({"error": "invalid_token"}, 401, {"WWW-Authenticate": "Bearer"})
        return _answer({name: claims[name] for name in ("sub", "name", "oid", "tid")})

    def _client(self, request: Request, form: dict[str, str]) -> Client:
        said = claimed(request, form)
        client = self._issuer.client(said[0])
        if client is None or not is_client(said, client):
            raise Refused("invalid_client", "no such client, or another secret", 401)
        return client


def _answer(body: dict[str, Json]) -> Response:
    return JSONResponse(body, headers={"Cache-Control": "no-store"})
