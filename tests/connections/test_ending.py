"""Ends in sight, renewals that keep failing, and the tokens of what has long been dead."""

import pytest

from tests.support.linked import ANA, Linked
from valetkey.audit.verify import verify
from valetkey.errors import CallError
from valetkey.model import DAY, HOUR, MINUTE, SECOND, Connection

SEVEN_DAYS = 7 * 24 * 3600


async def ends_in_a_week(here: Linked) -> Connection:
    """A connection whose provider says when its refresh token ends."""
    answer = {"refresh_token_expires_in": SEVEN_DAYS}
    here.sandbox.strict.faults.set("token", "altered", 1, set=answer)
    return await here.connect()


async def test_a_connection_that_ends_is_told_of_before(here: Linked) -> None:
    connection = await ends_in_a_week(here)
    await here.connect("slack")  # for which nothing says when it ends
    end = here.clock.now() + SEVEN_DAYS * SECOND
    expiring = here.house.connections.expiring
    assert await expiring(end) == []
    ((found, at),) = await expiring(end + 1)
    assert (found.id, at) == (connection.id, end)


async def test_an_end_that_moves_with_each_renewal_is_never_near(here: Linked) -> None:
    await here.connect("gmail")
    expiring, start = here.house.connections.expiring, here.clock.now()
    ((_, first),) = await expiring(start + 400 * DAY)
    assert first == start + 180 * DAY
    here.clock.advance(27 * HOUR)
    await here.house.connections.ahead.renew_due()
    ((_, then),) = await expiring(start + 400 * DAY)
    assert then == here.clock.now() + 180 * DAY


async def test_a_renewal_that_brings_the_same_refresh_token_leaves_its_end(here: Linked) -> None:
    answer = {"refresh_token_expires_in": SEVEN_DAYS}
    here.sandbox.google.faults.set("token", "altered", 1, set=answer)
    await here.connect("gmail")
    end = here.clock.now() + SEVEN_DAYS * SECOND
    here.clock.advance(2 * HOUR)
    await here.call("gmail")
    assert [at for _, at in await here.house.connections.expiring(end + 1)] == [end]


async def test_what_has_ended_is_not_about_to_end(here: Linked) -> None:
    connection = await ends_in_a_week(here)
    await here.house.connections.revocation.revoke(connection, "person")
    assert await here.house.connections.expiring(here.clock.now() + 365 * DAY) == []


async def test_a_renewal_that_keeps_failing_is_known_with_the_time_it_began(here: Linked) -> None:
    connection = await here.connect()
    here.sandbox.strict.faults.set("token", "server_error")
    failing = here.house.connections.ending.failing
    here.clock.advance(300 * SECOND)
    began = here.clock.now()
    for _ in range(3):
        with pytest.raises(CallError):
            await here.call()
        here.clock.advance(6 * MINUTE)
    assert [(found.id, at) for found, at in await failing(here.clock.now())] == [(connection.id, began)]
    assert await failing(began - 1) == []
    here.sandbox.strict.faults.clear()
    await here.call()
    assert await failing(here.clock.now()) == []


async def sealed(here: Linked, connection: Connection) -> bool:
    sql = "SELECT 1 FROM sealed WHERE purpose = 'token' AND id = $1"
    return await here.house.ground.store.one(sql, connection.token_set) is not None


async def test_dead_tokens_are_kept_for_a_month_and_not_longer(here: Linked) -> None:
    connection = await here.connect()
    here.sandbox.strict.revoke(ANA)
    here.clock.advance(300 * SECOND)
    with pytest.raises(CallError):
        await here.call()
    ending = here.house.connections.ending
    here.clock.advance(30 * DAY)
    await ending.forget_dead()
    assert await sealed(here, connection)
    here.clock.advance(1)
    await ending.forget_dead()
    await ending.forget_dead()
    assert not await sealed(here, connection)
    assert await here.state(connection) == ("needs_reauth", "invalid_grant")
    facts = {"connection": connection.id, "forgotten": "token", "record": connection.token_set}
    assert await here.happened("tokens.forgotten") == [facts]
    ground = here.house.ground
    assert (await verify(ground.store, ground.keys)).ok
    with pytest.raises(CallError) as refused:
        await here.call()
    assert refused.value.outcome == "reconnect"
    await here.connect()
    assert await here.call()
