"""What processes do that are killed, stopped or told to end: each function is one such process.

They say JSON lines on their output, and begin when a line comes in.
"""

import json
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import anyio

from tests.support.clock import FakeClock
from tests.support.household import of_person
from tests.support.linked import Linked, moved_in
from tests.support.shared_clock import SharedClock
from tests.support.town import settings_for
from valetkey.assemble import opened
from valetkey.errors import CallError
from valetkey.sandbox import Sandbox

NOBODY = Sandbox(FakeClock())
"""The providers are in another process; here only their address is used. Made once: that takes a while."""


def say(what: object) -> None:
    sys.stdout.write(json.dumps(what) + "\n")
    sys.stdout.flush()


@asynccontextmanager
async def at_home(home: str, base_url: str, clock: str, more: str) -> AsyncIterator[Linked]:
    """A house on the store of a `Household`."""
    shared = SharedClock(Path(clock))
    async with opened(settings_for(Path(home), base_url, more), clock=shared) as house:
        yield await moved_in(house, NOBODY, shared)


def refreshing(people: list[int], **where: str) -> None:
    """Make a call for each of these people at once, whenever a line comes in; say how they ended."""
    anyio.run(_refreshing, people, where)


async def _refreshing(people: list[int], where: dict[str, str]) -> None:
    async with at_home(**where) as here:
        say("ready")
        while await anyio.to_thread.run_sync(sys.stdin.readline):
            ended = dict[int, str]()

            async def one(number: int, ended: dict[int, str] = ended) -> None:
                ended[number] = await _called(of_person(here, number))

            async with anyio.create_task_group() as tasks:
                for number in people:
                    tasks.start_soon(one, number)
            say([ended[number] for number in people])


async def _called(here: Linked) -> str:
    try:
        await here.call()
    except CallError as error:
        return error.outcome
    return "ok"
