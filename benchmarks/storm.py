"""A process that calls when it is told to, many times at once: forked, so that several cost little to start.

For each line that comes in it turns its clock ahead and makes a call for each of the people named; it says
how each ended, and after how many milliseconds.
"""

import gc
import json
import time
from pathlib import Path

import anyio

from benchmarks.connector import READ
from benchmarks.serve import FAST
from tests.support.victims import say, told
from valetkey.assemble import House, opened
from valetkey.errors import CallError
from valetkey.model import Actor, Caller, CallId, Clock, Principal, SystemClock
from valetkey.settings import load


class Ahead(Clock):
    """The machine's clock, so many milliseconds ahead."""

    def __init__(self) -> None:
        self._right, self.by = SystemClock(), 0

    def now(self) -> int:
        return self._right.now() + self.by


def storming(home: str, agent: str) -> None:
    """Call as this agent until nothing more comes in."""
    anyio.run(_storming, Path(home), agent, backend_options={"use_uvloop": FAST})


async def _storming(home: Path, agent: str) -> None:
    clock = Ahead()
    async with opened(load(home), public_url="http://localhost:1", clock=clock) as house:
        gc.set_threshold(20_000, 20, 20)  # as `serving.serve` does
        gc.freeze()
        say("ready")
        while line := await told():
            clock.by, subjects = json.loads(line)
            say(await _all_at_once(house, agent, subjects))


async def _all_at_once(house: House, agent: str, subjects: list[str]) -> list[tuple[str, float]]:
    ended, began = list[tuple[str, float]](), time.perf_counter()

    async def one(subject: str) -> None:
        caller = Caller(Principal("local", subject), Actor(agent), "ses_storm")
        try:
            await house.calls.perform(caller, READ, {}, CallId(house.ground.ids.new("cal")))
            how = "ok"
        except CallError as error:
            how = error.outcome
        ended.append((how, (time.perf_counter() - began) * 1_000))

    async with anyio.create_task_group() as tasks:
        for subject in subjects:
            tasks.start_soon(one, subject)
    return ended
