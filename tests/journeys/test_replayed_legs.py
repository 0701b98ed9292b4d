"""The state that rides between the legs of a call: sealed, bound, and good for sending once."""

import time
from collections.abc import AsyncIterator, Callable
from typing import Any

import anyio
import pytest

from tests.support.town import Town, town
from tests.support.wire import Wire, text
from valetkey.people import Person

POST = {"channel": "C0SUPPORT2", "text": "Five mails from Ben."}
UNREAD = {"limit": 1}
INVALID = -32602


@pytest.fixture(scope="module")
async def here(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Town]:
    async with town(tmp_path_factory.mktemp("home"), hold=0.02) as opened:
        yield opened


@pytest.fixture
async def ana(here: Town) -> Person:
    return await here.newcomer()


async def _waiting(agent: Wire, name: str, arguments: dict[str, Any]) -> tuple[str, str]:
    """Make a call that has to wait: return its link and its state."""
    leg = await agent.call(name, arguments)
    return leg["inputRequests"]["valetkey"]["params"]["url"], leg["requestState"]


def _posted(here: Town) -> int:
    return len(here.sandbox.slack.counters.posted)


async def test_a_replayed_leg_is_never_sent_twice(here: Town, ana: Person) -> None:
    before = _posted(here)
    async with here.wire(await here.token(ana)) as agent:
        link, state = await _waiting(agent, "slack.post_message", POST)
        await here.approve(link, ana.name, "ana@example.com")
        first = await agent.call("slack.post_message", POST, state, "accept")
        assert "isError" not in first or not first["isError"]
        again = await agent.call("slack.post_message", POST, state, "accept")
    assert again["isError"]
    assert again["_meta"]["valetkey/outcome"] == "conflict"
    assert "not sent twice" in text(again)
    assert _posted(here) == before + 1


async def test_twenty_legs_at_once_send_one_message(here: Town, ana: Person) -> None:
    before = _posted(here)
    async with here.wire(await here.token(ana)) as agent:
        link, state = await _waiting(agent, "slack.post_message", POST)
        await here.approve(link, ana.name, "ana@example.com")
        answers: list[dict[str, Any]] = []

        async def leg() -> None:
            answers.append(await agent.call("slack.post_message", POST, state, "accept"))

        with anyio.fail_after(20):
            async with anyio.create_task_group() as tasks:
                for _ in range(20):
                    tasks.start_soon(leg)
    assert _posted(here) == before + 1
    assert sum(not answer.get("isError") for answer in answers) == 1


async def test_a_replayed_leg_of_a_failed_call_gets_how_it_ended(here: Town, ana: Person) -> None:
    gone = POST | {"channel": "C0NOWHERE0"}
    async with here.wire(await here.token(ana)) as agent:
        link, state = await _waiting(agent, "slack.post_message", gone)
        await here.approve(link, ana.name, "ana@example.com")
        first = await agent.call("slack.post_message", gone, state, "accept")
        await here.records(ana)
        again = await agent.call("slack.post_message", gone, state, "accept")
    assert first["_meta"]["valetkey/outcome"] == again["_meta"]["valetkey/outcome"] == "not_found"
    assert "not sent twice" in text(again)


async def test_a_declined_call_is_not_revived_by_its_earlier_state(here: Town, ana: Person) -> None:
    before = _posted(here)
    async with here.wire(await here.token(ana)) as agent:
        link, state = await _waiting(agent, "slack.post_message", POST)
        assert "[declined]" in text(await agent.call("slack.post_message", POST, state, "decline"))
        await here.approve(link, ana.name, "ana@example.com")
        again = await agent.call("slack.post_message", POST, state, "accept")
    assert again["_meta"]["valetkey/outcome"] == "declined"
    assert _posted(here) == before


async def test_somebody_elses_state_is_refused(here: Town, ana: Person) -> None:
    ben = await here.newcomer()
    async with here.wire(await here.token(ana)) as agent, here.wire(await here.token(ben)) as thief:
        link, state = await _waiting(agent, "slack.post_message", POST)
        await here.approve(link, ana.name, "ana@example.com")
        refused = await thief.call("slack.post_message", POST, state, "accept")
    assert refused["error"]["data"] == {"reason": "invalid_request_state"}


async def test_another_agent_of_the_same_person_cannot_use_the_state(here: Town, ana: Person) -> None:
    async with here.wire(await here.token(ana)) as agent, here.wire(await here.token(ana, "other")) as other:
        _, state = await _waiting(agent, "gmail.list_unread", UNREAD)
        refused = await other.call("gmail.list_unread", UNREAD, state, "accept")
    assert refused["error"]["code"] == INVALID


_Bend = Callable[[str], str]


@pytest.mark.parametrize(
    "bent",
    [
        pytest.param(lambda state: state[:-1] + ("A" if state[-1] != "A" else "B"), id="last character"),
        pytest.param(lambda state: state.replace("v1.", "v2."), id="version"),
        pytest.param(lambda state: state[:40], id="cut"),
        pytest.param(lambda state: "", id="empty"),
        pytest.param(lambda state: '{"call": "cal_x", "request": null, "count": 0}', id="plain"),
    ],
)
async def test_a_bent_state_is_refused(here: Town, bent: _Bend) -> None:
    ana = await here.newcomer()
    async with here.wire(await here.token(ana)) as agent:
        _, state = await _waiting(agent, "gmail.list_unread", UNREAD)
        refused = await agent.call("gmail.list_unread", UNREAD, bent(state), "accept")
    assert refused["error"]["code"] == INVALID
    assert refused["error"]["message"] == "Invalid or expired requestState"


async def test_a_state_belongs_to_its_arguments_and_its_tool(here: Town, ana: Person) -> None:
    async with here.wire(await here.token(ana)) as agent:
        _, state = await _waiting(agent, "gmail.list_unread", UNREAD)
        others = await agent.call("gmail.list_unread", {"limit": 50}, state, "accept")
        tool = await agent.call("gmail.search_messages", {"query": "x"}, state, "accept")
    assert others["error"]["code"] == tool["error"]["code"] == INVALID


async def test_a_state_is_good_for_ten_minutes(
    here: Town, ana: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with here.wire(await here.token(ana)) as agent:
        _, state = await _waiting(agent, "gmail.list_unread", UNREAD)
        later = time.time() + 601
        monkeypatch.setattr(time, "time", lambda: later)  # the library seals by the machine's clock
        refused = await agent.call("gmail.list_unread", UNREAD, state, "accept")
    assert refused["error"]["data"] == {"reason": "invalid_request_state"}


async def test_the_state_says_nothing_to_who_carries_it(here: Town, ana: Person) -> None:
    async with here.wire(await here.token(ana)) as agent:
        link, state = await _waiting(agent, "gmail.list_unread", UNREAD)
    assert "cal_" not in state
    assert ana.subject not in link + state
    assert ana.name not in link + state
