"""Ana lets an agent act while she is away, and signs out. At night it acts for her, until it may no more."""

import os
import re
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import anyio
import pytest
from mcp.shared.exceptions import MCPError

from tests.support.agents import Alone, alone
from tests.support.clock import FakeClock
from tests.support.town import PASSWORD, Town, town
from tests.support.wire import text
from valetkey.demo.person import PersonWithBrowser
from valetkey.grants import Less
from valetkey.model import DAY, HOUR, Actor, Json, SystemClock
from valetkey.people import Person

VALETKEY = Path(sys.executable).parent / "valetkey"
UNREAD = {"limit": 1}


@dataclass(frozen=True, slots=True)
class Night:
    """Ana is away; her agent has a standing grant, as it sees it."""

    here: Town
    ana: Person
    agent: Alone
    grant: Mapping[str, Json]

    async def token(self) -> str:
        answer = await self.agent.exchange(self.grant["id"])
        assert answer.status_code == 200, answer.text
        token: str = answer.json()["access_token"]
        return token

    async def is_over(self, token: str) -> None:
        """A call with its token is refused, and no new token is given."""
        async with self.here.wire(token) as wire:
            called = await wire.call("gmail.list_unread", UNREAD)
        assert "structuredContent" not in called
        answer = await self.agent.exchange(self.grant["id"])
        assert (answer.status_code, "access_token" in answer.json()) == (400, False)


@pytest.fixture(scope="module")
async def here(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Town]:
    now = FakeClock(SystemClock().now())  # the operator's commands go by the machine's clock
    async with town(tmp_path_factory.mktemp("home"), clock=now) as opened:
        yield opened


async def allow(here: Town, ana: Person, agent: Alone) -> None:
    """Let the agent ask ahead, and Ana find it on her page, say yes and sign out."""
    asked = await agent.ask(ana.name, "gmail.list_unread", offline=True)
    async with PersonWithBrowser() as browser:
        await here.sign_in(browser, f"{here.url}/mine/waiting", ana.name)
        (path,) = set(re.findall(r'href="(/connect/[^"]+)"', browser.page))
        await browser.open(here.url + path)
        await browser.submit(password=PASSWORD, decision="allow", lasts="30 days", away="yes")
        await browser.submit(account="ana@example.com", decision="allow")
        await browser.submit(decision="yes")
        await browser.open(f"{here.url}/mine")
        await browser.press("/signout")
    stands = await agent.stands(asked.json()["request"])
    assert stands.json()["state"] == "met"


@asynccontextmanager
async def a_night(here: Town) -> AsyncIterator[Night]:
    ana = await here.newcomer()
    with anyio.fail_after(60):
        async with alone(here) as agent:
            await allow(here, ana, agent)
            here.clock.advance(9 * HOUR)
            (grant,) = await agent.grants()
            yield Night(here, ana, agent, grant)


async def test_the_agent_reads_her_mail_while_she_sleeps(here: Town) -> None:
    async with a_night(here) as night:
        assert (night.grant["person"], night.grant["offline"]) == (night.ana.name, True)
        async with here.client(await night.token()) as agent:
            mail = await agent.call_tool("gmail.list_unread", UNREAD)
        assert mail.structured_content is not None
        assert len(mail.structured_content["items"]) == 1
        call = next(one for one in (await here.records(night.ana))[::-1] if one.kind == "call")
        assert (call.principal, call.actor) == (night.ana.principal, Actor(night.agent.agent.id))
        assert call.outcome == "ok"


async def test_it_may_do_at_night_what_she_allowed_for_the_night_and_nothing_else(here: Town) -> None:
    async with a_night(here) as night, here.client(await night.token()) as agent:
        refused = await agent.call_tool("gmail.get_message", {"id": "x"})
        assert "[not_granted]" in text(refused)
        assert "/connect/" in text(refused), "for when she is awake"


async def _its_clock(night: Night) -> None:
    night.here.clock.advance(30 * DAY - 9 * HOUR)


async def _its_count(night: Night) -> None:
    await night.here.house.grants.narrow(night.ana.principal, night.grant["id"], Less(uses=1))
    async with night.here.client(await night.token()) as agent:
        last = await agent.call_tool("gmail.list_unread", UNREAD)
    assert not last.is_error


async def _her_click(night: Night) -> None:
    async with PersonWithBrowser() as browser:
        await night.here.sign_in(browser, f"{night.here.url}/mine/grants/{night.grant['id']}", night.ana.name)
        await browser.press(f"{night.grant['id']}/revoke")


async def _her_second_thoughts(night: Night) -> None:
    await night.here.house.grants.narrow(night.ana.principal, night.grant["id"], Less(present=True))


ENDS: dict[str, Callable[[Night], Awaitable[None]]] = {
    "its clock": _its_clock,
    "its count": _its_count,
    "her click": _her_click,
    "her second thoughts": _her_second_thoughts,
}


@pytest.mark.parametrize("how", ENDS)
async def test_when_the_grant_ends_the_next_call_is_refused(here: Town, how: str) -> None:
    async with a_night(here) as night:
        token = await night.token()
        async with here.client(token) as agent:
            assert not (await agent.call_tool("gmail.list_unread", UNREAD)).is_error
        before = here.sandbox.google.counters.requests["api"]
        await ENDS[how](night)
        calls = 2 if how == "its count" else 0
        await night.is_over(token)
        assert here.sandbox.google.counters.requests["api"] == before + calls


async def test_a_client_that_is_attached_when_the_grant_ends_is_turned_away(here: Town) -> None:
    async with a_night(here) as night, here.another() as there, there.client(await night.token()) as agent:
        assert not (await agent.call_tool("gmail.list_unread", UNREAD)).is_error
        await here.house.grants.revoke(night.ana.principal, night.grant["id"])
        with pytest.raises(MCPError):
            await agent.call_tool("gmail.list_unread", UNREAD)


async def operator(here: Town, *command: str) -> None:
    """Run a command on the same home, in a process of its own."""
    home = here.house.ground.settings.home
    await anyio.run_process([VALETKEY, *command], env={**os.environ, "VALETKEY_HOME": str(home)})


async def test_a_suspended_agent_is_refused_in_every_process_with_every_token(here: Town) -> None:
    async with a_night(here) as night, here.another() as there:
        token = await night.token()
        async with there.client(token) as agent:
            assert not (await agent.call_tool("gmail.list_unread", UNREAD)).is_error
            await operator(here, "agents", "suspend", night.agent.agent.name)
            refused = await agent.call_tool("gmail.list_unread", UNREAD)
            assert "[denied]" in text(refused)
        exchanged = await night.agent.exchange(night.grant["id"])
        assert exchanged.json()["error"] == "unauthorized_client"


async def test_a_removed_agent_leaves_nothing_but_her_connection(here: Town) -> None:
    async with a_night(here) as night:
        token = await night.token()
        await operator(here, "agents", "remove", night.agent.agent.name)
        async with here.wire(token) as wire:
            listing = wire.body("tools/list", {})
            assert (await wire.post(listing, wire.headers("tools/list"))).status_code == 401
        assert (await night.agent.exchange(night.grant["id"])).json()["error"] == "invalid_client"
        assert await here.house.grants.of(night.ana.principal) == []
        rows = here.house.connections.rows
        assert [one.connector for one in await rows.live(rows.store, night.ana.principal, "gmail")] == [
            "gmail"
        ]
