"""Whether everything a call needs is there; if not, the one link behind which a person can change that."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from valetkey.audit import Claim
from valetkey.connections import Connections
from valetkey.errors import NeedsPerson
from valetkey.grants import Grants
from valetkey.manifest import Tool
from valetkey.model import Caller, Connection, ConnectionState, Grant, Json, Outcome
from valetkey.needs.accounts import ARGUMENT, WhichAccount
from valetkey.needs.request import ANOTHER, AccessRequest
from valetkey.needs.requests import Requests

_MISSING = {
    Outcome.NOT_CONNECTED: "{title} is not connected for the person you act for.",
    Outcome.RECONNECT: "The person's access to {title} has ended and has to be renewed.",
    Outcome.INSUFFICIENT_SCOPE: "The person's connection to {title} does not include what this tool needs.",
    Outcome.NOT_GRANTED: "The person has not allowed you to use {tool}.",
}
_GIVE_THEM = (
    "Give them this link, which only they can use, signed in as themselves: {link} . "
    "When they say it is done, call {tool} again with the same arguments."
)
_WAITS_FOR_THEM = (
    "They are away, and it waits on their page, under Waiting for you; the link is {link} . Leave it for "
    "now: until they have decided, a call ends like this one and asks them for nothing more."
)


@dataclass(frozen=True, slots=True)
class Met:
    """What a call that lacks nothing goes on with. `claim` uses up one call of its grant, if it counts."""

    connection: Connection
    grant: Grant
    claim: Claim | None


@dataclass(frozen=True, slots=True)
class Found:
    """What a call lacks, None for nothing; the connection it is about, and the grant that covers it."""

    lack: Outcome | None
    connection: Connection | None = None
    grant: Grant | None = None


class Needs:
    """Finds the connection of a call, or says what is missing."""

    def __init__(self, connections: Connections, grants: Grants, requests: Requests) -> None:
        self._connections, self._grants, self._requests = connections, grants, requests
        self.accounts = WhichAccount(connections, grants)

    async def met(self, caller: Caller, tool: Tool, arguments: Mapping[str, Json]) -> Met:
        """Return the connection to use, and its grant. Raises NeedsPerson with the link, CallError."""
        found = await self.lacks(caller, tool, arguments)
        if found.connection and found.grant:
            return Met(found.connection, found.grant, self._grants.claim(found.grant))
        raise await self.missing(caller, tool, found.lack or Outcome.NOT_GRANTED, found.connection)

    async def lacks(self, caller: Caller, tool: Tool, arguments: Mapping[str, Json]) -> Found:
        """Return what a call lacks. Nobody is asked.

        Raises CallError where nobody could be, or which account is meant is not clear.
        """
        rows = self._connections.rows
        live = await rows.live(rows.store, caller.principal, tool.connector.name)
        if not any(connection.state is ConnectionState.CONNECTED for connection in live):
            if not tool.connector.pasted:  # no link for what cannot be connected
                await self._connections.registrations.for_connector(rows.store, tool.connector)
            return Found(Outcome.RECONNECT, live[-1]) if live else Found(Outcome.NOT_CONNECTED)
        connection = await self.accounts.meant(caller, tool, live, arguments.get(ARGUMENT))
        return await self._found(caller, tool, connection)

    async def _found(self, caller: Caller, tool: Tool, connection: Connection) -> Found:
        if connection.state is not ConnectionState.CONNECTED:
            return Found(Outcome.RECONNECT, connection)
        if not tool.scopes <= tool.connector.satisfied(connection.scopes):
            return Found(Outcome.INSUFFICIENT_SCOPE, connection)
        grant = await self._grants.covering(
            caller.principal, caller.actor.client, connection.id, tool, away=caller.away
        )
        return Found(None if grant else Outcome.NOT_GRANTED, connection, grant)

    async def together(self, caller: Caller, tools: Sequence[Tool], outcome: Outcome) -> NeedsPerson:
        """Return the error with one link for all that several tools lack."""
        names = tuple(tool.name for tool in tools)
        request = await self._requests.find_or_make(caller, names, outcome)
        return self._asking_for(request, list(dict.fromkeys(tool.connector.title for tool in tools)))

    async def another(self, caller: Caller, tools: Sequence[Tool]) -> NeedsPerson:
        """Return the error with the link behind which one more account is connected for some tools."""
        names = tuple(tool.name for tool in tools)
        request = await self._requests.find_or_make(caller, names, Outcome.NOT_CONNECTED, ANOTHER)
        return self._asking_for(request, [f"another {tools[0].connector.title} account"])

    async def missing(
        self, caller: Caller, tool: Tool, outcome: Outcome, about: Connection | None, *, resend: bool = False
    ) -> NeedsPerson:
        """Return the error that carries the link for what is missing.

        `resend`: the upstream turned the call away before doing anything, so it may be sent anew.
        """
        request = await self._requests.find_or_make(
            caller, (tool.name,), outcome, about.id if about else None
        )
        return self._asking(request, tool, resend=resend)

    def _asking(self, request: AccessRequest, tool: Tool, *, resend: bool) -> NeedsPerson:
        link, title = self._requests.link(request), tool.connector.title
        said = _MISSING[request.outcome].format(title=title, tool=tool.name)
        way = _WAITS_FOR_THEM if request.offline else _GIVE_THEM
        text = f"{said} {way.format(link=link, tool=tool.name)}"
        wants = f"{tool.title}. Open the page to see which agent asks, and decide."
        return NeedsPerson(request.outcome, text, link=link, request=request.id, wants=wants, resend=resend)

    def _asking_for(self, request: AccessRequest, titles: Sequence[str]) -> NeedsPerson:
        link, what = self._requests.link(request), ", ".join(titles)
        text = (
            f"The person you act for has to decide about {what}. Give them this link, which only they can "
            f"use, signed in as themselves: {link} . Then call valetkey.wait, or simply the tools you need."
        )
        wants = f"Use {what}. Open the page to see which agent asks, and decide."
        return NeedsPerson(request.outcome, text, link=link, request=request.id, wants=wants)
