"""What the methods of the sandbox's Slack share: who is asking, arguments, pages, ways to refuse."""

import json
from collections.abc import Awaitable, Callable
from typing import TypeVar

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from valetkey.errors import ValetkeyError
from valetkey.model import Json
from valetkey.sandbox.ledger import Access, BadToken
from valetkey.sandbox.people import BY_EMAIL, Person
from valetkey.sandbox.provider import Provider, bearer_token
from valetkey.sandbox.slack import failed
from valetkey.sandbox.talk import Channel, Workspace

AUTH_ERRORS = {
    "missing": "not_authed",
    "unknown": "invalid_auth",
    "expired": "token_expired",
    "revoked": "token_revoked",
}

Item = TypeVar("Item")
Arguments = dict[str, Json]
Work = Callable[[Person, Arguments, Access], Awaitable[Json]]


class SlackError(ValetkeyError):
    """A method refuses: Slack's error code, and what it adds to the answer."""

    def __init__(self, error: str, **more: Json) -> None:
        self.error, self.more = error, more
        super().__init__(error)


class SlackRest:
    """Makes the routes of methods; who acts is decided by the token alone."""

    def __init__(self, provider: Provider) -> None:
        self._provider = provider

    def route(self, method: str, scope: str | None, work: Work, *verbs: str) -> Route:
        """Return the route of a method for tokens that hold `scope`, by GET and POST unless it says."""

        async def answer(request: Request) -> Response:
            try:
                access = self._access(request)
                if scope is not None:
                    need(access, scope)
                reply = await work(BY_EMAIL[access.account], await read(request), access)
                return JSONResponse({"ok": True, **reply})
            except SlackError as refused:
                self._provider.counters.api_refused[refused.error] += 1
                return failed(refused.error, **refused.more)

        return self._provider.route(f"/api/{method}", "api", answer, *(verbs or ("GET", "POST")))

    def _access(self, request: Request) -> Access:
        try:
            return self._provider.caller(bearer_token(request))
        except BadToken as bad:
            raise SlackError(AUTH_ERRORS[bad.reason]) from None


def need(access: Access, scope: str) -> None:
    """Refuse a token without this scope. Raises SlackError."""
    if scope not in access.scopes:
        raise SlackError("missing_scope", needed=scope, provided=",".join(sorted(access.scopes)))


async def read(request: Request) -> Arguments:
    """Arguments come in the query, as a form, or (POST only) as JSON."""
    arguments: Arguments = dict(request.query_params)
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind == "application/json":
        return arguments | _json(await request.body())
    if request.method == "POST":
        arguments |= dict(await request.form())
    return arguments


def _json(body: bytes) -> Arguments:
    try:
        parsed = json.loads(body)
    except ValueError:
        raise SlackError("invalid_json") from None
    if not isinstance(parsed, dict):
        raise SlackError("json_not_object")
    return parsed


def number(arguments: Arguments, name: str, default: int, most: int) -> int:
    """Read a number among the arguments; too large a one is cut. Raises SlackError."""
    text = str(arguments.get(name) or default)
    if not (text.isascii() and text.isdigit()) or int(text) < 1:
        raise SlackError("invalid_arguments")
    return min(int(text), most)


def paged(items: list[Item], arguments: Arguments) -> tuple[list[Item], str]:
    """One page after `cursor`, and the next cursor, "" at the end."""
    size, cursor = number(arguments, "limit", 100, 1000), str(arguments.get("cursor") or "from:0")
    mark, _, start = cursor.partition(":")
    if mark != "from" or not start.isdigit():
        raise SlackError("invalid_cursor")
    end = int(start) + size
    return items[int(start) : end], f"from:{end}" if end < len(items) else ""


def channel_of(workspace: Workspace, person: Person, arguments: Arguments) -> Channel:
    """Return the channel that is named. A private one somebody is not in looks like one there is not."""
    channel = workspace.find(str(arguments.get("channel") or ""))
    if channel is None or not channel.visible_to(person):
        raise SlackError("channel_not_found")
    return channel
