"""What the server's own tools answer: always about the caller's person, as the caller's agent may see it."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime

import anyio

from valetkey.connections import Connections
from valetkey.errors import CallError, NeedsPerson, Unauthenticated
from valetkey.grants import Grants
from valetkey.identity import Identity
from valetkey.manifest import Catalog, Connector, Tool
from valetkey.model import Caller, Connection, ConnectionState, Effect, Json, Outcome
from valetkey.needs import AccessRequest, Needs, Requests
from valetkey.people import Accounts, Agents
from valetkey.store import Reads

WAITS = 20.0
"""Seconds: less than any client gives a call."""

_SHOWN = (ConnectionState.CONNECTED, ConnectionState.NEEDS_REAUTH)
_NEXT = {
    "met": "The person has decided. Call the tools you wanted; they say if something was left out.",
    "open": "Not answered yet. See that the person has the link; then wait again, or do something else.",
    "declined": "The person said no. Do not ask for this again unless they bring it up.",
    "expired": "The link is too old. If it is still needed, ask anew: valetkey.connect, or the tool itself.",
}
"""What to do, by the state of a request; the first of these that there is counts."""


@dataclass(frozen=True, slots=True)
class Answering:
    """Carries out the `valetkey.*` tools, over the connectors' tools that `catalog` shows."""

    db: Reads
    catalog: Catalog
    needs: Needs
    requests: Requests
    connected: Connections
    grants: Grants
    people: Accounts
    agents: Agents
    identity: Identity
    waits: float = WAITS

    def over(self, catalog: Catalog) -> "Answering":
        """The same over fewer tools, for an endpoint that shows only some."""
        return replace(self, catalog=catalog)

    async def connect(self, caller: Caller, arguments: Mapping[str, Json]) -> dict[str, Json]:
        """Raises NeedsPerson with one link for all that is missing, CallError."""
        tools = self._wanted(arguments.get("tools", ()), arguments.get("connectors", ()))
        if arguments["another_account"]:
            if len({tool.connector for tool in tools}) > 1:
                raise CallError(Outcome.INVALID, "`another_account` is for one connector at a time.")
            raise await self.needs.another(caller, tools)
        lacks = {tool: lack for tool in tools if (lack := await self._lack(caller, tool))}
        if lacks:
            raise await self.needs.together(caller, list(lacks), next(iter(lacks.values())))
        names = [tool.name for tool in tools]
        return {"state": "ready", "tools": names, "next": "Nothing is missing. Call the tools."}

    async def connections(self, caller: Caller, _: Mapping[str, Json]) -> dict[str, Json]:
        """Every account of the person that works or could again, and the connectors without one."""
        mine = [one for one in await self.connected.rows.of(caller.principal) if one.state in _SHOWN]
        known = self._connectors()
        accounts = [
            await self._account(caller, one, known[one.connector]) for one in mine if one.connector in known
        ]
        absent = sorted(known.keys() - {one.connector for one in mine})
        after = "Call valetkey.connect for what is not connected yet and needed; give the person the links."
        return {"accounts": accounts, "not_connected": absent, "next": after}

    async def wait(self, caller: Caller, arguments: Mapping[str, Json]) -> dict[str, Json]:
        """Raises CallError `not_found` for a request that is not this caller's own."""
        waiting = await self._asked(caller, arguments.get("request"))
        with anyio.move_on_after(self.waits):
            for request in waiting:
                await self.requests.wait(request.id, self.waits)
        now = [await self.requests.get(request.id) for request in waiting]
        states = {request.state for request in now}
        after = next(
            (text for state, text in _NEXT.items() if state in states), "Nothing waits for the person."
        )
        return {"requests": [self._request(request) for request in now], "next": after}

    async def whoami(self, caller: Caller, _: Mapping[str, Json]) -> dict[str, Json]:
        """For whom, as which agent, until when; None: for as long as this process runs."""
        principal, agent = caller.principal, await self.agents.get(self.db, caller.actor.client)
        person = await self.people.get(self.db, principal)
        try:
            session = await self.identity.session(caller.session)
        except Unauthenticated:  # of the owner over stdio there is none
            session = None
        until = datetime.fromtimestamp(session.until / 1000, UTC).isoformat() if session else None
        return {"person": person.name, "agent": agent.name if agent else caller.actor.client, "until": until}

    def _wanted(self, tools: Iterable[str], connectors: Iterable[str]) -> list[Tool]:
        """Raises CallError `not_found` for a name there is not, `invalid` for no name at all."""
        named = [self.catalog.tool(name) for name in tools]
        for name in connectors:
            named += [tool for tool in self._connector(name) if tool.effect is Effect.READ]
        if not named:
            raise CallError(Outcome.INVALID, "Name at least one tool or connector.")
        return list(dict.fromkeys(named))

    def _connector(self, name: str) -> list[Tool]:
        found = [tool for tool in self.catalog.tools if tool.connector.name == name]
        if not found:
            names = ", ".join(sorted(self._connectors()))
            raise CallError(Outcome.NOT_FOUND, f"There is no connector of that name. There are: {names}.")
        return found

    def _connectors(self) -> dict[str, Connector]:
        return {tool.connector.name: tool.connector for tool in self.catalog.tools}

    async def _lack(self, caller: Caller, tool: Tool) -> Outcome | None:
        try:
            found = await self.needs.lacks(caller, tool, {})
        except CallError as error:
            if error.outcome != Outcome.AMBIGUOUS:  # several accounts: the call itself will say which
                raise
            return None
        return found.lack

    async def _account(self, caller: Caller, one: Connection, connector: Connector) -> dict[str, Json]:
        """One account, the tools the agent may use with it, and the link where there are none."""
        tools = [tool for tool in self.catalog.tools if tool.connector is connector]
        usable = [tool.name for tool in tools if await self._usable(caller, one, tool)]
        need = None if usable else await self._need(caller, one, tools)
        return {
            "connector": connector.name,
            "account": one.label,
            "id": one.id,
            "state": one.state,
            "tools": usable,
            "link": need.link if need else None,
            "request": need.request if need else None,
        }

    async def _usable(self, caller: Caller, one: Connection, tool: Tool) -> bool:
        return (await self.needs.lacks(caller, tool, {"account": one.id})).lack is None

    async def _need(self, caller: Caller, one: Connection, tools: list[Tool]) -> NeedsPerson:
        """What is missing to read: the least that makes sense to ask for."""
        first = min(tools, key=lambda tool: tool.effect is not Effect.READ)
        found = await self.needs.lacks(caller, first, {"account": one.id})
        return await self.needs.missing(caller, first, found.lack or Outcome.NOT_GRANTED, one)

    async def _asked(self, caller: Caller, request: str | None) -> list[AccessRequest]:
        if request is None:
            return await self.requests.open_of(caller)
        found = await self.requests.of(caller, request)
        if found is None:
            raise CallError(Outcome.NOT_FOUND, "You have made no such request.")
        return [found]

    def _request(self, request: AccessRequest) -> dict[str, Json]:
        link = self.requests.link(request) if request.state == "open" else None
        return {"request": request.id, "state": request.state, "tools": list(request.tools), "link": link}
