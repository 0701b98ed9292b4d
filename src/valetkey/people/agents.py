"""The agents that act: an id that tokens carry, a name that people read, and the switch that stops one."""

import re
from dataclasses import dataclass

from valetkey.errors import UsageError
from valetkey.model import Clock, Ids
from valetkey.store import Reads, Row, Transaction

_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,62}")


@dataclass(frozen=True, slots=True)
class Agent:
    """An agent. `suspended` since a time means that every call of it is refused."""

    id: str
    name: str
    suspended: int | None = None


class Agents:
    """Finds agents and makes new ones."""

    def __init__(self, ids: Ids, clock: Clock) -> None:
        self._ids, self._clock = ids, clock

    async def named(self, tx: Transaction, name: str) -> Agent:
        """Return the agent of a name, made where there is none. Raises UsageError: no usable name."""
        if not _NAME.fullmatch(name):
            raise UsageError(
                f"`{name}` cannot be an agent's name: use a-z, 0-9, dot, dash, underscore (63 at most)"
            )
        row = await tx.one(f"{_AGENTS} WHERE name = $1", name)
        if row:
            return _agent(row)
        agent = Agent(self._ids.new("agt"), name)
        await tx.run("INSERT INTO agents VALUES ($1, $2, $3, NULL)", agent.id, name, self._clock.now())
        return agent

    async def get(self, db: Reads, agent_id: str) -> Agent | None:
        row = await db.one(f"{_AGENTS} WHERE id = $1", agent_id)
        return _agent(row) if row else None

    async def all(self, db: Reads) -> list[Agent]:
        return [_agent(row) for row in await db.all(f"{_AGENTS} ORDER BY name")]


def _agent(row: Row) -> Agent:
    return Agent(row["id"], row["name"], row["suspended"])


_AGENTS = "SELECT id, name, suspended FROM agents"
