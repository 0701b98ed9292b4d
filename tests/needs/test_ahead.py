"""What agents ask ahead of time: it waits a week, is counted by agent, and goes with its agent."""

import secrets
from collections.abc import AsyncIterator

import pytest

from tests.support.clock import FakeClock
from valetkey.audit import Audit
from valetkey.errors import CallError
from valetkey.model import DAY, Actor, Caller, Ids, Outcome, Principal
from valetkey.needs import Requests
from valetkey.needs.requests import MOST_AHEAD, MOST_OF_ONE
from valetkey.store.sqlite import SqliteStore
from valetkey.vault import Vault

ANA = Caller(Principal("local", "per_ana"), Actor("agt_1"), "")
TOOL = "gmail.list_unread"


@pytest.fixture
async def requests(store: SqliteStore, vault: Vault, ids: Ids, clock: FakeClock) -> AsyncIterator[Requests]:
    async with Audit(store, vault, ids, clock, secrets.token_bytes) as audit:
        yield Requests(store, vault.keys, audit, ids, clock, "http://localhost:8917")


async def test_it_waits_a_week_and_is_one_request_until_then(requests: Requests, clock: FakeClock) -> None:
    first = await requests.ahead(ANA, (TOOL,), offline=True)
    clock.advance(7 * DAY - 1)
    assert await requests.ahead(ANA, (TOOL,), offline=True) == first
    clock.advance(1)
    assert (await requests.get(first.id)).state == "expired"
    assert (await requests.ahead(ANA, (TOOL,), offline=True)).id != first.id


async def test_to_act_at_night_is_another_wish_than_by_day_and_than_a_calls(requests: Requests) -> None:
    made = [
        await requests.ahead(ANA, (TOOL,), offline=True),
        await requests.ahead(ANA, (TOOL,), offline=False),
        await requests.find_or_make(ANA, (TOOL,), Outcome.NOT_GRANTED),
    ]
    assert len({request.id for request in made}) == 3
    assert [request.offline for request in made] == [True, False, False]


async def test_what_expired_makes_room(requests: Requests, clock: FakeClock) -> None:
    for number in range(MOST_AHEAD):
        await requests.ahead(ANA, (f"gmail.tool{number}",), offline=True)
    with pytest.raises(CallError):
        await requests.ahead(ANA, (TOOL,), offline=True)
    clock.advance(7 * DAY)
    await requests.ahead(ANA, (TOOL,), offline=True)


async def test_what_waits_for_a_week_takes_no_room_from_calls(requests: Requests) -> None:
    for number in range(MOST_AHEAD):
        await requests.ahead(ANA, (f"gmail.tool{number}",), offline=True)
    for number in range(MOST_OF_ONE):
        await requests.find_or_make(ANA, (f"gmail.tool{number}",), Outcome.NOT_GRANTED)
    with pytest.raises(CallError):
        await requests.find_or_make(ANA, (TOOL,), Outcome.NOT_GRANTED)


async def test_it_goes_with_the_agent_that_asked(requests: Requests, store: SqliteStore) -> None:
    other = Caller(ANA.principal, Actor("agt_2"), "")
    mine, theirs = [await requests.ahead(caller, (TOOL,), offline=True) for caller in (ANA, other)]
    async with store.transaction() as tx:
        await requests.withdraw(tx, "agt_1")
    assert (await requests.get(mine.id)).state == "expired"
    assert (await requests.get(theirs.id)).state == "open"
