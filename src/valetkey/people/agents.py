"""The agents that act: OAuth clients, each an id that tokens carry, a name, and the switch that stops one."""

import base64
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from valetkey.errors import UsageError
from valetkey.model import HOUR, Clock, Ids, Json, Randomness
from valetkey.store import Reads, Row, Transaction
from valetkey.vault import KeyRing, Purpose
from valetkey.vault.rows import BoundRows, Table

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
    """Finds agents, makes new ones, gives them what they authenticate with, and stops them."""

    def __init__(self, keys: KeyRing, ids: Ids, clock: Clock, randomness: Randomness) -> None:
        self._keys, self._ids, self._clock, self._randomness = keys, ids, clock, randomness
        self._bound = BoundRows(keys, TABLE)

    async def named(self, tx: Transaction, name: str) -> Agent:
        """Return the operator's agent of a name, made where there is none. Raises UsageError: no name."""
        if not _NAME.fullmatch(name):
            raise UsageError(
                f"`{name}` cannot be an agent's name: use a-z, 0-9, dot, dash, underscore (63 at most)"
            )
        row = self._bound.good(await tx.one(f"{_AGENTS} WHERE name = $1 AND kind = 'named'", name))
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
        said = json.dumps(dict(agent.metadata))
        await self._bound.insert(
            tx, id=agent.id, name=name, kind=kind, metadata=said, secret=secret, created=now, used=now
        )
        return agent

    async def get(self, db: Reads, agent_id: str) -> Agent | None:
        row = self._bound.good(await db.one(f"{_AGENTS} WHERE id = $1", agent_id))
        return _agent(row) if row else None

    async def find(self, db: Reads, name_or_id: str) -> Agent:
        """Return an agent by its id, or the operator's by its name. Raises UsageError when there is none."""
        row = self._bound.good(await db.one(f"{_AGENTS} WHERE name = $1 AND kind = 'named'", name_or_id))
        found = _agent(row) if row else await self.get(db, name_or_id)
        if found is None:
            raise UsageError(f"there is no agent `{name_or_id}`; `valetkey agents list` shows them all")
        return found

    async def all(self, db: Reads) -> list[Agent]:
        rows = await db.all(f"{_AGENTS} ORDER BY name, id")
        return [_agent(row) for row in self._bound.all_good(rows)]

    def secret_digest(self, secret: str) -> str:
        """How a client's secret is kept: of 256 random bits, so that no slow hash is needed."""
        return self._keys.server(Purpose.LOOKUP).digest(f"client secret {secret}")

    async def give_secret(self, tx: Transaction, agent: Agent) -> str:
        """Return a new secret to authenticate with; the old one and the agent's keys are no good any more."""
        secret = base64.urlsafe_b64encode(self._randomness(32)).decode().rstrip("=")
        metadata: dict[str, Json] = {"token_endpoint_auth_method": "client_secret_basic"}
        await self._authenticates(tx, agent, metadata, self.secret_digest(secret))
        return secret

    async def give_keys(self, tx: Transaction, agent: Agent, jwks: Json) -> None:
        """Let an agent authenticate with these public keys (RFC 7517 section 5) and nothing else."""
        metadata = {"token_endpoint_auth_method": "private_key_jwt", "jwks": jwks}
        await self._authenticates(tx, agent, metadata, None)

    async def suspend(self, tx: Transaction, agent: Agent) -> None:
        """Stop an agent; everything it has stays and does nothing."""
        await self._bound.change(tx, agent.id, suspended=self._clock.now())

    async def resume(self, tx: Transaction, agent: Agent) -> None:
        """Let a suspended agent go on."""
        await self._bound.change(tx, agent.id, suspended=None)

    async def forget(self, tx: Transaction, agent: Agent) -> None:
        """Take an agent away. What it was given has to be ended first."""
        await tx.run("DELETE FROM agents WHERE id = $1", agent.id)

    async def describe(self, tx: Transaction, client: Agent) -> None:
        """Keep a client that is known by its document, or what this says now. A suspended one stays so."""
        if await self.get(tx, client.id) is None:
            await self.add(tx, client.id, client.name, client.kind, client.metadata)
        said = json.dumps(dict(client.metadata))
        await self._bound.change(tx, client.id, name=client.name, metadata=said)

    async def seen(self, tx: Transaction, agent: Agent) -> None:
        """Remember, to the hour, that an agent was here just now."""
        sql = "UPDATE agents SET used = $1 WHERE id = $2 AND used <= $3"
        await tx.run(sql, self._clock.now(), agent.id, self._clock.now() - HOUR)

    async def _authenticates(
        self, tx: Transaction, agent: Agent, how: Mapping[str, Json], secret: str | None
    ) -> None:
        kept = {name: value for name, value in agent.metadata.items() if name != "jwks"}
        await self._bound.change(tx, agent.id, metadata=json.dumps({**kept, **how}), secret=secret)


def _agent(row: Row) -> Agent:
    kind, metadata = Kind(row["kind"]), json.loads(row["metadata"])
    return Agent(
        row["id"], row["name"], row["suspended"], kind, metadata, row["secret"], row["created"], row["used"]
    )


_COLUMNS = ("name", "kind", "metadata", "secret", "created", "suspended")
TABLE = Table("agents", ("id",), _COLUMNS, beside=("used",))
_AGENTS = TABLE.select
