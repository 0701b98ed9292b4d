"""What processes do that are killed, stopped or told to end: each function is one such process.

They say JSON lines on their output, and begin when a line comes in.
"""

import json
import os
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path

import anyio

from tests.support.clock import FakeClock
from tests.support.household import of_person
from tests.support.linked import Linked, moved_in
from tests.support.shared_clock import SharedClock
from tests.support.town import settings_for
from valetkey import cli
from valetkey.assemble import opened
from valetkey.connections import lease
from valetkey.errors import CallError, ValetkeyError
from valetkey.model import SECOND
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
        while await told():
            say(await at_once([of_person(here, number).call for number in people]))


def exchanging(codes: dict[str, str], **where: str) -> None:
    """Redeem and confirm each person's code, all at once, when a line comes in; say how it ended."""
    anyio.run(_exchanging, codes, where)


async def _exchanging(codes: dict[str, str], where: dict[str, str]) -> None:
    async with at_home(**where) as here:
        say("ready")
        await told()
        people = [(of_person(here, int(number)), code) for number, code in codes.items()]
        say(await at_once([partial(person.redeemed, "notes", code) for person, code in people]))


def serving(home: str, lease_seconds: int | None = None, ahead: int = 0) -> None:
    """`valetkey serve` on a home, on any port; its leases may be as short as no operator could have them.

    `ahead` is by how many seconds the clock of its machine is wrong.
    """
    os.environ.clear()
    os.environ.update(PATH=os.defpath, HOME=str(Path(home).parent), VALETKEY_HOME=home)
    sys.argv = ["valetkey", "serve", "--port", "0"]
    if lease_seconds is not None:
        lease.LEASE = lease_seconds * SECOND
        setattr(lease, "HARD_SECONDS", 1)  # noqa: B010 - it is not this module's to export
    if ahead:
        right, right_ns = time.time, time.time_ns
        time.time = lambda: right() + ahead
        time.time_ns = lambda: right_ns() + ahead * 1_000_000_000
    cli.main()


async def told() -> str:
    """The next line that comes in; empty when none will."""
    return await anyio.to_thread.run_sync(sys.stdin.readline)


async def at_once(works: Sequence[Callable[[], Awaitable[object]]]) -> list[str]:
    """Do all of this at once; how each ended, an error by its outcome or its kind."""
    ended = dict[int, str]()

    async def one(number: int) -> None:
        try:
            await works[number]()
            ended[number] = "ok"
        except ValetkeyError as error:
            ended[number] = error.outcome if isinstance(error, CallError) else type(error).__name__

    async with anyio.create_task_group() as tasks:
        for number in range(len(works)):
            tasks.start_soon(one, number)
    return [ended[number] for number in range(len(works))]
