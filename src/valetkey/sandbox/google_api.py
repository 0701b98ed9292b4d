"""What Google's APIs share: who is asking, what their scopes allow, and Google's way of refusing."""

import json
from collections.abc import Awaitable, Callable

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from valetkey.errors import ValetkeyError
from valetkey.model import Json
from valetkey.sandbox.google import AUTH
from valetkey.sandbox.ledger import Access, BadToken
from valetkey.sandbox.provider import Provider, bearer_token

UNAUTHENTICATED = "Request had invalid authentication credentials."
INSUFFICIENT = "Request had insufficient authentication scopes."

REASONS = {"missing": "CREDENTIALS_MISSING", "expired": "ACCESS_TOKEN_EXPIRED"}
LEGACY = {403: "insufficientPermissions", 404: "notFound", 410: "deleted"}

Work = Callable[[Request, Access], Awaitable[Json]]


class ApiError(ValetkeyError):
    """A Google API refuses: HTTP status, its canonical name, and a reason for `details`."""

    def __init__(self, code: int, status: str, message: str, reason: str | None = None) -> None:
        self.code, self.status, self.message, self.reason = code, status, message, reason
        super().__init__(message)

    def response(self) -> Response:
        error: Json = {"code": self.code, "message": self.message, "status": self.status}
        if self.code in LEGACY and (self.reason or self.code != 403):
            error["errors"] = [{"domain": "global", "reason": LEGACY[self.code], "message": self.message}]
        if self.reason:
            info = "type.googleapis.com/google.rpc.ErrorInfo"
            error["details"] = [{"@type": info, "reason": self.reason, "domain": "googleapis.com"}]
        headers = (
            {"WWW-Authenticate": 'Bearer realm="https://accounts.google.com/"'} if self.code == 401 else {}
        )
        return JSONResponse({"error": error}, self.code, headers)


class GoogleApi:
    """Makes the routes of one API below `base`; whose data they show is decided by the token alone."""

    def __init__(self, provider: Provider, base: str) -> None:
        self._provider, self._base = provider, base

    def route(self, method: str, path: str, scopes: frozenset[str], work: Work) -> Route:
        """Return a route for tokens that hold any of `scopes`; where `work` returns None, 204 is answered."""

        async def answer(request: Request) -> Response:
            try:
                body = await work(request, self._allowed(request, scopes))
            except ApiError as refused:
                return refused.response()
            return Response(status_code=204) if body is None else JSONResponse(body)

        return self._provider.route(self._base + path, "api", answer, method)

    def _allowed(self, request: Request, scopes: frozenset[str]) -> Access:
        """Check the token, its scopes, and that the path names nobody else."""
        try:
            access = self._provider.caller(bearer_token(request))
        except BadToken as bad:
            raise ApiError(401, "UNAUTHENTICATED", UNAUTHENTICATED, REASONS.get(bad.reason)) from None
        if request.path_params.get("user", "me") not in ("me", access.account):
            raise ApiError(403, "PERMISSION_DENIED", f"Delegation denied for {access.account}")
        if not access.scopes & scopes:
            self._provider.counters.api_refused["scope"] += 1
            raise ApiError(403, "PERMISSION_DENIED", INSUFFICIENT, "ACCESS_TOKEN_SCOPE_INSUFFICIENT")
        return access


def scopes(*names: str) -> frozenset[str]:
    """The full names of Google scopes."""
    return frozenset(AUTH + name for name in names)


def invalid(message: str) -> ApiError:
    """Google's error for a request it cannot read."""
    return ApiError(400, "INVALID_ARGUMENT", message)


def not_found() -> ApiError:
    """Google's error for what is not there, or not for this account."""
    return ApiError(404, "NOT_FOUND", "Requested entity was not found.")


def number(text: str, least: int, most: int) -> int:
    """Read a number of the query; too large a one is cut. Raises ApiError."""
    if not (text.isascii() and text.isdigit()) or int(text) < least:
        raise invalid(f"Invalid number {text[:20]!r}")
    return min(int(text), most)


def page(request: Request, items: list[Json], name: str, default: int, most: int) -> Json:
    """Return one page of a list under `name`, with where the next one starts. An empty one has no list."""
    size = number(request.query_params.get("maxResults", str(default)), 1, most)
    start = number(request.query_params.get("pageToken", "0"), 0, 10**6)
    shown: Json = {name: items[start : start + size]} if items[start : start + size] else {}
    return shown | ({"nextPageToken": str(start + size)} if start + size < len(items) else {})


async def body(request: Request) -> Json:
    """Read a body that has to be a JSON object. Raises ApiError."""
    try:
        parsed = json.loads(await request.body())
    except ValueError:
        parsed = None
    if not isinstance(parsed, dict):
        raise invalid("Invalid JSON payload received.")
    return parsed
