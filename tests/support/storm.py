"""A process on a store, forked by `victim`: for each line it reads it makes that many calls at once.

It says when it is ready, and after each storm how the calls ended.
"""

from collections import Counter
from pathlib import Path

import anyio

from tests.support.clock import FakeClock
from tests.support.linked import linked_settings, moved_in
from tests.support.victims import NOBODY, at_once, say, told
from valetkey.assemble import opened


def storming(home: str, base_url: str) -> None:
    """Call by the machine's own clock, until nothing more comes in."""
    anyio.run(_storming, Path(home), base_url)


async def _storming(home: Path, base_url: str) -> None:
    async with opened(linked_settings(home, base_url)) as house:
        here = await moved_in(house, NOBODY, FakeClock())
        say("ready")
        while line := await told():
            say(Counter(await at_once([here.call] * int(line))))
