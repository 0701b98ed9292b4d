"""A call that was about to be sent, and goes on with another account than the one it began with."""

from pathlib import Path

import anyio
import pytest

from tests.support.clock import FakeClock
from tests.support.linked import Linked, linked
from valetkey import sandbox
from valetkey.errors import CallError
from valetkey.grants import Given
from valetkey.model import Outcome
from valetkey.sandbox import Sandbox

TOOL = "notes.list_notes"


async def refused(here: Linked) -> None:
    with pytest.raises(CallError) as caught:
        await here.call()
    assert (caught.value.outcome, caught.value.retry_after) == (Outcome.RATE_LIMITED, 30)


async def test_it_asks_the_other_one_s_limit_anew(tmp_path: Path) -> None:
    """Another call was quicker with the last use; who is left was told to wait by its provider."""
    providers = Sandbox(FakeClock())
    with anyio.fail_after(30):
        async with sandbox.running(providers), linked(tmp_path, providers, FakeClock()) as here:
            one = await here.confirmed("notes", here.consented())
            other = await here.confirmed("notes", here.consented("notes", "ben@example.com"))
            who, actor, grants = here.caller.principal, here.caller.actor.client, here.house.grants
            once, always = (Given(frozenset({TOOL}), frozenset(), None, uses=uses) for uses in (1, None))
            store = here.house.ground.store
            async with store.transaction() as tx:
                last = grants.claim(await grants.give(tx, who, actor, [one.id], once))
            here.house.calls._limits.told(other, 30)
            seen = providers.strict.counters.requests["api"]
            async with anyio.create_task_group() as tasks, store.transaction() as tx:
                tasks.start_soon(refused, here)
                await anyio.wait_all_tasks_blocked()  # it has chosen, and waits to be written down
                assert last is not None
                assert await last(tx)
                await grants.give(tx, who, actor, [other.id], always)
            assert providers.strict.counters.requests["api"] == seen
