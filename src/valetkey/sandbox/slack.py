"""The sandbox's Slack sign-in: authorize, `oauth.v2.access` and `auth.revoke`, with Slack's habits."""

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from valetkey.model import Clock, Json, Randomness
from valetkey.sandbox.consent import Consent
from valetkey.sandbox.forms import needed
from valetkey.sandbox.ledger import Issued, Marks, Refused
from valetkey.sandbox.pages import Brand
from valetkey.sandbox.people import BY_EMAIL
from valetkey.sandbox.provider import Client, Provider, ProviderKind, bearer_token
from valetkey.sandbox.rules import Rules
from valetkey.sandbox.tokens import exchange

SLACK_CLIENT = Client("1111111111.2222222222", "slack-sandbox-secret")

SLACK = ProviderKind(
    name="slack",
    issuer="https://slack.com",
    client=SLACK_CLIENT,
    rules=Rules(lifetime=43_200, rotates=True),
    marks=Marks(code="1111111111.sandbox.", access="xoxe.xoxp-1-sandbox-", refresh="xoxe-1-sandbox-"),
    limited={"ok": False, "error": "ratelimited"},
)

TEAM = {"id": "T0SANDBOX1", "name": "Sandbox Team"}

SCOPES = {
    "channels:read": "See public channels",
    "groups:read": "See private channels you are in",
    "channels:history": "Read messages in public channels",
    "groups:history": "Read messages in private channels you are in",
    "chat:write": "Post messages as you",
    "search:read": "Search messages you can see",
    "users:read": "See the people in the team",
    "reactions:write": "React to messages as you",
}

ERRORS = {"invalid_client": "bad_client_secret", "invalid_request": "invalid_arguments"}
GRANT_ERRORS = {"authorization_code": "invalid_code", "refresh_token": "invalid_refresh_token"}


class SlackDialect:
    """Comma separated scopes in `user_scope`, all or nothing; errors stay on Slack's own page."""

    brand = Brand("Slack", "#6a2a66")
    granular = False
    answers_errors = False

    def scopes(self, query: dict[str, str]) -> tuple[str, ...]:
        if "scope" in query:
            raise Refused("invalid_scope", "this sandbox has no bots: ask with user_scope")
        asked = tuple(dict.fromkeys(needed(query, "user_scope").split(",")))
        unknown = [scope for scope in asked if scope not in SCOPES]
        if unknown:
            raise Refused("invalid_scope", f"there is no scope {unknown[0]}")
        return asked

    def offline(self, query: dict[str, str]) -> bool:
        return True

    def words(self, scope: str) -> str:
        return SCOPES[scope]


class Slack:
    """Slack's OAuth on loopback. Everything but a fault is answered with 200."""

    def __init__(self, clock: Clock, randomness: Randomness) -> None:
        self.provider = Provider(SLACK, clock, randomness)
        self.consent = Consent(self.provider, SlackDialect())

    def routes(self) -> list[Route]:
        route = self.provider.route
        return [
            route("/oauth/v2/authorize", "authorize", self.consent.endpoint, "GET", "POST"),
            route("/api/oauth.v2.access", "token", self.access, "POST"),
            route("/api/auth.revoke", "revoke", self.revoke, "GET", "POST"),
        ]

    async def access(self, request: Request) -> Response:
        """Exchange a code, or a refresh token; `grant_type` may be missing for a code."""
        try:
            issued = await exchange(self.provider, request, "authorization_code")
        except Refused as refused:
            return failed(await _error(request, refused))
        token = _token(issued)
        if issued.grant.refreshes:
            # A refreshed token of a person is not nested: it is the whole answer.
            return JSONResponse({"ok": True, **token, "team": TEAM, "enterprise": None})
        member = BY_EMAIL[issued.grant.account].member
        return JSONResponse(
            {
                "ok": True,
                "app_id": "A0SANDBOX1",
                "authed_user": {"id": member, **token},
                "team": TEAM,
                "enterprise": None,
            }
        )

    async def revoke(self, request: Request) -> Response:
        self.provider.counters.revocations += 1
        grant = self.provider.ledger.revoke_token(bearer_token(request))
        return failed("invalid_auth") if grant is None else JSONResponse({"ok": True, "revoked": True})


def _token(issued: Issued) -> Json:
    return {
        "access_token": issued.access,
        "refresh_token": issued.refresh,
        "expires_in": issued.lifetime,
        "scope": ",".join(sorted(issued.scopes)),
        "token_type": "user",
    }


async def _error(request: Request, refused: Refused) -> str:
    """Slack's own word for what was refused."""
    if refused.error == "invalid_grant":
        kind = str((await request.form()).get("grant_type", "authorization_code"))
        return GRANT_ERRORS[kind]
    return ERRORS.get(refused.error, refused.error)


def failed(error: str, **more: Json) -> Response:
    """Slack refuses with HTTP 200."""
    return JSONResponse({"ok": False, "error": error, **more})
