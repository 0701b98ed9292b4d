"""Clocks that jump: renewals come neither too early nor too late, and never as a storm."""

from typing import Any

import anyio
import pytest

from tests.support.linked import ANA, Linked, neighbour
from valetkey.errors import CallError
from valetkey.model import DAY, HOUR, MINUTE, SECOND

WITHIN = 30
PEOPLE = 5


async def crowd(here: Linked) -> list[Linked]:
    """A few people whose tokens last an hour, and who use them."""
    here.sandbox.strict.change(lifetime=3600)
    people = [here.as_person(f"person-{number}") for number in range(PEOPLE)]
    for person in people:
        await person.connect()
        await person.call()
    return people


async def minutes(here: Linked, people: list[Linked], count: int) -> None:
    """Everybody calls, and the job comes round, each minute for so long."""
    for _ in range(count):
        for person in people:
            await person.call()
        with anyio.fail_after(WITHIN):
            await here.house.connections.ahead.renew_due()
        here.clock.advance(1 * MINUTE)


@pytest.mark.parametrize("jump", [-HOUR, HOUR, -DAY, DAY, -1 * SECOND, 1 * SECOND])
async def test_a_clock_that_jumps_costs_each_at_most_one_renewal(here: Linked, jump: int) -> None:
    """The provider's clock jumps with ours, but what it has issued ends when it would have ended."""
    people = await crowd(here)
    ends = here.clock.now() + HOUR
    here.clock.advance(jump)
    for access in here.sandbox.strict.ledger._accesses.values():
        access.until = ends + jump
    await minutes(here, people, 10)
    renewed = here.refreshes("notes").get("ok", 0)
    assert renewed <= PEOPLE
    assert not here.sandbox.strict.counters.api_refused
    await minutes(here, people, 60)
    assert here.refreshes("notes") == {"ok": renewed + PEOPLE}


async def test_a_clock_set_back_lets_tokens_end_early_and_nobody_notices(here: Linked) -> None:
    people = await crowd(here)
    here.clock.advance(-HOUR)
    here.sandbox.strict.expire(ANA)
    await minutes(here, people, 5)
    assert here.refreshes("notes") == {"ok": PEOPLE}


@pytest.mark.parametrize("text", ["-5", -5, "0", 0])
async def test_a_life_that_is_over_when_it_begins_makes_no_storm(here: Linked, text: Any) -> None:
    here.sandbox.strict.faults.set("token", "altered", set={"expires_in": text})
    await here.connect()
    await minutes(here, [here], 5)
    assert here.refreshes("notes") == {"ok": 5}  # a call each, and nothing by itself


@pytest.mark.parametrize("text", ["3600", 3600, 3600.9, "3600.0"])
async def test_a_life_as_text_is_a_life(here: Linked, text: Any) -> None:
    here.sandbox.strict.faults.set("token", "altered", set={"expires_in": text})
    connection = await here.connect()
    tokens = (await here.held(connection)).tokens
    assert tokens.expires_at == tokens.issued_at + HOUR


@pytest.mark.parametrize("text", ["NaN", "soon", None, True, [], {"s": 1}])
async def test_a_life_that_is_not_told_has_no_end_until_the_provider_says_so(here: Linked, text: Any) -> None:
    here.sandbox.strict.faults.set("token", "altered", set={"expires_in": text})
    connection = await here.connect()
    assert (await here.held(connection)).tokens.expires_at is None
    here.clock.advance(299 * SECOND)
    await here.call()
    assert here.refreshes("notes") == {}
    here.clock.advance(1 * SECOND)
    await here.call()  # a 401, one renewal, the call once more
    assert here.refreshes("notes") == {"ok": 1}
    assert here.sandbox.strict.counters.api_refused == {"expired": 1}


@pytest.mark.parametrize("text", [10**30, "1e400", "Infinity", 10**9])
async def test_a_life_beyond_belief_is_a_year(here: Linked, text: Any) -> None:
    here.sandbox.strict.faults.set("token", "altered", set={"expires_in": text})
    connection = await here.connect()
    tokens = (await here.held(connection)).tokens
    assert tokens.expires_at == tokens.issued_at + 365 * DAY


async def refused(here: Linked) -> CallError:
    with pytest.raises(CallError) as caught:
        await here.call()
    return caught.value


async def test_a_wait_written_by_a_clock_that_was_set_back_keeps_nobody(here: Linked) -> None:
    await here.connect()
    here.clock.advance(300 * SECOND)
    here.sandbox.strict.faults.set("token", "too_many", 1, retry_after=60)
    assert (await refused(here)).outcome == "unavailable"
    here.clock.advance(-HOUR)
    here.sandbox.strict.expire(ANA)
    assert await here.call()


async def test_a_lease_written_by_a_clock_that_was_set_back_gets_what_a_holder_can_need(here: Linked) -> None:
    connection = await here.connect()
    here.clock.advance(300 * SECOND)
    for access in here.sandbox.strict.ledger._accesses.values():
        access.until = 0  # whatever its clock says later
    held = here.sandbox.strict.faults.set("token", "hold", 1, after=True)
    with anyio.fail_after(WITHIN):
        async with neighbour(here) as other, anyio.create_task_group() as tasks:
            tasks.start_soon(other.call)
            await held.arrived.wait()
            here.clock.advance(-HOUR)  # the lease now seems to last an hour and half a minute
            tasks.start_soon(here.call)
            sql = "SELECT lease_until FROM token_sets WHERE id = $1"
            while True:
                row = await here.house.ground.store.one(sql, connection.token_set)
                assert row is not None
                if row["lease_until"] == here.clock.now() + 30 * SECOND:
                    break
                await anyio.lowlevel.checkpoint()
            here.sandbox.strict.faults.release()
    assert here.refreshes("notes") == {"ok": 1}
    assert await here.state(connection) == ("connected", None)


async def test_strikes_of_another_time_do_not_count_as_ten_minutes(here: Linked) -> None:
    connection = await here.connect()
    here.clock.advance(300 * SECOND)
    here.sandbox.strict.faults.set("token", "empty_400")
    await refused(here)
    here.clock.advance(-DAY)
    here.sandbox.strict.expire(ANA)
    for _ in range(2):
        await refused(here)
        here.clock.advance(4 * MINUTE)
    assert (await here.state(connection))[0] == "connected"
    here.clock.advance(3 * MINUTE)
    assert (await refused(here)).outcome == "reconnect"
