"""The sandbox's Slack Web API, what is said: posting, reading, changing, deleting, reacting."""

from starlette.routing import Route

from valetkey.model import Json
from valetkey.sandbox.ledger import Access
from valetkey.sandbox.people import Person
from valetkey.sandbox.provider import Provider
from valetkey.sandbox.slack_rest import Arguments, SlackError, SlackRest, channel_of, need, paged
from valetkey.sandbox.slack_shapes import message
from valetkey.sandbox.talk import Channel, Said, Workspace


class SlackMessages:
    """The methods about messages."""

    def __init__(self, provider: Provider, workspace: Workspace) -> None:
        self._provider, self._workspace = provider, workspace

    def routes(self) -> list[Route]:
        route = SlackRest(self._provider).route
        return [
            route("chat.postMessage", "chat:write", self.post, "POST"),
            route("chat.update", "chat:write", self.update, "POST"),
            route("chat.delete", "chat:write", self.delete, "POST"),
            route("conversations.history", None, self.history),
            route("conversations.replies", None, self.replies),
            route("reactions.add", "reactions:write", self.react, "POST"),
        ]

    async def post(self, person: Person, arguments: Arguments, _access: Access) -> Json:
        channel = channel_of(self._workspace, person, arguments)
        if channel.archived:
            raise SlackError("is_archived")
        if person not in channel.members:
            raise SlackError("not_in_channel")
        text = str(arguments.get("text") or "")
        if not text:
            raise SlackError("no_text")
        said = self._workspace.say(channel, person, text, arguments.get("thread_ts"))
        self._provider.counters.posted.append({"from": person.email, "channel": channel.name, "text": text})
        return {"channel": channel.id, "ts": said.ts, "message": message(said)}

    async def update(self, person: Person, arguments: Arguments, _access: Access) -> Json:
        channel, said = self._own(person, arguments, "cant_update_message")
        said.text, said.edited = str(arguments.get("text") or ""), True
        return {"channel": channel.id, "ts": said.ts, "text": said.text, "message": message(said)}

    async def delete(self, person: Person, arguments: Arguments, _access: Access) -> Json:
        channel, said = self._own(person, arguments, "cant_delete_message")
        channel.said.remove(said)
        return {"channel": channel.id, "ts": said.ts}

    async def history(self, person: Person, arguments: Arguments, access: Access) -> Json:
        """What was said in a channel, newest first."""
        return _messages(self._read(person, arguments, access).said[::-1], arguments)

    async def replies(self, person: Person, arguments: Arguments, access: Access) -> Json:
        """A message and its replies, oldest first."""
        channel = self._read(person, arguments, access)
        said = channel.thread(str(arguments.get("ts") or ""))
        if not said:
            raise SlackError("thread_not_found")
        return _messages(said, arguments)

    async def react(self, person: Person, arguments: Arguments, _access: Access) -> Json:
        channel = channel_of(self._workspace, person, arguments)
        said, name = channel.message(str(arguments.get("timestamp") or "")), str(arguments.get("name") or "")
        if said is None or not name:
            raise SlackError("message_not_found" if name else "invalid_name")
        if person in said.reactions.get(name, []):
            raise SlackError("already_reacted")
        said.reactions.setdefault(name, []).append(person)
        return {}

    def _read(self, person: Person, arguments: Arguments, access: Access) -> Channel:
        """Return the channel that is named, to somebody in it whose token may read it."""
        channel = channel_of(self._workspace, person, arguments)
        need(access, "groups:history" if channel.private else "channels:history")
        if person not in channel.members:
            raise SlackError("not_in_channel")
        return channel

    def _own(self, person: Person, arguments: Arguments, error: str) -> tuple[Channel, Said]:
        """Return the message that is named, which has to be the person's own."""
        channel = channel_of(self._workspace, person, arguments)
        said = channel.message(str(arguments.get("ts") or ""))
        if said is None:
            raise SlackError("message_not_found")
        if said.person != person:
            raise SlackError(error)
        return channel, said


def _messages(said: list[Said], arguments: Arguments) -> Json:
    page, cursor = paged(said, arguments)
    more = {"has_more": bool(cursor), "response_metadata": {"next_cursor": cursor}}
    return {"messages": [message(one) for one in page], **more}
