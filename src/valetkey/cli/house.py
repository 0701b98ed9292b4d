"""The house for one command: its settings, the event loop, who the operator is, and names for ids."""

import os
import pwd
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from importlib.util import find_spec
from typing import TYPE_CHECKING, TypeVar

import anyio

from valetkey.cli.passphrase import somebody
from valetkey.cli.process import no_onlookers
from valetkey.errors import ValetkeyError
from valetkey.model import Actor, AuditEvent, Json, Principal

if TYPE_CHECKING:
    from valetkey.assemble import House
    from valetkey.settings import Settings
    from valetkey.vault.sources.passphrase import Passphrases

T = TypeVar("T")
_ISSUER = "local-operator"


def settings() -> "Settings":
    """Read the settings of VALETKEY_HOME. Raises SettingsError."""
    from valetkey.settings import home, load

    chosen = load(home())
    if not chosen.traceable:
        no_onlookers()
    return chosen


def in_house(
    work: "Callable[[House], Awaitable[T]]",
    chosen: "Settings | None" = None,
    asked: "Passphrases | None" = None,
) -> T:
    """Open the house, do some work in it, close it. Raises what the work raises, and ConfigError.

    A server may run on the same home: what is changed here holds for its very next call. `chosen`: other
    settings than those of the home; `asked`: who knows the passphrase, if not whoever sits there.
    """
    from valetkey.assemble import opened

    chosen = chosen or settings()

    async def opening() -> T:
        async with opened(chosen, passphrases=asked or somebody()) as house:
            return await work(house)

    return run(opening)


def run(main: Callable[[], Awaitable[T]]) -> T:
    """Run the event loop; an error that a task raised comes out as it is, without the group around it."""
    try:
        return anyio.run(main, backend_options={"use_uvloop": find_spec("uvloop") is not None})
    except BaseExceptionGroup as group:
        told, others = group.split(ValetkeyError)
        if told is None or others is not None:
            raise
        raise _first(told) from None


def _first(group: BaseExceptionGroup[ValetkeyError]) -> ValetkeyError:
    first = group.exceptions[0]
    return _first(first) if isinstance(first, BaseExceptionGroup) else first


def account() -> str:
    """The name of the account that runs this command, by the system's word and not the environment's."""
    uid = os.geteuid()
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:  # in a container an account need not have a name
        return f"uid-{uid}"


def operator() -> Principal:
    """Whoever sits at the command line, as the audit knows them."""
    return Principal(_ISSUER, account())


def by_whom() -> dict[str, Json]:
    """The fact of every event that the operator causes."""
    return {"operator": account()}


def act(kind: str, about: Principal | None = None, actor: str | None = None, **facts: Json) -> AuditEvent:
    """Return the audit event of something the operator did about a person, or about no one."""
    facts = {**by_whom(), **facts}
    return AuditEvent(kind, "operator", about or operator(), Actor(actor) if actor else None, facts)


async def has_served(house: "House") -> bool:
    """Whether links and tokens made now name a place where a server was, or the settings put one."""
    known = await house.ground.store.one("SELECT 1 FROM meta WHERE key = 'public_url'")
    return known is not None or house.ground.settings.public_url is not None


@dataclass(frozen=True, slots=True)
class Names:
    """What people call the principals and actors that the store knows by ids."""

    people: dict[Principal, str]
    agents: dict[str, str]

    def person(self, principal: Principal | None) -> str | None:
        if principal is None:
            return None
        return self.people.get(principal, principal.subject)

    def agent(self, client: str | None) -> str | None:
        return self.agents.get(client, client) if client else None


async def names(house: "House") -> Names:
    """Read everybody's name."""
    store = house.ground.store
    people = {person.principal: person.name for person in await house.accounts.all(store)}
    agents = {agent.id: agent.name for agent in await house.agents.all(store)}
    return Names(people, agents)
