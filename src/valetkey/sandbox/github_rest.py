"""How the sandbox's GitHub API checks a request, sends pages and refuses. What it serves: `github_api`."""

import json
from collections.abc import Awaitable, Callable
from urllib.parse import urlencode

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from valetkey.errors import ValetkeyError
from valetkey.model import Json
from valetkey.sandbox.forge_shapes import API
from valetkey.sandbox.github import is_app, problem
from valetkey.sandbox.ledger import Access, BadToken
from valetkey.sandbox.people import BY_EMAIL, Person
from valetkey.sandbox.provider import Provider, bearer_token

Work = Callable[[Request, Person], Awaitable[Json]]


class GithubError(ValetkeyError):
    """The API refuses: HTTP status and message; `errors` says what is wrong with which field."""

    def __init__(self, status: int, message: str, errors: Json = None) -> None:
        self.status, self.message, self.errors = status, message, errors
        super().__init__(message)

    def response(self) -> Response:
        more = {"errors": self.errors} if self.errors else {}
        return problem(self.status, self.message, None, **more)


class Paged(list[Json]):
    """A list that is sent one page at a time."""


class GithubRest:
    """Makes routes; who acts is decided by the token alone."""

    def __init__(self, provider: Provider) -> None:
        self._provider = provider

    def route(self, method: str, path: str, scope: str | None, work: Work) -> Route:
        """Return a route for tokens that hold `scope`; what is posted is answered with 201."""
        status = 201 if method == "POST" else 200

        async def answer(request: Request) -> Response:
            try:
                access = self._allowed(request, scope)
                value = await work(request, BY_EMAIL[access.account])
            except GithubError as refused:
                return refused.response()
            headers = self._headers(access)
            if isinstance(value, Paged):
                value, link = self._page(request, value)
                headers |= link
            return JSONResponse(value, status, headers)

        return self._provider.route(path, "api", answer, method)

    def _allowed(self, request: Request, scope: str | None) -> Access:
        """Check what GitHub checks: a client that names itself, a live token, and its scopes."""
        if not request.headers.get("user-agent"):
            raise GithubError(403, "Request forbidden by administrative rules: send a User-Agent header.")
        try:
            access = self._provider.caller(bearer_token(request))
        except BadToken as bad:
            said = "Requires authentication" if bad.reason == "missing" else "Bad credentials"
            raise GithubError(401, said) from None
        if scope is None or is_app(self._provider) or access.scopes & {scope, "repo"}:
            return access
        self._provider.counters.api_refused["scope"] += 1
        if scope == "notifications":
            raise GithubError(403, "Missing the 'notifications' scope.")
        raise GithubError(404, "Not Found")

    def _headers(self, access: Access) -> dict[str, str]:
        """A GitHub App's token has no scopes to tell of."""
        limits = {"X-RateLimit-Limit": "5000", "X-RateLimit-Remaining": "4999"}
        scopes = {"X-OAuth-Scopes": ", ".join(sorted(access.scopes))}
        return limits if is_app(self._provider) else limits | scopes

    def _page(self, request: Request, items: Paged) -> tuple[Json, dict[str, str]]:
        """Return one page, and the Link header (RFC 8288) that leads to the next."""
        size, number = _number(request, "per_page", 30, 100), _number(request, "page", 1, 1000)
        shown: Json = items[(number - 1) * size : number * size]
        if request.url.path.startswith("/search/"):
            shown = {"total_count": len(items), "incomplete_results": False, "items": shown}
        if number * size >= len(items):
            return shown, {}
        query = urlencode({**request.query_params, "page": number + 1})
        link = f"{self._provider.rules.next_links_to or API}{request.url.path}?{query}"
        return shown, {"Link": f'<{link}>; rel="next"'}


def _number(request: Request, name: str, default: int, most: int) -> int:
    text = request.query_params.get(name, "")
    return min(int(text), most) if text.isascii() and text.isdigit() and int(text) else default


def missing(resource: str, field: str) -> GithubError:
    """GitHub's error for a field that has to be there."""
    return _failed({"resource": resource, "field": field, "code": "missing_field"})


def invalid(field: str) -> GithubError:
    """GitHub's error for a field of an issue that is there and wrong."""
    return _failed({"resource": "Issue", "field": field, "code": "invalid"})


def _failed(error: Json) -> GithubError:
    return GithubError(422, "Validation Failed", [error])


async def body(request: Request) -> Json:
    """Read a body that has to be a JSON object. Raises GithubError."""
    try:
        form = json.loads(await request.body())
    except ValueError:
        form = None
    if not isinstance(form, dict):
        raise GithubError(400, "Problems parsing JSON")
    return form
