"""The sandbox's GitHub sign-in: authorize, access_token and the revoking of a grant, with GitHub's habits.

It is an OAuth app, whose tokens never expire, or with the rule `lifetime` set a GitHub App, whose tokens do:
then a refresh token comes with each, good once, and using it ends the access token before it.
"""

import json
from urllib.parse import urlencode

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from valetkey.model import Clock, Json, Randomness
from valetkey.sandbox.consent import Consent
from valetkey.sandbox.forms import authenticate
from valetkey.sandbox.ledger import Issued, Marks, Refused
from valetkey.sandbox.pages import Brand
from valetkey.sandbox.provider import Client, Provider, ProviderKind
from valetkey.sandbox.rules import Rules
from valetkey.sandbox.tokens import exchange

GITHUB_CLIENT = Client("Iv1.sandbox0client", "github-sandbox-secret")

EIGHT_HOURS = 8 * 3600
SIX_MONTHS = 15_897_600

DOCS = "https://docs.github.com/rest"

GITHUB = ProviderKind(
    name="github",
    issuer="https://github.com/login/oauth",
    client=GITHUB_CLIENT,
    rules=Rules(lifetime=None, rotates=True, refresh_kills=True),
    marks=Marks(code="sandbox0code-", access="gho_sandbox-", refresh="ghr_sandbox-"),
    limited={
        "message": "You have exceeded a secondary rate limit. Please wait before you try again.",
        "documentation_url": DOCS,
    },
)

SCOPES = {
    "repo": "Read and write all your repositories, private ones too",
    "public_repo": "Read and write your public repositories",
    "repo:status": "See and set commit statuses",
    "notifications": "Read your notifications",
    "read:user": "Read your profile",
    "user:email": "Read your email addresses",
    "user": "Read and change your profile",
    "read:org": "Read your organisations",
}

ERRORS = {
    "invalid_client": "incorrect_client_credentials",
    "invalid_grant": "bad_verification_code",
    "unsupported_grant_type": "unsupported_grant_type",
}


class GithubDialect:
    """Scopes separated by commas or spaces, all or nothing; errors go back to the client."""

    brand = Brand("GitHub", "#24292f")
    granular = False
    answers_errors = True

    def __init__(self, provider: Provider) -> None:
        self._provider = provider

    def scopes(self, query: dict[str, str]) -> tuple[str, ...]:
        asked = tuple(dict.fromkeys(query.get("scope", "read:user").replace(",", " ").split()))
        unknown = [scope for scope in asked if scope not in SCOPES]
        if unknown:
            raise Refused("invalid_scope", f"there is no scope {unknown[0]}")
        return asked

    def offline(self, query: dict[str, str]) -> bool:
        return is_app(self._provider)

    def words(self, scope: str) -> str:
        return SCOPES[scope]


class Github:
    """GitHub's OAuth on loopback."""

    def __init__(self, clock: Clock, randomness: Randomness) -> None:
        self.provider = Provider(GITHUB, clock, randomness)
        self.consent = Consent(self.provider, GithubDialect(self.provider))

    def routes(self) -> list[Route]:
        route = self.provider.route
        return [
            route("/login/oauth/authorize", "authorize", self.consent.endpoint, "GET", "POST"),
            route("/login/oauth/access_token", "token", self.token, "POST"),
            route("/applications/{client}/grant", "revoke", self.revoke, "DELETE"),
        ]

    async def token(self, request: Request) -> Response:
        """Refusals come with 200, and everything as a form, unless the client accepts JSON."""
        try:
            issued = await exchange(self.provider, request, "authorization_code")
        except Refused as refused:
            error = await _error(request, refused)
            return _said(request, {"error": error, "error_description": refused.text, "error_uri": DOCS})
        return _said(request, _token(issued))

    async def revoke(self, request: Request) -> Response:
        """End everything the owner of a token gave this client. The client authenticates with Basic."""
        self.provider.counters.revocations += 1
        try:
            authenticate(request, {}, self.provider.kind.client)
        except Refused:
            return problem(401, "Bad credentials")
        if request.path_params["client"] != self.provider.kind.client.id:
            return problem(404, "Not Found")
        grant = self.provider.ledger.revoke_token(await _named(request))
        if grant is None:
            return problem(422, "Validation Failed")
        self.provider.revoke(grant.account)
        return Response(status_code=204)


def is_app(provider: Provider) -> bool:
    """Whether this GitHub is the kind whose tokens expire."""
    return provider.rules.lifetime is not None


def problem(status: int, message: str, headers: dict[str, str] | None = None, **more: Json) -> Response:
    """An error as the API writes it."""
    body = {"message": message, **more, "documentation_url": DOCS, "status": str(status)}
    return JSONResponse(body, status, headers)


def _token(issued: Issued) -> dict[str, str | int]:
    """A GitHub App's permissions are set where it is installed: its tokens name no scopes."""
    scopes = ",".join(sorted(issued.scopes)) if issued.lifetime is None else ""
    token: dict[str, str | int] = {"access_token": issued.access, "scope": scopes, "token_type": "bearer"}
    if issued.lifetime is None or issued.refresh is None:
        return token
    ends = {"expires_in": issued.lifetime, "refresh_token_expires_in": SIX_MONTHS}
    return token | ends | {"refresh_token": issued.refresh}


def _said(request: Request, answer: dict[str, str | int]) -> Response:
    headers = {"Cache-Control": "no-store"}
    if "application/json" in request.headers.get("accept", ""):
        return JSONResponse(answer, headers=headers)
    return Response(urlencode(answer), headers=headers, media_type="application/x-www-form-urlencoded")


async def _error(request: Request, refused: Refused) -> str:
    """GitHub's own word for what was refused."""
    kind = (await request.form()).get("grant_type")
    if refused.error == "invalid_grant" and kind == "refresh_token":
        return "bad_refresh_token"
    return ERRORS.get(refused.error, refused.error)


async def _named(request: Request) -> str:
    try:
        return str(json.loads(await request.body())["access_token"])
    except (ValueError, TypeError, LookupError):
        return ""
