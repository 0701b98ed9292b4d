"""A process that rotates keys until it is killed: it says how many records each step took over."""

import secrets
import sys

import anyio

from tests.audit.appending import opened
from tests.support.keys import ROOT_KEY
from valetkey.model import Ids, SystemClock
from valetkey.vault.keys import unlock
from valetkey.vault.rotation import Rotation


def rotating(where: str) -> None:
    """Go on with the rotation of a store, or begin one; at its end say so."""
    anyio.run(_rotating, where)


async def _rotating(where: str) -> None:
    store, clock = await opened(where), SystemClock()
    ids = Ids(clock)
    rotation = Rotation(store, await unlock(store, ROOT_KEY, ids, clock, secrets.token_bytes), clock)
    if not await rotation.under_way():
        new = await rotation.prepared(ids, secrets.token_bytes)
        async with store.transaction() as tx:
            await rotation.begin(tx, new)
    say(0)
    async for moved in rotation.run():
        say(moved)
    async with store.transaction() as tx:
        await rotation.finish(tx)
    await store.aclose()
    say("null" if rotation.damaged else '"whole"')


def say(what: object) -> None:
    sys.stdout.write(f"{what}\n")
    sys.stdout.flush()
