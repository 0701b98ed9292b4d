"""A person's accounts at one connector: what agents call them, and which one a call means.

Looked up among the caller's own connections alone; what a tool of several accounts is listed with, too.
"""

import re
from collections import Counter, defaultdict
from collections.abc import Sequence

from valetkey.connections import Connections
from valetkey.errors import CallError
from valetkey.grants import Grants
from valetkey.manifest import Tool
from valetkey.model import Caller, Connection, ConnectionState, Effect, Outcome, Principal

ARGUMENT = "account"
"""The argument by which an agent says which account it means."""

_PLAIN = re.compile(r"[A-Za-z0-9_.@+-]{1,64}")
"""Labels are other people's words: only what can be no sentence goes into a list of tools."""


class WhichAccount:
    """Tells the accounts of a person apart."""

    def __init__(self, connections: Connections, grants: Grants) -> None:
        self._rows, self._grants = connections.rows, grants

    async def several(self, principal: Principal) -> dict[str, list[str]]:
        """Return, for each connector with more than one working connection, what they are called."""
        working = defaultdict[str, list[Connection]](list)
        for connection in await self._rows.in_state(principal, ConnectionState.CONNECTED):
            working[connection.connector].append(connection)
        return {
            connector: sorted(await self._named(found))
            for connector, found in working.items()
            if len(found) > 1
        }

    async def meant(
        self, caller: Caller, tool: Tool, live: Sequence[Connection], account: str | None
    ) -> Connection:
        """Return the connection a call means, of which at least one works.

        Raises CallError: `invalid` for an account that is none of these, `ambiguous` rather than guess.
        """
        if account is not None:
            return await self._called(tool, live, account)
        working = [one for one in live if one.state is ConnectionState.CONNECTED]
        if len(working) > 1 and tool.effect is Effect.READ:
            working = await self._granted(caller, tool, working) or working
        if len(working) == 1:
            return working[0]
        raise await self._ambiguous(tool, working)

    async def _called(self, tool: Tool, live: Sequence[Connection], account: str) -> Connection:
        labelled = [await self._rows.labelled(self._rows.store, one) for one in live]
        found = [one for one in labelled if account in (one.id, one.label)]
        if len(found) == 1:
            return found[0]
        names = ", ".join(sorted(await self._named(live)))
        text = f"`{ARGUMENT}` has to be one of the connected {tool.connector.title} accounts: {names}."
        raise CallError(Outcome.INVALID, text)

    async def _granted(self, caller: Caller, tool: Tool, working: list[Connection]) -> list[Connection]:
        """Those on which the agent may use the tool: to read from the only one is no guess."""
        who, client, away = caller.principal, caller.actor.client, caller.away
        covering = self._grants.covering
        return [one for one in working if await covering(who, client, one.id, tool, away=away)]

    async def _ambiguous(self, tool: Tool, working: list[Connection]) -> CallError:
        names = ", ".join(sorted(await self._named(working)))
        text = (
            f"There are several {tool.connector.title} accounts: {names}. Call {tool.name} again with "
            f"`{ARGUMENT}` set to one of them; if it is not clear which one is meant, ask the person."
        )
        return CallError(Outcome.AMBIGUOUS, text)

    async def _named(self, connections: Sequence[Connection]) -> list[str]:
        """What each is called: its label where that is plain and its own, else the connection's id."""
        labelled = [await self._rows.labelled(self._rows.store, one) for one in connections]
        count = Counter(one.label for one in labelled)
        return [
            one.label if one.label and count[one.label] == 1 and _PLAIN.fullmatch(one.label) else one.id
            for one in labelled
        ]
