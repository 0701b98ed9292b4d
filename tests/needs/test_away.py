"""What calls ask while their person is away: it waits for them; an account that has ended is one thing."""

import secrets
from collections.abc import AsyncIterator

import pytest

from tests.support.clock import FakeClock
from valetkey.audit import Audit
from valetkey.errors import CallError
from valetkey.model import DAY, Actor, Caller, Ids, Outcome, Principal
from valetkey.needs import Requests
from valetkey.needs.requests import LASTS_AWAY, MOST_AHEAD, MOST_OF_ONE
from valetkey.store.sqlite import SqliteStore
from valetkey.vault import Vault

AWAY = Caller(Principal("local", "per_ana"), Actor("agt_1"), "ses_1", away=True)
BEN = Caller(Principal("local", "per_ben"), Actor("agt_1"), "ses_2", away=True)
READ, WRITE = ("gmail.list_unread",), ("gmail.send_message",)


@pytest.fixture
async def requests(store: SqliteStore, vault: Vault, ids: Ids, clock: FakeClock) -> AsyncIterator[Requests]:
    async with Audit(store, vault, ids, clock, secrets.token_bytes) as audit:
        yield Requests(store, vault.keys, audit, ids, clock, "http://localhost:8917")


async def test_it_waits_over_a_weekend_and_the_next_night_asks_anew(
    requests: Requests, store: SqliteStore, clock: FakeClock
) -> None:
    first = await requests.find_or_make(AWAY, READ, Outcome.RECONNECT, "con_1")
    clock.advance(LASTS_AWAY - 1)
    assert await requests.open_for(store, AWAY.principal) == [first]
    clock.advance(1)
    assert await requests.open_for(store, AWAY.principal) == []
    again = await requests.find_or_make(AWAY, READ, Outcome.RECONNECT, "con_1")
    assert await requests.open_for(store, AWAY.principal) == [again]


async def test_an_account_that_has_ended_is_one_thing_whatever_was_to_be_done_with_it(
    requests: Requests,
) -> None:
    first = await requests.find_or_make(AWAY, READ, Outcome.RECONNECT, "con_1")
    assert await requests.find_or_make(AWAY, WRITE, Outcome.RECONNECT, "con_1") == first
    assert await requests.find_or_make(AWAY, WRITE, Outcome.RECONNECT, "con_2") != first
    assert await requests.find_or_make(AWAY, WRITE, Outcome.INSUFFICIENT_SCOPE, "con_1") != first


async def test_it_is_another_need_than_by_day(requests: Requests) -> None:
    by_day = Caller(AWAY.principal, AWAY.actor, "ses_3")
    at_night = await requests.find_or_make(AWAY, READ, Outcome.RECONNECT, "con_1")
    assert await requests.find_or_make(by_day, READ, Outcome.RECONNECT, "con_1") != at_night


async def test_it_takes_no_room_from_what_is_asked_ahead_and_buries_nobody(
    requests: Requests, clock: FakeClock
) -> None:
    for number in range(MOST_OF_ONE):
        await requests.find_or_make(AWAY, (f"gmail.tool{number}",), Outcome.NOT_GRANTED)
    with pytest.raises(CallError):
        await requests.find_or_make(AWAY, READ, Outcome.NOT_GRANTED)
    for number in range(MOST_AHEAD):
        await requests.ahead(AWAY, (f"gmail.tool{number}",), offline=True)
    await requests.find_or_make(BEN, READ, Outcome.NOT_GRANTED)
    clock.advance(3 * DAY)
    await requests.find_or_make(AWAY, READ, Outcome.NOT_GRANTED)
