"""What the operator forbids, asked before anybody is sent anywhere for a tool they may not use.

Today that is an agent who was suspended; the operator's own rules take their place here.
"""

from collections.abc import Mapping

from valetkey.calls.own import OwnTool
from valetkey.errors import CallError
from valetkey.manifest import Tool
from valetkey.model import Caller, Json, Outcome
from valetkey.people import Agents
from valetkey.store import Reads


class Policy:
    """Decides whether a call may be thought of at all."""

    def __init__(self, db: Reads, agents: Agents) -> None:
        self._db, self._agents = db, agents

    async def stopped(self, caller: Caller) -> bool:
        """Whether the operator has suspended this agent, or removed it: nothing is its to call."""
        agent = await self._agents.get(self._db, caller.actor.client)
        return agent is None or agent.suspended is not None

    async def forbids(self, caller: Caller, tool: Tool | OwnTool, arguments: Mapping[str, Json]) -> None:
        """Raise CallError `denied` when the operator forbids this call."""
        if await self.stopped(caller):
            raise CallError(
                Outcome.DENIED, "The operator has suspended this agent. Stop, and tell the person so."
            )
