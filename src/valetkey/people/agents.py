"""The agents that act: OAuth clients, each an id that tokens carry, a name, and the switch that stops one."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from valetkey.errors import UsageError
from valetkey.model import Clock, Ids, Json
from valetkey.store import Reads, Row, Transaction

_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,62}")


class Kind(StrEnum):
    """Where an agent is known from."""

    NAMED = "named"
    DYNAMIC = "dynamic"
    DOCUMENT = "document"
    FOREIGN = "foreign"


@dataclass(frozen=True, slots=True)
class Agent:
    """An agent. `suspended` since a time means that every call of it is refused.

    `metadata` are its client's, as RFC 7591 names them; `secret` is the digest of its secret, if it has
    one; `used` is when it was last seen. Only a `named` agent's name was given by the operator.
    """

    id: str
    name: str
    suspended: int | None = None
    kind: Kind = Kind.NAMED
    metadata: Mapping[str, Json] = field(default_factory=dict)
    secret: str | None = None
    created: int = 0
    used: int = 0


class Agents:
    """Finds agents and makes new ones."""

    def __init__(self, ids: Ids, clock: Clock) -> None:
        self._ids, self._clock = ids, clock

    async def named(self, tx: Transaction, name: str) -> Agent:
        """Return the operator's agent of a name, made where there is none. Raises UsageError: no name."""
        if not _NAME.fullmatch(name):
            raise UsageError(
                f"`{name}` cannot be an agent's name: use a-z, 0-9, dot, dash, underscore (63 at most)"
            )
        row = await tx.one(f"{_AGENTS} WHERE name = $1 AND kind = 'named'", name)
        return _agent(row) if row else await self.add(tx, self._ids.new("agt"), name, Kind.NAMED)

    async def add(
        self,
        tx: Transaction,
        agent_id: str,
        name: str,
        kind: Kind,
        metadata: Mapping[str, Json] | None = None,
        secret: str | None = None,
    ) -> Agent:
        """Keep a new agent and return it."""
        now = self._clock.now()
        agent = Agent(agent_id, name, None, kind, metadata or {}, secret, now, now)
        values = (agent.id, name, kind, json.dumps(dict(agent.metadata)), secret, now, now)
        await tx.run("INSERT INTO agents VALUES ($1, $2, $3, $4, $5, $6, $7, NULL)", *values)
        return agent

    async def get(self, db: Reads, agent_id: str) -> Agent | None:
        row = await db.one(f"{_AGENTS} WHERE id = $1", agent_id)
        return _agent(row) if row else None

    async def all(self, db: Reads) -> list[Agent]:
        return [_agent(row) for row in await db.all(f"{_AGENTS} ORDER BY name")]


def _agent(row: Row) -> Agent:
    kind, metadata = Kind(row["kind"]), json.loads(row["metadata"])
    return Agent(
        row["id"], row["name"], row["suspended"], kind, metadata, row["secret"], row["created"], row["used"]
    )


_AGENTS = "SELECT id, name, kind, metadata, secret, created, used, suspended FROM agents"
