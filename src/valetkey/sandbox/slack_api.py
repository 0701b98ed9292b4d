"""The sandbox's Slack Web API: the methods agents use, for whoever's token came."""

import json
import shlex
from collections.abc import Awaitable, Callable
from typing import TypeVar

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from valetkey.errors import ValetkeyError
from valetkey.model import Json
from valetkey.sandbox.ledger import Access, BadToken
from valetkey.sandbox.people import BY_EMAIL, PEOPLE, Person
from valetkey.sandbox.provider import Provider, bearer_token
from valetkey.sandbox.slack import TEAM, failed
from valetkey.sandbox.talk import Channel, Said, Workspace

AUTH_ERRORS = {
    "missing": "not_authed",
    "unknown": "invalid_auth",
    "expired": "token_expired",
    "revoked": "token_revoked",
}

LISTED = {"public_channel": "channels:read", "private_channel": "groups:read"}

Item = TypeVar("Item")
Arguments = dict[str, Json]
Work = Callable[["Person", Arguments, Access], Awaitable[Json]]


class SlackError(ValetkeyError):
    """A method refuses: Slack's error code, and what it adds to the answer."""

    def __init__(self, error: str, **more: Json) -> None:
        self.error, self.more = error, more
        super().__init__(error)


class SlackApi:
    """The methods over one workspace; who acts is decided by the token alone."""

    def __init__(self, provider: Provider, workspace: Workspace) -> None:
        self._provider, self._workspace = provider, workspace

    def routes(self) -> list[Route]:
        return [
            self._route("auth.test", None, self.test),
            self._route("chat.postMessage", "chat:write", self.post, "POST"),
            self._route("conversations.list", None, self.channels),
            self._route("conversations.history", None, self.history),
            self._route("search.messages", "search:read", self.search),
            self._route("users.list", "users:read", self.people),
        ]

    async def test(self, person: Person, _arguments: Arguments, _access: Access) -> Json:
        team = {"url": "https://sandbox-team.slack.com/", "team": TEAM["name"], "team_id": TEAM["id"]}
        return {**team, "user": person.handle, "user_id": person.member}

    async def post(self, person: Person, arguments: Arguments, _access: Access) -> Json:
        channel = self._channel(person, arguments)
        if channel.archived:
            raise SlackError("is_archived")
        if person not in channel.members:
            raise SlackError("not_in_channel")
        text = str(arguments.get("text") or "")
        if not text:
            raise SlackError("no_text")
        said = self._workspace.say(channel, person, text, arguments.get("thread_ts"))
        self._provider.counters.posted.append({"from": person.email, "channel": channel.name, "text": text})
        return {"channel": channel.id, "ts": said.ts, "message": _message(said)}

    async def channels(self, person: Person, arguments: Arguments, access: Access) -> Json:
        types = str(arguments.get("types") or "public_channel").split(",")
        for kind in types:
            _need(access, LISTED.get(kind.strip(), "im:read"))
        private = {kind.strip() == "private_channel" for kind in types}
        hide_archived = str(arguments.get("exclude_archived")).lower() in ("true", "1")
        visible = self._workspace.visible_to(person)
        chosen = [c for c in visible if c.private in private and not (hide_archived and c.archived)]
        page, cursor = _page(chosen, arguments)
        return {"channels": [_channel(c, person) for c in page], "response_metadata": {"next_cursor": cursor}}

    async def history(self, person: Person, arguments: Arguments, access: Access) -> Json:
        channel = self._channel(person, arguments)
        _need(access, "groups:history" if channel.private else "channels:history")
        if person not in channel.members:
            raise SlackError("not_in_channel")
        page, cursor = _page(channel.said[::-1], arguments)
        more = {"has_more": bool(cursor), "response_metadata": {"next_cursor": cursor}}
        return {"messages": [_message(said) for said in page], **more}

    async def search(self, person: Person, arguments: Arguments, _access: Access) -> Json:
        query = str(arguments.get("query") or "")
        if not query:
            raise SlackError("no_query")
        found = self._workspace.search(person, _words(query))
        size, number = _number(arguments, "count", 20, 100), _number(arguments, "page", 1, 100)
        matches = [_match(channel, said) for channel, said in found[(number - 1) * size : number * size]]
        paging = {"count": size, "total": len(found), "page": number, "pages": -(-len(found) // size)}
        return {"query": query, "messages": {"total": len(found), "paging": paging, "matches": matches}}

    async def people(self, _person: Person, arguments: Arguments, _access: Access) -> Json:
        page, cursor = _page(list(PEOPLE), arguments)
        return {"members": [_member(person) for person in page], "response_metadata": {"next_cursor": cursor}}

    def _channel(self, person: Person, arguments: Arguments) -> Channel:
        """A private channel somebody is not in looks like one there is not."""
        channel = self._workspace.find(str(arguments.get("channel") or ""))
        if channel is None or not channel.visible_to(person):
            raise SlackError("channel_not_found")
        return channel

    def _route(self, method: str, scope: str | None, work: Work, *verbs: str) -> Route:
        async def answer(request: Request) -> Response:
            try:
                access = self._access(request)
                if scope is not None:
                    _need(access, scope)
                reply = await work(BY_EMAIL[access.account], await _arguments(request), access)
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


def _need(access: Access, scope: str) -> None:
    if scope not in access.scopes:
        raise SlackError("missing_scope", needed=scope, provided=",".join(sorted(access.scopes)))


async def _arguments(request: Request) -> Arguments:
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


def _words(query: str) -> list[str]:
    try:
        return shlex.split(query)
    except ValueError:
        return query.split()


def _number(arguments: Arguments, name: str, default: int, most: int) -> int:
    text = str(arguments.get(name) or default)
    if not (text.isascii() and text.isdigit()) or int(text) < 1:
        raise SlackError("invalid_arguments")
    return min(int(text), most)


def _page(items: list[Item], arguments: Arguments) -> tuple[list[Item], str]:
    """One page after `cursor`, and the next cursor, "" at the end."""
    size, cursor = _number(arguments, "limit", 100, 1000), str(arguments.get("cursor") or "from:0")
    mark, _, start = cursor.partition(":")
    if mark != "from" or not start.isdigit():
        raise SlackError("invalid_cursor")
    end = int(start) + size
    return items[int(start) : end], f"from:{end}" if end < len(items) else ""


def _channel(channel: Channel, person: Person) -> Json:
    return {
        "id": channel.id,
        "name": channel.name,
        "is_channel": not channel.private,
        "is_group": channel.private,
        "is_private": channel.private,
        "is_archived": channel.archived,
        "is_general": channel.name == "general",
        "is_member": person in channel.members,
        "num_members": len(channel.members),
        "topic": {"value": channel.topic, "creator": "", "last_set": 0},
        "purpose": {"value": "", "creator": "", "last_set": 0},
    }


def _message(said: Said) -> Json:
    message = {"type": "message", "user": said.person.member, "text": said.text, "ts": said.ts}
    return message | ({"thread_ts": said.thread_ts} if said.thread_ts else {})


def _match(channel: Channel, said: Said) -> Json:
    permalink = f"https://sandbox-team.slack.com/archives/{channel.id}/p{said.ts.replace('.', '')}"
    where = {"id": channel.id, "name": channel.name, "is_private": channel.private}
    return {**_message(said), "username": said.person.handle, "channel": where, "permalink": permalink}


def _member(person: Person) -> Json:
    profile = {"real_name": person.name, "email": person.email}
    names = {"id": person.member, "name": person.handle, "real_name": person.name}
    return {**names, "deleted": False, "is_bot": False, "profile": profile}
