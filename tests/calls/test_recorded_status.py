"""The record of a call says what the upstream answered, however the call ended."""

from contextlib import suppress
from pathlib import Path

import anyio

from tests.support.clock import FakeClock
from tests.support.linked import ANA, Linked, linked
from valetkey.errors import CallError
from valetkey.sandbox import Sandbox, running


async def ended(here: Linked) -> None:
    with suppress(CallError):
        await here.call()


async def test_the_last_status_of_each_call_is_recorded(tmp_path: Path) -> None:
    sandbox = Sandbox(FakeClock())
    with anyio.fail_after(30):
        async with running(sandbox), linked(tmp_path, sandbox, FakeClock()) as here:
            await here.connect()
            await ended(here)
            sandbox.strict.faults.set("api", "status", 1, status=404)
            await ended(here)
            sandbox.strict.faults.set("api", "drop", 2)
            await ended(here)
            sandbox.strict.expire(ANA)
            sandbox.strict.revoke(ANA)
            await ended(here)
            await ended(here)  # a close is in the store before the next call is sent
            closed = await here.happened("call.closed")
    assert [(facts["outcome"], facts.get("status")) for facts in closed] == [
        ("ok", 200),
        ("not_found", 404),
        ("unavailable", None),
        ("reconnect", 401),
    ]
