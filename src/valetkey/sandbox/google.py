"""The sandbox's Google: authorize, token and revoke, with Google's habits.

Its APIs are in `gmail` and `calendar_api`.
"""

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from valetkey.model import Clock, Randomness
from valetkey.sandbox.consent import Consent
from valetkey.sandbox.forms import needed, parameters
from valetkey.sandbox.ledger import Marks, Refused
from valetkey.sandbox.pages import Brand
from valetkey.sandbox.provider import Client, Provider, ProviderKind
from valetkey.sandbox.rules import Rules
from valetkey.sandbox.tokens import exchange, refusal, tokens

GOOGLE_CLIENT = Client("valetkey-sandbox.apps.googleusercontent.example", "google-sandbox-secret")

GOOGLE = ProviderKind(
    name="google",
    issuer="https://accounts.google.com",
    client=GOOGLE_CLIENT,
    rules=Rules(lifetime=3599, refresh_limit=100),
    marks=Marks(code="4/0sandbox", access="ya29.sandbox-", refresh="1//0sandbox-"),
    limited={"error": {"code": 429, "message": "Too many requests.", "status": "RESOURCE_EXHAUSTED"}},
)

AUTH = "https://www.googleapis.com/auth/"

SCOPES = {
    "openid": "Know who you are here",
    "email": "See your email address",
    "profile": "See your name",
    AUTH + "gmail.readonly": "Read your email messages and settings",
    AUTH + "gmail.send": "Send email as you",
    AUTH + "gmail.compose": "Write drafts and send email as you",
    AUTH + "gmail.modify": "Read, write and send email; archive and label it",
    AUTH + "gmail.metadata": "See headers and labels of your email, not its text",
    AUTH + "gmail.labels": "See and edit your email labels",
    AUTH + "calendar": "See, change, share and delete all your calendars",
    AUTH + "calendar.readonly": "See your calendars and all events on them",
    AUTH + "calendar.events": "See and change events on all your calendars",
    AUTH + "calendar.events.readonly": "See events on all your calendars",
    AUTH + "calendar.events.freebusy": "See when you are free or busy",
    AUTH + "calendar.freebusy": "See when you and others are free or busy",
    AUTH + "calendar.calendarlist": "See, add and remove calendars you subscribe to",
    AUTH + "calendar.calendarlist.readonly": "See which calendars you subscribe to",
    "https://mail.google.com/": "Read, write, send and permanently delete all your email",
}


class GoogleDialect:
    """Space separated scopes that can be unticked one by one; errors stay on Google's own page."""

    brand = Brand("Google", "#1a66d6")
    granular = True
    answers_errors = False

    def scopes(self, query: dict[str, str]) -> tuple[str, ...]:
        asked = tuple(dict.fromkeys(needed(query, "scope").split()))
        unknown = [scope for scope in asked if scope not in SCOPES and not scope.startswith(AUTH)]
        if unknown:
            raise Refused("invalid_scope", f"there is no scope {unknown[0]}")
        return asked

    def offline(self, query: dict[str, str]) -> bool:
        prompted = "consent" in query.get("prompt", "").split()
        return query.get("access_type") == "offline" and prompted

    def words(self, scope: str) -> str:
        return SCOPES.get(scope, f"Use {scope.removeprefix(AUTH)}")


class Google:
    """Google's authorization server on loopback."""

    def __init__(self, clock: Clock, randomness: Randomness) -> None:
        self.provider = Provider(GOOGLE, clock, randomness)
        self.consent = Consent(self.provider, GoogleDialect())

    def routes(self) -> list[Route]:
        route = self.provider.route
        return [
            route("/o/oauth2/v2/auth", "authorize", self.consent.endpoint, "GET", "POST"),
            route("/token", "token", self.token, "POST"),
            route("/revoke", "revoke", self.revoke, "POST"),
        ]

    async def token(self, request: Request) -> Response:
        try:
            return tokens(await exchange(self.provider, request))
        except Refused as refused:
            return refusal(refused)

    async def revoke(self, request: Request) -> Response:
        """End everything the token's account gave this client. Needs no client authentication; the token may
        be in the query or the body.
        """
        self.provider.counters.revocations += 1
        try:
            form = parameters((await request.body() or request.scope["query_string"]).decode("latin-1"))
        except (Refused, ValueError):
            form = {}
        grant = self.provider.ledger.revoke_token(form.get("token", ""))
        if grant is None:
            return refusal(Refused("invalid_token", "Token expired or revoked"))
        self.provider.revoke(grant.account)
        return JSONResponse({})
