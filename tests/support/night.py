"""Weeks of nights on one street: the clock goes from hour to hour, and what happens by itself happens.

What came of it is compared in `night_reckoning`.
"""

from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from tests.support.agents import alone, named
from tests.support.clock import START
from tests.support.mailbox import Mailbox, mailbox
from tests.support.night_agent import NightAgent, on_duty
from tests.support.night_people import Sleeper, crowd, settled, some, strictly
from tests.support.town import NOTES, Town, town
from valetkey.model import DAY, HOUR, SECOND
from valetkey.needs import AccessRequest
from valetkey.people import Agent

RUTH, SAM, TESS = "ruth", "sam", "tess"
"""Those whose access will end: Ruth and Sam have one Google account each, Tess is at Slack."""

SAMS_DAYS = 20
"""For so long Sam has given Google his word; whatever anybody does, it ends then."""

OPERATOR = "ops@example.com"
AT_NIGHT, BY_DAY = (3, 4, 5), (15, 21)
"""The hours in which the agent works, and those in which only what happens by itself does."""

_SETTINGS = f"""
{NOTES}
[notify]
operator = "{OPERATOR}"
[notify.smtp]
host = "127.0.0.1"
port = {{port}}
security = "none"
sender = "valetkey@example.com"
"""


@dataclass(slots=True)
class Night:
    """The street. `waited`: for each person, how many requests waited for them on how many mornings."""

    here: Town
    agent: NightAgent
    people: dict[str, Sleeper]
    box: Mailbox
    today: int = 0
    waited: dict[str, Counter[int]] = field(default_factory=dict)

    async def nights(self, count: int) -> None:
        for _ in range(count):
            await self.one_night()

    async def one_night(self, *, down: str | None = None) -> None:
        """The agent works from three on; the provider `down`, if there is one, is away until four."""
        self.today += 1
        self.agent.begin(list(self.people.values()), self.today)
        for hour in AT_NIGHT:
            self._away(down if hour == AT_NIGHT[0] else None)
            await self._at(hour, at_work=True)
        for hour in BY_DAY:
            await self._at(hour)
        for name in self.people:
            self.waited.setdefault(name, Counter())[len(await self.waiting_for(name))] += 1

    async def waiting_for(self, name: str) -> list[AccessRequest]:
        """What waits for somebody now."""
        house = self.here.house
        return await house.requests.open_for(house.ground.store, self.people[name].person.principal)

    async def _at(self, hour: int, *, at_work: bool = False) -> None:
        self.here.clock.set_to(START + self.today * DAY + hour * HOUR)
        if at_work:
            await self.agent.work()
        assert await self.here.house.jobs.once()

    def _away(self, down: str | None) -> None:
        for name, provider in self.here.sandbox.providers.items():
            provider.faults.clear()
            if name == down:
                provider.faults.set("token", "server_error")
                provider.faults.set("api", "server_error")


@asynccontextmanager
async def asleep(home: Path, count: int) -> AsyncIterator[Night]:
    """So many people, Ruth, Sam and Tess among them, and their one agent, which works at night."""
    async with mailbox() as box:
        settings = _SETTINGS.format(port=box.port)
        async with town(home, more=settings, clients=("google", "slack", "notes")) as here:
            strictly(here.sandbox)
            with crowd(here.sandbox, count) as addresses:
                async with alone(here, await named(here)) as itself:
                    people = await _moved_in(here, itself.agent, addresses)
                    async with on_duty(itself) as agent:
                        yield Night(here, agent, {one.name: one for one in people}, box)


async def _moved_in(here: Town, agent: Agent, addresses: Sequence[str]) -> list[Sleeper]:
    ruth, sam, tess, *others = addresses
    here.sandbox.google.change(consent_lasts=SAMS_DAYS * DAY // SECOND)
    the_three = [await settled(here, agent, SAM, sam, ["gmail"])]
    here.sandbox.google.change(consent_lasts=None)
    the_three.append(await settled(here, agent, RUTH, ruth, ["gmail"]))
    the_three.append(await settled(here, agent, TESS, tess, ["slack"]))
    mixed = zip(others, some(len(others)), strict=True)
    return the_three + [
        await settled(here, agent, address.partition("@")[0], address, connectors)
        for address, connectors in mixed
    ]
