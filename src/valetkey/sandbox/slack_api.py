"""The sandbox's Slack Web API: channels, people and search, for whoever's token came."""

import shlex

from starlette.routing import Route

from valetkey.model import Json
from valetkey.sandbox.ledger import Access
from valetkey.sandbox.people import PEOPLE, Person
from valetkey.sandbox.provider import Provider
from valetkey.sandbox.slack import TEAM
from valetkey.sandbox.slack_rest import Arguments, SlackError, SlackRest, need, number, paged
from valetkey.sandbox.slack_shapes import channel, match, member
from valetkey.sandbox.talk import Workspace

LISTED = {"public_channel": "channels:read", "private_channel": "groups:read"}


class SlackApi:
    """The methods over one workspace, but for those about messages, which are in `slack_messages`."""

    def __init__(self, provider: Provider, workspace: Workspace) -> None:
        self._provider, self._workspace = provider, workspace

    def routes(self) -> list[Route]:
        route = SlackRest(self._provider).route
        return [
            route("auth.test", None, self.test),
            route("conversations.list", None, self.channels),
            route("search.messages", "search:read", self.search),
            route("users.list", "users:read", self.people),
            route("users.info", "users:read", self.somebody),
        ]

    async def test(self, person: Person, _arguments: Arguments, _access: Access) -> Json:
        team = {"url": "https://sandbox-team.slack.com/", "team": TEAM["name"], "team_id": TEAM["id"]}
        return {**team, "user": person.handle, "user_id": person.member}

    async def channels(self, person: Person, arguments: Arguments, access: Access) -> Json:
        types = str(arguments.get("types") or "public_channel").split(",")
        for kind in types:
            need(access, LISTED.get(kind.strip(), "im:read"))
        private = {kind.strip() == "private_channel" for kind in types}
        hide_archived = str(arguments.get("exclude_archived")).lower() in ("true", "1")
        visible = self._workspace.visible_to(person)
        chosen = [c for c in visible if c.private in private and not (hide_archived and c.archived)]
        page, cursor = paged(chosen, arguments)
        return {"channels": [channel(c, person) for c in page], "response_metadata": {"next_cursor": cursor}}

    async def search(self, person: Person, arguments: Arguments, _access: Access) -> Json:
        query = str(arguments.get("query") or "")
        if not query:
            raise SlackError("no_query")
        found = self._workspace.search(person, _words(query))
        size, page = number(arguments, "count", 20, 100), number(arguments, "page", 1, 100)
        matches = [match(channel, said) for channel, said in found[(page - 1) * size : page * size]]
        paging = {"count": size, "total": len(found), "page": page, "pages": -(-len(found) // size)}
        return {"query": query, "messages": {"total": len(found), "paging": paging, "matches": matches}}

    async def people(self, _person: Person, arguments: Arguments, _access: Access) -> Json:
        page, cursor = paged(list(PEOPLE), arguments)
        return {"members": [member(person) for person in page], "response_metadata": {"next_cursor": cursor}}

    async def somebody(self, _person: Person, arguments: Arguments, _access: Access) -> Json:
        found = next((one for one in PEOPLE if one.member == arguments.get("user")), None)
        if found is None:
            raise SlackError("user_not_found")
        return {"user": member(found)}


def _words(query: str) -> list[str]:
    try:
        return shlex.split(query)
    except ValueError:
        return query.split()
