"""A grant for so many calls is good for exactly so many, whoever calls at once and whatever is replayed."""

from collections.abc import AsyncIterator
from typing import Any

import anyio
import pytest

from tests.support.town import PASSWORD, Town, town
from tests.support.wire import Wire, text
from valetkey.demo.person import PersonWithBrowser
from valetkey.grants import Given
from valetkey.people import Person

POST = {"channel": "C0SUPPORT2", "text": "Five mails from Ben."}


@pytest.fixture(scope="module")
async def here(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Town]:
    async with town(tmp_path_factory.mktemp("home"), hold=0.02) as opened:
        yield opened


@pytest.fixture
async def ana(here: Town) -> Person:
    return await here.newcomer()


def _posted(here: Town) -> int:
    return len(here.sandbox.slack.counters.posted)


async def _counted(here: Town, ana: Person, uses: int | None) -> str:
    """Let an agent post so often, and nothing else; return its token."""
    await here.connected(ana, "slack.post_message", POST, agent="first")
    (connection,) = await here.house.connections.rows.of(ana.principal)
    token = await here.token(ana, "triage")
    async with here.house.ground.store.transaction() as tx:
        agent = await here.house.agents.named(tx, "triage")
        given = Given(frozenset({"slack.post_message"}), frozenset(), None, uses=uses)
        await here.house.grants.give(tx, ana.principal, agent.id, [connection.id], given)
    return token


async def _at_once(agents: list[Wire], times: int, **leg: str) -> list[dict[str, Any]]:
    """Post so many times from each agent, all at once."""
    answers: list[dict[str, Any]] = []

    async def post(agent: Wire) -> None:
        answers.append(await agent.call("slack.post_message", POST, **leg))

    with anyio.fail_after(30):
        async with anyio.create_task_group() as tasks:
            for _ in range(times):
                for agent in agents:
                    tasks.start_soon(post, agent)
    return answers


def _went(answers: list[dict[str, Any]]) -> int:
    return sum("content" in answer and not answer.get("isError") for answer in answers)


@pytest.mark.parametrize("uses", [1, 3])
async def test_of_calls_at_once_in_two_processes_exactly_so_many_pass(
    here: Town, ana: Person, uses: int
) -> None:
    token, before = await _counted(here, ana, uses), _posted(here)
    async with here.another() as other, here.wire(token) as one, other.wire(token) as two:
        answers = await _at_once([one, two], 6)
    assert (_posted(here) - before, _went(answers), len(answers)) == (uses, uses, 12)
    asked = [answer for answer in answers if "inputRequests" in answer]
    assert len(asked) == 12 - uses, "the others are what a call without a grant is: a link"


async def test_a_grant_that_is_not_counted_is_good_for_all(here: Town, ana: Person) -> None:
    token, before = await _counted(here, ana, None), _posted(here)
    async with here.wire(token) as agent:
        answers = await _at_once([agent], 8)
    assert (_posted(here) - before, _went(answers)) == (8, 8)


async def test_a_replayed_leg_uses_up_nothing(here: Town, ana: Person) -> None:
    """Ana says *only once*; twenty copies of the leg that goes on are one call, and use it up once."""
    await here.connected(ana, "slack.list_channels", agent="first")
    before = _posted(here)
    async with here.wire(await here.token(ana, "triage")) as agent, PersonWithBrowser() as browser:
        leg = await agent.call("slack.post_message", POST)
        link, state = leg["inputRequests"]["valetkey"]["params"]["url"], leg["requestState"]
        await here.sign_in(browser, link, ana.name)
        await browser.submit(password=PASSWORD, decision="allow", uses="only once")
        if not browser.url.startswith(here.url):
            await browser.submit(account="ana@example.com", decision="allow")
            await browser.submit(decision="yes")
        answers = await _at_once([agent], 20, state=state, action="accept")
        assert (_posted(here) - before, _went(answers)) == (1, 1)
        again = await agent.call("slack.post_message", POST)
    assert "inputRequests" in again, "the one call it was for has been made"


async def test_a_call_that_is_not_sent_uses_up_nothing(here: Town, ana: Person) -> None:
    token, before = await _counted(here, ana, 1), _posted(here)
    async with here.wire(token) as agent:
        wrong = await agent.call("slack.post_message", {"channel": "C0SUPPORT2"})
        assert "[invalid]" in text(wrong)
        assert _went([await agent.call("slack.post_message", POST)]) == 1
    assert _posted(here) - before == 1


async def test_the_record_of_a_call_names_the_grant_it_was_made_under(here: Town, ana: Person) -> None:
    token = await _counted(here, ana, 2)
    (grant,) = [one for one in await here.house.grants.of(ana.principal) if one.uses == 2]
    async with here.wire(token) as agent:
        await agent.call("slack.post_message", POST)
    (call,) = [one for one in await here.records(ana) if one.kind == "call" and one.outcome == "ok"]
    assert call.details["grant"] == grant.id


async def test_the_last_use_and_a_wider_grant_are_two_things(here: Town, ana: Person) -> None:
    """What is used up leaves what was allowed before it as it was."""
    token, before = await _counted(here, ana, None), _posted(here)
    (older,) = [
        one for one in await here.house.grants.of(ana.principal) if one.uses is None and one.until is None
    ]
    here.clock.advance(1)  # ids sort by time
    async with here.house.ground.store.transaction() as tx:
        given = Given(frozenset({"slack.*"}), frozenset(), None, uses=1)
        await here.house.grants.give(tx, ana.principal, older.actor, older.connections, given)
    async with here.wire(token) as agent:
        answers = await _at_once([agent], 4)
    assert (_posted(here) - before, _went(answers)) == (4, 4)
