"""How Slack writes channels, messages and people."""

from valetkey.model import Json
from valetkey.sandbox.people import Person
from valetkey.sandbox.talk import Channel, Said


def channel(channel: Channel, person: Person) -> Json:
    """A channel, as one person sees it."""
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


def message(said: Said) -> Json:
    """A message."""
    shown: Json = {"type": "message", "user": said.person.member, "text": said.text, "ts": said.ts}
    if said.thread_ts:
        shown["thread_ts"] = said.thread_ts
    if said.edited:
        shown["edited"] = {"user": said.person.member, "ts": said.ts}
    if said.reactions:
        shown["reactions"] = [_reaction(name, people) for name, people in said.reactions.items()]
    return shown


def _reaction(name: str, people: list[Person]) -> Json:
    return {"name": name, "count": len(people), "users": [person.member for person in people]}


def match(channel: Channel, said: Said) -> Json:
    """A message that a search found, with where it is."""
    permalink = f"https://sandbox-team.slack.com/archives/{channel.id}/p{said.ts.replace('.', '')}"
    where = {"id": channel.id, "name": channel.name, "is_private": channel.private}
    return {**message(said), "username": said.person.handle, "channel": where, "permalink": permalink}


def member(person: Person) -> Json:
    """Somebody in the team."""
    profile = {"real_name": person.name, "email": person.email}
    names = {"id": person.member, "name": person.handle, "real_name": person.name}
    return {**names, "deleted": False, "is_bot": False, "profile": profile}
