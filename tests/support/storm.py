"""A process of its own on a store: for each line it reads it makes that many calls at once.

    python -m tests.support.storm HOME SANDBOX_URL

It prints one line when it is ready, and after each storm one with how the calls ended.
"""

import json
import sys
from collections import Counter
from pathlib import Path

import anyio

from tests.support.clock import FakeClock
from tests.support.linked import Linked, linked_settings, moved_in
from valetkey.assemble import opened
from valetkey.errors import CallError
from valetkey.sandbox import Sandbox


async def main(home: Path, base_url: str) -> None:
    async with opened(linked_settings(home, base_url)) as house:
        here = await moved_in(house, Sandbox(FakeClock()), FakeClock())  # of these only the caller is used
        say("ready")
        while line := await anyio.to_thread.run_sync(sys.stdin.readline):
            say(await storm(here, int(line)))


async def storm(here: Linked, calls: int) -> dict[str, int]:
    ended: Counter[str] = Counter()

    async def one() -> None:
        try:
            await here.call()
            ended["ok"] += 1
        except CallError as error:
            ended[error.outcome] += 1

    async with anyio.create_task_group() as tasks:
        for _ in range(calls):
            tasks.start_soon(one)
    return dict(ended)


def say(what: object) -> None:
    sys.stdout.write(json.dumps(what) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    anyio.run(main, Path(sys.argv[1]), sys.argv[2])
