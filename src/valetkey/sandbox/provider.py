"""One provider's books (client, ledger, counters, faults), and the wrapper every endpoint stands in."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from valetkey.model import Clock, Json, Randomness
from valetkey.sandbox.counters import Counters
from valetkey.sandbox.faults import Faults, Kind
from valetkey.sandbox.hostile import HOSTILE
from valetkey.sandbox.ledger import Access, BadToken, Grant, Issued, Ledger, Marks
from valetkey.sandbox.rules import Rules


def bearer_token(request: Request) -> str:
    """Return the token of `Authorization: Bearer`, or "" (RFC 6750 section 2.1; never from the query)."""
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    return token.strip() if scheme.lower() == "bearer" else ""


@dataclass(frozen=True, slots=True)
class Client:
    """The one OAuth client registered at a provider. Its secret is public: it opens nothing real."""

    id: str
    secret: str
    name: str = "Valetkey"


@dataclass(frozen=True, slots=True)
class ProviderKind:
    """What never changes about a provider. `issuer` is its `iss` (RFC 9207), `limited` its 429 body.

    `secret` finds, in a request to its API, what says whose request it is.
    """

    name: str
    issuer: str
    client: Client
    rules: Rules
    marks: Marks
    limited: Json
    secret: Callable[[Request], str] = bearer_token


class Provider:
    """What a provider knows and has seen. `kind` says what it is, the rest is the state of this sandbox.

    `redirects` are redirect URIs accepted besides the loopback ones.
    """

    def __init__(self, kind: ProviderKind, clock: Clock, randomness: Randomness) -> None:
        self.kind, self.clock = kind, clock
        self._randomness = randomness
        self.ledger, self.counters = self._new_ledger(), Counters()
        self.faults = Faults(frozenset(HOSTILE), kind.limited)
        self.redirects: set[str] = set()

    def reset(self) -> None:
        """Forget everything: issued, seen, switched."""
        self.faults.clear()
        self.ledger, self.counters = self._new_ledger(), Counters()
        self.redirects.clear()

    def _new_ledger(self) -> Ledger:
        return Ledger(self.clock, self._randomness, self.kind.rules, self.kind.marks)

    @property
    def rules(self) -> Rules:
        return self.ledger.rules

    def change(self, **rules: Json) -> None:
        """Switch some rules, e.g. `change(reuse_grace=30)`. Raises UsageError."""
        self.ledger.rules = self.rules.changed(**rules)

    def expire(self, account: str | None = None) -> int:
        """End access tokens now, of one account or of all; return how many."""
        return self.ledger.expire(account)

    def revoke(self, account: str | None = None, grant: str | None = None) -> int:
        """Revoke grants as a person would in their account settings; return how many."""
        return self.ledger.revoke(account, grant)

    def grants(self, account: str | None = None) -> list[Grant]:
        """Return the grants of one account, or all, oldest first."""
        return [grant for grant in self.ledger.grants.values() if account in (None, grant.account)]

    def count_token(self, grant_type: str, issued: Issued) -> None:
        """Count a token request that was answered with tokens."""
        self.counters.token_requests[grant_type, "ok"] += 1
        if grant_type == "refresh_token":
            self.counters.refreshes[issued.grant.account] += 1
            self.counters.refreshes_by_grant[issued.grant.id] += 1

    def caller(self, token: str) -> Access:
        """Return what a bearer token stands for, and count the call. Raises BadToken."""
        try:
            access = self.ledger.bearer(token)
        except BadToken as bad:
            self.counters.api_refused[bad.reason] += 1
            raise
        self.counters.api_calls[access.account] += 1
        return access

    def route(
        self, path: str, kind: Kind, handler: Callable[[Request], Awaitable[Response]], *methods: str
    ) -> Route:
        """Return a route whose requests are counted and meet this provider's faults."""

        async def endpoint(request: Request) -> Response:
            self.counters.saw(kind, request, self.ledger.owner(self.kind.secret(request)))
            with self.counters.under_way(kind):
                fault = self.faults.take(kind)
                if fault is None:
                    return await handler(request)
                self.counters.faults[fault.name] += 1
                return await HOSTILE[fault.name](fault, request, handler)

        return Route(path, endpoint, methods=methods)
