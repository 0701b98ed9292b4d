"""A hundred calls at once on one expired token, from four processes; and a process that is killed."""

import time
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from pathlib import Path

import anyio
import pytest

from tests.support.clock import FakeClock
from tests.support.linked import ANA, Linked, linked
from tests.support.victim import Victim, victim
from valetkey.audit.verify import verify
from valetkey.model import SECOND, SystemClock
from valetkey.sandbox import Sandbox, running

pytestmark = pytest.mark.reliability

PROCESSES, CALLS = 4, 25


@asynccontextmanager
async def storms(home: Path, base_url: str, count: int) -> AsyncIterator[list[Victim]]:
    """Processes that call when they are told to."""
    async with AsyncExitStack() as stack:
        process = partial(victim, "tests.support.storm:storming", home=str(home), base_url=base_url)
        found = [await stack.enter_async_context(process()) for _ in range(count)]
        for storm in found:
            assert await storm.said() == "ready"
        yield found


async def all_at_once(found: list[Victim]) -> Counter[str]:
    for storm in found:
        await storm.tell(CALLS)
    ended: Counter[str] = Counter()
    for storm in found:
        ended.update(await storm.said())
    return ended


def milliseconds_ago(milliseconds: int) -> FakeClock:
    return FakeClock(time.time_ns() // 1_000_000 - milliseconds)


@asynccontextmanager
async def an_expired_token(home: Path) -> AsyncIterator[Linked]:
    """A connection made so long ago that its token has ended by the time of the processes."""
    providers = Sandbox(SystemClock())
    async with running(providers), linked(home, providers, milliseconds_ago(400 * SECOND)) as here:
        await here.connect()
        yield here
        providers.reset()


async def test_a_hundred_calls_from_four_processes_make_one_refresh(tmp_path: Path) -> None:
    with anyio.fail_after(90):
        async with an_expired_token(tmp_path) as here:
            async with storms(tmp_path, here.sandbox.base_url, PROCESSES) as found:
                assert await all_at_once(found) == {"ok": PROCESSES * CALLS}
                assert here.refreshes("notes") == {"ok": 1}
                here.sandbox.strict.expire(ANA)  # now the provider knows it and we do not
                assert await all_at_once(found) == {"ok": PROCESSES * CALLS}
                assert here.refreshes("notes") == {"ok": 2}
            assert not any(grant.revoked for grant in here.sandbox.strict.grants())
            ground = here.house.ground
            assert (await verify(ground.store, ground.keys)).ok


async def test_a_process_killed_while_it_refreshes_leaves_a_lease_that_ends(tmp_path: Path) -> None:
    with anyio.fail_after(90):
        async with an_expired_token(tmp_path) as here:
            held = here.sandbox.strict.faults.set("token", "hold", 1)
            async with storms(tmp_path, here.sandbox.base_url, 1) as (storm,):
                await storm.tell(1)
                await held.arrived.wait()
                storm.kill()
                await storm.gone()
            here.clock.set_to(time.time_ns() // 1_000_000 + 31 * SECOND)
            assert await here.call()
            assert here.refreshes("notes") == {"ok": 1}
