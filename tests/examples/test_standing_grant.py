"""The example acts for whoever has allowed it to while they are away, as it stands, against a real server."""

import os
import sys
from pathlib import Path

import anyio

from tests.laws.source import ROOT
from tests.support.agents import named
from tests.support.terminal import program
from tests.support.town import Town, town
from valetkey.grants import Given
from valetkey.model import HOUR
from valetkey.people import Agent, Person

EXAMPLE = [sys.executable, str(ROOT / "examples" / "standing_grant.py")]


async def run(here: Town, agent: Agent, secret: str, *arguments: str) -> str:
    """Run the example to its end; return what it printed."""
    known = {"VALETKEY_URL": here.url, "AGENT_ID": agent.id, "AGENT_SECRET": secret}
    async with program([*EXAMPLE, *arguments], {**os.environ, **known}) as terminal:
        async for _ in terminal.links():
            pass
    assert terminal.process.returncode == 0, terminal.told
    return terminal.told


async def allow(here: Town, person: Person, agent: Agent) -> None:
    """Allow an agent to read mail at night, on the account that there is."""
    rows, ground = here.house.connections.rows, here.house.ground
    (mail,) = await rows.live(rows.store, person.principal, "gmail")
    terms = Given(frozenset({"gmail.list_unread"}), frozenset(), HOUR, offline=True)
    async with ground.store.transaction() as tx:
        await here.house.grants.give(tx, person.principal, agent.id, [mail.id], terms)


async def test_the_example_asks_and_once_it_is_allowed_acts_while_nobody_is_there(tmp_path: Path) -> None:
    with anyio.fail_after(60):
        async with town(tmp_path) as here:
            ana, agent = await here.person("ana"), await named(here)
            async with here.house.ground.store.transaction() as tx:
                secret = await here.house.agents.give_secret(tx, agent)
            await here.connected(ana, agent="assistant")
            assert "Nobody has allowed me" in await run(here, agent, secret)
            assert "Asked ana: req_" in await run(here, agent, secret, "ana")
            await allow(here, ana, agent)
            told = await run(here, agent, secret)
    assert told.startswith("ana: ")
    assert "Lunch on Thursday?" in told
