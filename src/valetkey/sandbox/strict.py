"""The `strict` provider: a plain OAuth 2.1 issuer that forgives nothing. PKCE, `iss`, reuse detection."""

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from valetkey.model import Clock, Randomness
from valetkey.sandbox.consent import Consent
from valetkey.sandbox.forms import authenticate, needed, token_form
from valetkey.sandbox.ledger import Marks, Refused
from valetkey.sandbox.pages import Brand
from valetkey.sandbox.provider import Client, Provider, ProviderKind
from valetkey.sandbox.rules import Rules
from valetkey.sandbox.tokens import exchange, refusal, tokens

STRICT_CLIENT = Client("strict-sandbox-client", "strict-sandbox-secret")

STRICT = ProviderKind(
    name="strict",
    issuer="https://strict.example/strict",
    client=STRICT_CLIENT,
    rules=Rules(
        lifetime=300, code_lifetime=60, pkce_required=True, sends_iss=True, rotates=True, reuse_kills=True
    ),
    marks=Marks(code="strict-code-", access="strict-access-", refresh="strict-refresh-"),
    limited={"error": "too_many_requests"},
)

SCOPES = {"notes.read": "Read your notes", "notes.write": "Write and delete your notes", "items": "Use items"}


class StrictDialect:
    """Space separated scopes, each can be unticked; errors go back to the client (RFC 6749 4.1.2.1)."""

    brand = Brand("Strict", "#13615a")
    granular = True
    answers_errors = True

    def scopes(self, query: dict[str, str]) -> tuple[str, ...]:
        asked = tuple(dict.fromkeys(needed(query, "scope").split()))
        if not set(asked) <= set(SCOPES):
            raise Refused("invalid_scope", f"the scopes here are {' '.join(SCOPES)}")
        return asked

    def offline(self, query: dict[str, str]) -> bool:
        return True

    def words(self, scope: str) -> str:
        return SCOPES[scope]


class Strict:
    """The issuer's endpoints. Its API is in `strict_api`."""

    def __init__(self, clock: Clock, randomness: Randomness) -> None:
        self.provider = Provider(STRICT, clock, randomness)
        self.consent = Consent(self.provider, StrictDialect())

    def routes(self) -> list[Route]:
        route = self.provider.route
        return [
            route("/strict/authorize", "authorize", self.consent.endpoint, "GET", "POST"),
            route("/strict/token", "token", self.token, "POST"),
            route("/strict/revoke", "revoke", self.revoke, "POST"),
        ]

    async def token(self, request: Request) -> Response:
        try:
            return tokens(await exchange(self.provider, request))
        except Refused as refused:
            return refusal(refused)

    async def revoke(self, request: Request) -> Response:
        """RFC 7009: the client authenticates, and an unknown token is no error."""
        self.provider.counters.revocations += 1
        try:
            form = await token_form(request)
            authenticate(request, form, self.provider.kind.client)
            self.provider.ledger.revoke_token(needed(form, "token"))
        except Refused as refused:
            return refusal(refused)
        return Response()
