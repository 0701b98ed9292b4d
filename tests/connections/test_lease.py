"""The right to spend a refresh token: how long it lasts, and what whoever comes next makes of it."""

import pytest

from tests.support.linked import ANA, Linked, neighbour
from valetkey.connections.lease import LEASE, lasting, loses, take
from valetkey.errors import CallError
from valetkey.manifest.schema_auth import Refresh
from valetkey.model import MINUTE, SECOND, Connection, ConnectionState


@pytest.mark.parametrize(
    ("reuse", "lasts"),
    [
        ("strict", LEASE),
        ("retry_safe", LEASE),
        ("grace:600", LEASE),
        ("grace:30", 15 * SECOND),
        ("grace:1", SECOND),
    ],
)
def test_whoever_follows_a_dead_holder_comes_within_the_grace(reuse: str, lasts: int) -> None:
    assert lasting(Refresh(reuse=reuse)) == lasts


@pytest.mark.parametrize(("reuse", "lost"), [("strict", True), ("retry_safe", False), ("grace:600", True)])
def test_a_lost_answer_is_a_loss_unless_the_old_token_is_good_still(reuse: str, lost: bool) -> None:
    assert loses(Refresh(reuse=reuse)) is lost


async def taken(here: Linked, connection: Connection, refresh: Refresh) -> bool | None:
    """Take the lease of some tokens: whether an answer was lost before; None: it is another's."""
    store, clock = here.house.ground.store, here.clock
    lease = await take(store, clock, here.house.ground.leases.owner, await here.held(connection), refresh)
    return None if lease is None else lease.lost


async def test_one_holder_at_a_time_and_the_next_knows_that_the_answer_was_lost(here: Linked) -> None:
    connection = await here.connect()
    async with neighbour(here) as other:
        assert await taken(here, connection, Refresh()) is False
        assert await taken(other, connection, Refresh()) is None
        here.clock.advance(LEASE)
        assert await taken(other, connection, Refresh()) is None
        here.clock.advance(1)
        assert await taken(other, connection, Refresh()) is True


async def test_what_may_be_sent_again_is_not_lost(here: Linked) -> None:
    connection = await here.connect()
    kind = Refresh(reuse="retry_safe")
    assert await taken(here, connection, kind) is False
    here.clock.advance(LEASE + 1)
    assert await taken(here, connection, kind) is False


async def test_a_token_that_is_refused_minutes_after_it_came_may_be_in_other_hands(here: Linked) -> None:
    connection = await here.connect()
    here.clock.advance(300 * SECOND)
    await here.call()
    thief_used_the_old_one(here)
    with pytest.raises(CallError):
        await here.call()
    assert await here.state(connection) == ("needs_reauth", "invalid_grant")
    facts = {"connection": connection.id, "connector": "notes"}
    assert await here.happened("possible_token_theft") == [facts]


def thief_used_the_old_one(here: Linked) -> None:
    """What reuse detection does: the family is gone (RFC 9700 section 4.14.2)."""
    here.sandbox.strict.revoke(ANA)


async def test_a_token_that_was_good_for_long_was_just_revoked(here: Linked) -> None:
    await here.connect()
    here.clock.advance(300 * SECOND)
    await here.call()
    here.clock.advance(10 * MINUTE)
    here.sandbox.strict.revoke(ANA)
    with pytest.raises(CallError):
        await here.call()
    assert await here.happened("possible_token_theft") == []


@pytest.mark.parametrize("connector", ["notes", "gmail"])
async def test_a_first_token_or_one_that_is_never_replaced_has_no_older_one(
    here: Linked, connector: str
) -> None:
    await here.connect(connector)
    if connector == "gmail":
        here.provider(connector).expire(ANA)
        await here.call(connector)
    here.provider(connector).revoke(ANA)
    with pytest.raises(CallError):
        await here.call(connector)
    assert await here.happened("possible_token_theft") == []


@pytest.mark.parametrize("target", [ConnectionState.PENDING, ConnectionState.CONFIRMING])
async def test_no_connection_goes_back(here: Linked, target: ConnectionState) -> None:
    connection = await here.connect()
    with pytest.raises(AssertionError, match="no connection goes from connected"):
        async with here.house.ground.store.transaction() as tx:
            await here.house.connections.rows.to(tx, connection, target, by="person")
    assert await here.state(connection) == ("connected", None)


async def test_a_state_that_somebody_else_wrote_is_not_there(here: Linked) -> None:
    connection = await here.connect()
    await here.house.connections.revocation.revoke(connection, "person")
    store, rows = here.house.ground.store, here.house.connections.rows
    async with store.transaction() as tx:
        await tx.run("UPDATE connections SET state = 'connected' WHERE id = $1", connection.id)
    assert await rows.get(store, connection.id) is None
