"""One caller who asks for too much is told when to come back; everybody else is served as ever (X2, X4)."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import anyio
import pytest

from tests.support.town import PASSWORD, Town, town
from tests.support.wire import Wire, text
from valetkey.demo.person import PersonWithBrowser
from valetkey.model import SECOND
from valetkey.people import Person

UNREAD = {"limit": 1}
LIMITS = "[limits]\ncalls_per_minute = 60\nburst = 5\nconnections = 2"


@pytest.fixture
async def here(tmp_path: Path) -> AsyncIterator[Town]:
    async with town(tmp_path, more=LIMITS, hold=0.02) as opened:
        yield opened


@pytest.fixture
async def ana(here: Town) -> Person:
    return await here.person("ana")


@pytest.fixture
async def ben(here: Town) -> Person:
    return await here.person("ben")


async def flood(agent: Wire, count: int) -> list[dict[str, Any]]:
    """Call as often as that at once."""
    answers: list[dict[str, Any]] = []

    async def call() -> None:
        answers.append(await agent.call("slack.list_channels", {}))

    with anyio.fail_after(60):
        async with anyio.create_task_group() as tasks:
            for _ in range(count):
                tasks.start_soon(call)
    return answers


async def test_a_flood_of_one_is_held_back_and_another_is_served(
    here: Town, ana: Person, ben: Person
) -> None:
    hers = await here.connected(ana, "slack.list_channels")
    his = await here.connected(ben, "slack.list_channels", account="ben@example.com")
    here.clock.advance(10 * SECOND)
    sent = here.sandbox.slack.counters.api_calls["ana@example.com"]
    async with here.wire(hers) as agent, here.wire(his) as other:
        answers = await flood(agent, 200)
        good = [answer for answer in answers if "structuredContent" in answer]
        held = [answer for answer in answers if answer.get("isError")]
        assert (len(good), len(held)) == (5, 195)
        assert here.sandbox.slack.counters.api_calls["ana@example.com"] == sent + 5
        assert "structuredContent" in await other.call("slack.list_channels", {})
        assert held[0]["_meta"]["valetkey/outcome"] == "rate_limited"
        assert held[0]["_meta"]["valetkey/retry_after"] == 1
        assert "Try again in 1 seconds" in text(held[0])
        here.clock.advance(SECOND)
        assert "structuredContent" in await agent.call("slack.list_channels", {})
    outcomes = await here.outcomes(ana)
    assert outcomes.count("rate_limited") == 195, "each of them is on record"


async def test_another_agent_of_the_same_person_is_served_too(here: Town, ana: Person) -> None:
    hers = await here.connected(ana, "slack.list_channels")
    other = await here.token(ana, "another")
    async with here.wire(hers) as agent, here.wire(other) as another:
        await flood(agent, 20)
        assert (await another.call("slack.list_channels", {}))["inputRequests"], "not granted, but heard"


async def test_a_provider_that_asks_for_patience_is_left_alone(here: Town, ana: Person, ben: Person) -> None:
    hers = await here.connected(ana, "slack.list_channels")
    his = await here.connected(ben, "slack.list_channels", account="ben@example.com")
    slack = here.sandbox.slack
    slack.faults.set("api", "too_many", 1, retry_after=30)
    async with here.wire(hers) as agent, here.wire(his) as other:
        first = await agent.call("slack.list_channels", {})
        assert first["_meta"]["valetkey/retry_after"] == 30
        sent = slack.counters.requests["api"]
        again = await agent.call("slack.list_channels", {})
        assert again["_meta"]["valetkey/outcome"] == "rate_limited"
        assert slack.counters.requests["api"] == sent, "nothing was sent"
        assert "structuredContent" in await other.call("slack.list_channels", {})
        here.clock.advance(30 * SECOND)
        assert "structuredContent" in await agent.call("slack.list_channels", {})


async def test_nobody_has_more_connections_than_there_may_be(here: Town, ana: Person) -> None:
    await here.connected(ana, "slack.list_channels")
    await here.connected(ana, "gmail.list_unread")
    token = await here.token(ana, "third")
    async with here.wire(token) as agent:
        asked = await agent.call("valetkey.connect", {"connectors": ["gmail"], "another_account": True})
    link = asked["inputRequests"]["valetkey"]["params"]["url"]
    async with PersonWithBrowser() as browser:
        await here.sign_in(browser, link, ana.name)
        await browser.submit(password=PASSWORD, decision="allow", lasts="8 hours")
        assert "Too many connections" in browser.page
    assert len(await here.house.connections.rows.of(ana.principal)) == 2
