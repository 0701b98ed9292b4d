"""kill -9 at any point of a code exchange: the connection is whole or not there, and can be made anew."""

import time
from collections import Counter
from collections.abc import AsyncIterator, Iterable
from itertools import count
from pathlib import Path

import anyio
import pytest

from tests.support.database import database
from tests.support.household import Household, household, of_person
from tests.support.linked import Linked
from tests.support.moments import moments
from tests.support.scale import scaled
from tests.support.victim import victim
from valetkey.audit.verify import verify
from valetkey.model import MINUTE, ConnectionState
from valetkey.sandbox.ledger import Grant

pytestmark = pytest.mark.reliability
AT_ONCE = scaled(3, 8)
POINTS = {"sqlite": scaled(24, 500), "postgres": scaled(8, 500)}
EXCHANGING = "tests.support.victims:exchanging"


@pytest.fixture(params=["sqlite", "postgres"])
async def here(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[tuple[Household, int]]:
    """A house on each store where nobody is connected, and how many kills it has to stand."""
    points = POINTS[request.param]
    if request.param == "sqlite":
        async with household(tmp_path, 0) as found:
            yield found, points
    else:
        async with database() as url, household(tmp_path, 0, store=url) as found:
            yield found, points


class Newcomers:
    """People who come back from the provider with a code each, nobody has met any of them before."""

    def __init__(self, home: Household, numbers: Iterable[int]) -> None:
        self.home, self.people, self.grants = home, dict[int, Linked](), dict[int, Grant]()
        self.codes = dict[str, str]()
        for number in numbers:
            self.people[number] = of_person(home.here, number)
            self.codes[str(number)] = home.here.consented()
            self.grants[number] = home.sandbox.strict.grants()[-1]

    async def redeemed(self, killed_after: float | None) -> float:
        """Let a process redeem the codes, and kill it so many seconds later; how many seconds it took."""
        async with victim(EXCHANGING, codes=self.codes, **self.home.arguments) as process:
            assert await process.said() == "ready"
            began = time.perf_counter()
            await process.tell("go")
            if killed_after is None:
                assert await process.said() == ["ok"] * len(self.codes)
            else:
                await anyio.sleep(killed_after)
                process.kill()
            took = time.perf_counter() - began
            process.kill()
            await process.gone()
        await self.home.quiet()
        return took

    async def stands(self, number: int) -> str:
        """How far one of them came: nothing, `confirming` or `connected`; each of them whole."""
        person = self.people[number]
        found = await person.house.connections.rows.of(person.caller.principal)
        if not found:
            return "nothing"
        (connection,) = found
        held = await person.held(connection)  # raises what does not open
        assert (held.version, held.dead) == (1, None)
        granted = await person.house.grants.of(person.caller.principal)
        assert len(granted) == (connection.state is ConnectionState.CONNECTED)
        return connection.state


async def test_a_connection_is_whole_or_not_there_and_its_person_can_try_again(
    here: tuple[Household, int],
) -> None:
    home, points = here
    found = Counter[str]()
    with anyio.fail_after(3_600):
        took = min([await Newcomers(home, range(n, n + AT_ONCE)).redeemed(None) for n in (-200, -100)])
        for first, moment in zip(count(0, AT_ONCE), moments(took, points, lambda: len(found) > 1)):
            new = Newcomers(home, range(first, first + AT_ONCE))
            await new.redeemed(moment)
            standing = {number: await new.stands(number) for number in new.people}
            found.update(standing.values())
            await in_time(home, new, standing)
        assert (await verify(home.here.house.ground.store, home.here.house.ground.keys)).ok
    assert len(found) > 1, "every kill came too early, or too late"


async def in_time(home: Household, new: Newcomers, standing: dict[int, str]) -> None:
    """What nobody confirms is given back; then all of them are connected, each by one connection."""
    home.clock.advance(11 * MINUTE)
    await home.here.house.jobs.once()
    assert await home.here.house.ground.store.damage() is None
    for number, stood in standing.items():
        person = new.people[number]
        assert new.grants[number].revoked == (stood == "confirming")
        if stood != "connected":
            await person.connect()
        live = await person.house.connections.rows.live(
            person.house.ground.store, person.caller.principal, "notes"
        )
        assert len(live) == 1
        assert await person.call()
