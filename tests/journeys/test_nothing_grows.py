"""A house holds no more after many calls than after a few: no object of ours, no task, no descriptor."""

import asyncio
import gc
from collections import Counter
from contextlib import suppress
from pathlib import Path

import anyio
import psutil
import pytest

from tests.support.desk import until
from tests.support.scale import scaled
from tests.support.town import NOTES, Town, town
from valetkey.model import SECOND
from valetkey.people import Person

pytestmark = pytest.mark.reliability

ROUNDS, CALLS = scaled(3, 400), 8
LIFETIME = 300 * SECOND
TOOLS = ("notes.list_notes", "notes.whose", "notes.write_note", "notes.delete_note")
NOT_THE_HOUSE = ("valetkey.sandbox", "valetkey.demo")
"""The providers, who keep books, and people's browsers: they are in this process, too."""


def held() -> Counter[str]:
    """What this process holds of the house, and of the system."""
    gc.collect()
    kinds = Counter(map(type, gc.get_objects()))
    named = {f"{kind.__module__}.{kind.__qualname__}": count for kind, count in kinds.items()}
    ours = {name: count for name, count in named.items() if name.startswith("valetkey.")}
    system = {"tasks": len(asyncio.all_tasks()), "descriptors": psutil.Process().num_fds()}
    return Counter({name: ours[name] for name in ours if not name.startswith(NOT_THE_HOUSE)} | system)


async def a_round(here: Town, person: Person, token: str) -> None:
    """A renewal, calls that read, write, fail and ask, one that is hung up on, clients of both eras."""
    here.clock.advance(LIFETIME)
    async with here.wire(token) as wire:
        for number in range(CALLS):
            assert "structuredContent" in await wire.call("notes.whose", {"mark": f"mark {number}"})
            assert "structuredContent" in await wire.call("notes.write_note", {"text": f"note {number}"})
        assert (await wire.call("notes.delete_note", {"id": "nobody's"}))["isError"]
        assert "inputRequests" in await wire.call("gmail.list_unread", {})
        with anyio.move_on_after(0.001):
            await wire.call("notes.list_notes", {})
    for mode in ("legacy", "auto"):
        async with here.client(token, mode=mode) as client:
            await client.list_tools()
    await here.token(person)


async def test_what_a_house_holds_does_not_grow_with_its_calls(tmp_path: Path) -> None:
    async with town(tmp_path, more=NOTES, clients=("notes", "google")) as here:
        person = await here.person("ana")
        token = await here.connected(person, TOOLS[0], also=TOOLS[1:], lasts="until I revoke")
        for _ in range(2):
            await a_round(here, person, token)
        before = held()
        for _ in range(ROUNDS):
            await a_round(here, person, token)
        with suppress(TimeoutError):  # what is more by then is told below
            await until(lambda: not held() - before, 10)
        assert held() - before == Counter()
