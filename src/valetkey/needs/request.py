"""What is asked of a person, as it is read from its row; what becomes of it is in `requests`."""

import json
from dataclasses import dataclass

from valetkey.errors import PageError
from valetkey.model import Actor, Outcome, Principal
from valetkey.store import Row

ANOTHER = "another"
"""In place of a connection: one more account, beside those that are connected."""

OWN = "own"
"""In place of an actor: the person asks for themselves. No agent has that id, and none is given anything."""


@dataclass(frozen=True, slots=True)
class AccessRequest:
    """One need of one caller: tools of one connector or of several, which are answered one by one.

    `outcome` says what is missing; `connection` is the one it is about, ANOTHER, or None for whatever
    there is; `done` names the connectors that are answered. `offline`: the agent asks to act while the
    person is away, which the page shows as a box to tick, not ticked.
    """

    id: str
    principal: Principal
    actor: str
    outcome: Outcome
    tools: tuple[str, ...]
    connection: str | None
    state: str
    until: int
    done: frozenset[str] = frozenset()
    offline: bool = False

    def refuse_late(self) -> None:
        """Raises PageError 409 when it is no longer open."""
        if self.state != "open":
            text = "This request was answered already, or its time is over."
            raise PageError(409, "Too late", text)

    @property
    def own(self) -> bool:
        """Whether its person began it, and no agent did."""
        return self.actor == OWN

    @property
    def by(self) -> Actor | None:
        """The agent that asks, if one does."""
        return None if self.own else Actor(self.actor)

    @property
    def left(self) -> dict[str, list[str]]:
        """The tools that nobody has answered for yet, by connector, in the order they were asked for."""
        left: dict[str, list[str]] = {}
        for tool in self.tools:
            if (connector := tool.partition(".")[0]) not in self.done:
                left.setdefault(connector, []).append(tool)
        return left


def read(row: Row) -> AccessRequest:
    """A row of REQUESTS."""
    return AccessRequest(
        id=row["id"],
        principal=Principal(row["issuer"], row["subject"]),
        actor=row["actor"],
        outcome=Outcome(row["outcome"]),
        tools=tuple(json.loads(row["tools"])),
        connection=row["connection"],
        state=row["state"],
        until=row["until"],
        done=frozenset(json.loads(row["done"])),
        offline=bool(row["offline"]),
    )


REQUESTS = """
SELECT id, issuer, subject, actor, outcome, tools, connection, offline, state, until, done
FROM access_requests"""
