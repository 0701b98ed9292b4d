"""A database that goes away in the middle, in good order or by a crash: no half state, and on it goes."""

from collections.abc import AsyncIterator
from itertools import count
from pathlib import Path

import anyio
import pytest

from tests.support.database import database, restarted
from tests.support.household import LEASE_AND_MORE, Household, household
from tests.support.scale import scaled
from tests.support.victims import at_once
from valetkey.audit.verify import verify
from valetkey.errors import StoreError
from valetkey.store.postgres import PostgresStore

pytestmark = pytest.mark.reliability
RESTARTS, WRITERS = scaled(3, 50), 6
ADD = "INSERT INTO leases (name, owner, until) VALUES ($1, $2, 1)"


class Writers:
    """They write pairs of rows. `promised` are the pairs whose transaction ended well."""

    def __init__(self, store: PostgresStore) -> None:
        self.store, self.promised, self.told = store, set[str](), list[str]()

    async def write(self, writer: int) -> None:
        for number in count():
            pair = f"{writer}_{number}"
            try:
                async with self.store.transaction(durable=bool(number % 2)) as tx:
                    await tx.run(ADD, f"{pair}_left", "me")
                    await tx.run(ADD, f"{pair}_right", "me")
            except StoreError as error:
                self.told.append(str(error))
                await anyio.sleep(0.02)
            else:
                self.promised |= {pair} if number % 2 else set()  # the others may go with a crash

    async def next_promises(self) -> None:
        """Wait until everybody was promised something that they were not promised before."""
        before = len(self.promised)
        with anyio.fail_after(60):
            while len(self.promised) < before + WRITERS:  # noqa: ASYNC110 - there is no event for it
                await anyio.sleep(0.01)


async def test_what_was_promised_is_there_whole_and_everybody_goes_on_alone() -> None:
    async with database() as url:
        store = await PostgresStore.open(url)
        writers = Writers(store)
        async with anyio.create_task_group() as tasks:
            for writer in range(WRITERS):
                tasks.start_soon(writers.write, writer)
            for number in range(RESTARTS):
                await writers.next_promises()
                await restarted("immediate" if number % 2 else "fast")
            await writers.next_promises()
            tasks.cancel_scope.cancel()
        rows = {row["name"] for row in await store.all("SELECT name FROM leases")}
        await store.aclose()
    halves = {name.rpartition("_")[0] for name in rows}
    assert rows == {f"{pair}_{side}" for pair in halves for side in ("left", "right")}
    assert writers.promised <= halves
    assert writers.told
    assert all(told.startswith("the database") for told in writers.told)


@pytest.fixture
async def here(tmp_path: Path) -> AsyncIterator[Household]:
    async with database() as url, household(tmp_path, 4, store=url) as found:
        yield found


async def test_no_token_is_lost_to_a_database_that_goes_away_in_a_refresh(here: Household) -> None:
    """A strict provider: what it answered while the database was away is all there is."""
    ended = set[str]()
    for number in range(RESTARTS):
        await here.expired()
        held = here.sandbox.strict.faults.set("token", "hold", len(here.people), after=True)
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(call_all, here, ended)
            with anyio.fail_after(30):
                await held.arrived.wait()
            tasks.start_soon(restarted, "immediate" if number % 2 else "fast")
            await anyio.sleep(0.05 * (number % 4))
            here.sandbox.strict.faults.release()
            here.clock.advance(LEASE_AND_MORE)  # one that was written, and not known to be, is waited out
        await here.none_is_behind()
        here.clock.advance(LEASE_AND_MORE)  # and one that was written since, while the database went away
        with anyio.fail_after(60):
            assert [await person.next_use() for person in here.people] == ["ok"] * len(here.people)
    assert ended <= {"ok", "unavailable", "unknown", "StoreError"}
    assert not any(grant.revoked for grant in here.sandbox.strict.grants())
    ground = here.here.house.ground
    assert (await verify(ground.store, ground.keys)).ok


async def call_all(here: Household, ended: set[str]) -> None:
    ended.update(await at_once([person.here.call for person in here.people]))
