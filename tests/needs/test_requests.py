"""Access requests: one link for one need, good for ten minutes and for nothing else."""

import secrets
from collections.abc import AsyncIterator

import anyio
import pytest

from tests.support.clock import FakeClock
from valetkey.audit import Audit
from valetkey.errors import CallError, PageError
from valetkey.model import MINUTE, Actor, Caller, Ids, Outcome, Principal
from valetkey.needs import AccessRequest, Requests
from valetkey.needs.requests import MOST_OF_ONE
from valetkey.store.sqlite import SqliteStore
from valetkey.vault import Vault

ANA = Caller(Principal("local", "per_ana"), Actor("agt_1"), "ses_1")
BEN = Caller(Principal("local", "per_ben"), Actor("agt_1"), "ses_2")
TOOL = "gmail.list_unread"


@pytest.fixture
async def audit(store: SqliteStore, vault: Vault, ids: Ids, clock: FakeClock) -> AsyncIterator[Audit]:
    async with Audit(store, vault, ids, clock, secrets.token_bytes) as opened:
        yield opened


@pytest.fixture
async def requests(store: SqliteStore, vault: Vault, audit: Audit, ids: Ids, clock: FakeClock) -> Requests:
    return Requests(store, vault.keys, audit, ids, clock, "http://localhost:8917")


async def _made(requests: Requests, caller: Caller = ANA, tool: str = TOOL) -> AccessRequest:
    return await requests.find_or_make(caller, (tool,), Outcome.NOT_CONNECTED)


async def _settle(store: SqliteStore, requests: Requests, request: AccessRequest, state: str) -> None:
    async with store.transaction() as tx:
        await requests.settle(tx, request, state)
    requests.announce(request)


async def test_the_same_need_has_the_same_link(requests: Requests) -> None:
    first, again = await _made(requests), await _made(requests)
    assert requests.link(first) == requests.link(again)


async def test_another_session_of_the_same_agent_is_the_same_need(requests: Requests) -> None:
    later = Caller(ANA.principal, ANA.actor, "ses_9")
    assert (await _made(requests)).id == (await _made(requests, later)).id


async def test_another_person_agent_tool_or_lack_is_another_need(requests: Requests) -> None:
    other_agent = Caller(ANA.principal, Actor("agt_2"), "ses_3")
    other_issuer = Caller(Principal("corp", ANA.principal.subject), ANA.actor, "ses_4")
    made = [
        await _made(requests),
        await _made(requests, BEN),
        await _made(requests, other_agent),
        await _made(requests, other_issuer),
        await _made(requests, tool="gmail.send_message"),
        await requests.find_or_make(ANA, (TOOL,), Outcome.RECONNECT, "con_1"),
        await requests.find_or_make(ANA, (TOOL,), Outcome.RECONNECT, "con_2"),
    ]
    assert len({request.id for request in made}) == len(made)


@pytest.mark.parametrize("state", ["met", "declined"])
async def test_an_answered_need_that_comes_up_again_has_a_new_link(
    store: SqliteStore, requests: Requests, state: str
) -> None:
    first = await _made(requests)
    await _settle(store, requests, first, state)
    assert (await requests.get(first.id)).state == state
    assert (await _made(requests)).id != first.id


async def test_a_link_is_open_for_ten_minutes(requests: Requests, clock: FakeClock) -> None:
    first = await _made(requests)
    clock.advance(10 * MINUTE - 1)
    assert (await _made(requests)).id == first.id
    clock.advance(1)
    assert (await requests.by_handle(requests.handle(first))).state == "expired"
    assert (await _made(requests)).id != first.id


async def test_a_request_is_answered_once(store: SqliteStore, requests: Requests) -> None:
    request = await _made(requests)
    await _settle(store, requests, request, "declined")
    with pytest.raises(PageError) as late:
        await _settle(store, requests, request, "met")
    assert late.value.status == 409
    assert (await requests.get(request.id)).state == "declined"


async def test_of_ten_calls_at_once_all_get_one_link(requests: Requests) -> None:
    made: list[str] = []

    async def ask() -> None:
        made.append((await _made(requests)).id)

    with anyio.fail_after(10):
        async with anyio.create_task_group() as tasks:
            for _ in range(10):
                tasks.start_soon(ask)
    assert len(set(made)) == 1


async def test_an_agent_cannot_bury_its_person(requests: Requests, clock: FakeClock) -> None:
    for number in range(MOST_OF_ONE):
        await _made(requests, tool=f"gmail.tool_{number}")
    with pytest.raises(CallError) as flood:
        await _made(requests, tool="gmail.one_more")
    assert flood.value.outcome == Outcome.RATE_LIMITED
    assert (await _made(requests, tool="gmail.tool_0")).state == "open", "what is open already is found"
    assert (await _made(requests, BEN)).state == "open", "nobody else is kept waiting"
    other = Caller(ANA.principal, Actor("agt_other"), "ses_other")
    assert (await _made(requests, other)).state == "open", "nor are her other agents"
    clock.advance(10 * MINUTE)
    assert (await _made(requests, tool="gmail.one_more")).state == "open"


async def test_a_link_says_nothing_and_is_no_key(requests: Requests) -> None:
    request = await _made(requests)
    handle = requests.handle(request)
    assert requests.link(request) == f"http://localhost:8917/connect/{handle}"
    assert len(handle) == 43
    for told in ("per_ana", "agt_1", "gmail", "local"):
        assert told not in handle


async def test_only_a_handle_made_here_finds_its_request(requests: Requests, vault: Vault) -> None:
    request = await _made(requests)
    handle = requests.handle(request)
    assert await requests.by_handle(handle) == request
    bent = [handle[:at] + ("A" if handle[at] != "A" else "B") + handle[at + 1 :] for at in range(42)]
    for wrong in [
        *bent,
        "",
        handle[:-1],
        handle + "=",
        handle + handle,
        "é" * 43,
        handle.lower(),
        "\x00" * 43,
    ]:
        with pytest.raises(PageError) as gone:
            await requests.by_handle(wrong)
        assert gone.value.status == 404


async def test_waiting_ends_with_the_answer(store: SqliteStore, requests: Requests) -> None:
    request, seen = await _made(requests), list[str]()

    async def wait() -> None:
        seen.append((await requests.wait(request.id, 60)).state)

    with anyio.fail_after(10):
        async with anyio.create_task_group() as tasks:
            for _ in range(3):
                tasks.start_soon(wait)
            await anyio.wait_all_tasks_blocked()
            await _settle(store, requests, request, "met")
    assert seen == ["met"] * 3


async def test_waiting_sees_an_answer_that_another_process_wrote(
    store: SqliteStore, vault: Vault, audit: Audit, ids: Ids, clock: FakeClock, requests: Requests
) -> None:
    elsewhere = Requests(store, vault.keys, audit, ids, clock, "http://localhost:8917")
    request = await _made(requests)
    with anyio.fail_after(10):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(_settle, store, elsewhere, request, "declined")
            assert (await requests.wait(request.id, 60)).state == "declined"


async def test_waiting_in_vain_ends_and_leaves_nothing_behind(requests: Requests) -> None:
    request = await _made(requests)
    with anyio.fail_after(10):
        assert (await requests.wait(request.id, 0.01)).state == "open"
    assert not requests._settled, "who waits no more is not remembered"


async def test_making_and_answering_are_in_the_audit(store: SqliteStore, requests: Requests) -> None:
    await _settle(store, requests, await _made(requests), "declined")
    kinds = [row["kind"] for row in await store.all("SELECT kind FROM audit ORDER BY seq")]
    assert kinds == ["request.made", "request.declined"]
