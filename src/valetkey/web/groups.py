"""Agents as a person knows them: what registered itself several times under one name is one to them."""

from collections.abc import Iterable
from dataclasses import dataclass

from valetkey.pages import plain
from valetkey.people import Agent, Agents, Kind
from valetkey.store import Reads
from valetkey.web.words import redirect_hosts, where_from


@dataclass(frozen=True, slots=True)
class Group:
    """One agent on the pages: its ids, and whose word its name is. `stopped`: the operator suspended it."""

    name: str
    origin: str
    ids: tuple[str, ...]
    stopped: bool

    @property
    def key(self) -> str:
        """One id that stands for all of them."""
        return self.ids[0]


async def grouped(db: Reads, agents: Agents, ids: Iterable[str]) -> list[Group]:
    """Return the agents of these ids by name; one that is gone is called by its id."""
    groups: dict[tuple[str, ...], list[Agent]] = {}
    for one in sorted(set(ids)):
        agent = await agents.get(db, one)
        if agent:
            groups.setdefault(_same(agent), []).append(agent)
        else:
            groups[one,] = [Agent(one, one)]
    return sorted((_group(found) for found in groups.values()), key=lambda group: (group.name, group.key))


def _same(agent: Agent) -> tuple[str, ...]:
    """What two registrations have in common that a person cannot tell apart."""
    if agent.kind is Kind.DYNAMIC:
        return (Kind.DYNAMIC, agent.name, *redirect_hosts(agent.metadata.get("redirect_uris")))
    return (agent.id,)


def _group(agents: list[Agent]) -> Group:
    first = agents[0]
    stopped = all(agent.suspended is not None for agent in agents)
    return Group(plain(first.name), where_from(first), tuple(agent.id for agent in agents), stopped)
