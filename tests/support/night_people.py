"""People who are away while an agent acts for them: their accounts, connections and standing grants."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import cycle, islice

from tests.support.agents import given
from tests.support.linked import Linked
from tests.support.town import Town
from valetkey.model import Actor, Caller, Connection, Json
from valetkey.people import Agent, Person
from valetkey.sandbox import EIGHT_HOURS, Sandbox
from valetkey.sandbox.people import BY_EMAIL
from valetkey.sandbox.people import Person as Account

PROVIDERS = {"gmail": "google", "notes": "strict", "slack": "slack"}
"""The sandbox's provider of each connector."""

READS: Mapping[str, tuple[str, Mapping[str, Json]]] = {
    "gmail": ("gmail.list_unread", {"limit": 1}),
    "notes": ("notes.list_notes", {}),
    "slack": ("slack.list_channels", {}),
}
WRITES: Mapping[str, tuple[str, Mapping[str, Json]]] = {
    "gmail": ("gmail.send_message", {"to": "desk@elsewhere.example", "subject": "Tonight"}),
    "notes": ("notes.write_note", {}),
    "slack": ("slack.post_message", {"channel": "C0GENERAL1"}),
}
"""One call of each kind at each connector; what is written has its `text` besides. Each is one request."""


@dataclass(frozen=True, slots=True)
class Duty:
    """One call that is to be made for somebody tonight. `text`: what it writes, None where it reads."""

    tool: str
    arguments: Mapping[str, Json]
    text: str | None = None


@dataclass(frozen=True, slots=True)
class Sleeper:
    """Somebody who is away. The first of the connections is the one that is written with."""

    person: Person
    account: str
    connections: tuple[Connection, ...]

    @property
    def name(self) -> str:
        return self.person.name

    def duties(self, night: int) -> list[Duty]:
        """Read in every account, and write once."""
        reads = [Duty(*READS[one.connector]) for one in self.connections]
        (tool, arguments), text = WRITES[self.connections[0].connector], f"{self.name}, night {night}"
        return [*reads, Duty(tool, {**arguments, "text": text}, text)]


@contextmanager
def crowd(sandbox: Sandbox, count: int) -> Iterator[list[str]]:
    """So many new accounts at the providers, by their addresses, for as long as the block runs."""
    new = [Account(f"p{n:03}@example.com", f"Person {n}", f"p{n:03}", f"U0P{n:07}") for n in range(count)]
    BY_EMAIL.update({one.email: one for one in new})
    for one in new:
        sandbox.mailboxes.open(one.email)
    for channel in sandbox.workspace.channels:
        channel.members += tuple(new)
    try:
        yield [one.email for one in new]
    finally:
        for one in new:
            del BY_EMAIL[one.email]


def strictly(sandbox: Sandbox) -> None:
    """Every provider with its own kind of refresh token; where they rotate, one spent twice ends its grant.

    Google's is good again and again, Slack's once, and the strict one's as a GitHub App's: its use ends the
    access token before it, too.
    """
    sandbox.slack.change(reuse_kills=True)
    sandbox.strict.change(lifetime=EIGHT_HOURS, reuse_kills=True, refresh_kills=True)


def some(count: int) -> list[Sequence[str]]:
    """The connectors of so many people: one or two each, in every combination."""
    mixed = (("notes", "gmail"), ("slack",), ("gmail", "slack"), ("notes",), ("slack", "notes"), ("gmail",))
    return list(islice(cycle(mixed), count))


async def settled(here: Town, agent: Agent, name: str, account: str, connectors: Sequence[str]) -> Sleeper:
    """Bring somebody in who connects accounts, lets the agent act at night until they revoke it, and gives
    an address for notices.
    """
    person = await here.person(name)
    caller = Caller(person.principal, Actor(agent.id), session="")
    linked = Linked(here.sandbox, here.house, here.clock, caller)
    made = [await linked.confirmed(one, linked.consented(one, account)) for one in connectors]
    tools = [tool for one in connectors for tool, _ in (READS[one], WRITES[one])]
    await given(here, person, agent, lasts=None, tools=tools, connections=[one.id for one in made])
    addresses = here.house.notices.addresses
    await addresses.prove(person.principal, await addresses.give(person.principal, account))
    return Sleeper(person, account, tuple(made))
