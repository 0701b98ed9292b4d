"""When a token set is refreshed, how often, and what its callers get meanwhile."""

from dataclasses import replace

import anyio
import pytest

from tests.support.linked import ANA, Linked, neighbour
from valetkey.errors import CallError
from valetkey.model import MINUTE, SECOND, Connection

WITHIN = 30


async def many(here: Linked, count: int = 100) -> list[object]:
    """Call at once, many times; return what each of them got."""
    got: list[object] = []

    async def one() -> None:
        try:
            got.append(await here.call())
        except CallError as error:
            got.append(error.outcome)

    with anyio.fail_after(WITHIN):
        async with anyio.create_task_group() as tasks:
            for _ in range(count):
                tasks.start_soon(one)
    return got


@pytest.mark.parametrize("connector", ["gmail", "slack", "notes"])
async def test_a_token_is_renewed_a_minute_before_its_end_and_not_earlier(
    here: Linked, connector: str
) -> None:
    connection = await here.connect(connector)
    expires = (await here.held(connection)).tokens.expires_at
    assert expires is not None
    here.clock.set_to(expires - MINUTE - 1)
    await here.call(connector)
    assert here.refreshes(connector) == {}
    here.clock.advance(1)
    await here.call(connector)
    await here.call(connector)
    assert here.refreshes(connector) == {"ok": 1}
    assert not here.provider(connector).counters.api_refused
    assert (await here.held(connection)).version == 2


@pytest.mark.parametrize("connector", ["gmail", "slack", "notes"])
async def test_a_token_that_ended_early_is_renewed_and_the_call_made_again(
    here: Linked, connector: str
) -> None:
    await here.connect(connector)  # Slack says so in the body of a 200, the others with a 401
    here.provider(connector).expire(ANA)
    assert await here.call(connector)
    assert here.refreshes(connector) == {"ok": 1}


async def test_a_short_life_is_renewed_in_its_last_fifth(here: Linked) -> None:
    here.sandbox.strict.change(lifetime=10)
    await here.connect()
    here.clock.advance(8 * SECOND - 1)
    await here.call()
    assert here.refreshes("notes") == {}
    here.clock.advance(1)
    await here.call()
    assert here.refreshes("notes") == {"ok": 1}


async def test_a_hundred_calls_at_once_on_an_expired_token_make_one_refresh(here: Linked) -> None:
    await here.connect()
    here.clock.advance(300 * SECOND)
    got = await many(here)
    assert len(got) == 100
    assert all(isinstance(answer, dict) for answer in got), got
    assert here.refreshes("notes") == {"ok": 1}
    assert here.sandbox.strict.counters.api_calls == {ANA: 101}  # and the one that named the account


async def test_a_hundred_calls_whose_token_is_refused_at_once_make_one_refresh(here: Linked) -> None:
    await here.connect()
    here.sandbox.strict.expire(ANA)
    assert all(isinstance(answer, dict) for answer in await many(here))
    assert here.refreshes("notes") == {"ok": 1}


async def test_a_cancelled_caller_loses_nothing(here: Linked) -> None:
    connection = await here.connect()
    here.clock.advance(300 * SECOND)
    held = here.sandbox.strict.faults.set("token", "hold", 1, after=True)
    with anyio.fail_after(WITHIN):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(here.call)
            await held.arrived.wait()  # the provider has spent the old token, and has not told
            tasks.cancel_scope.cancel()
        here.sandbox.strict.faults.release()
        assert await here.call()
    assert here.refreshes("notes") == {"ok": 1}
    assert (await here.held(connection)).version == 2


async def test_the_renewed_token_is_in_the_store_before_it_is_used(here: Linked) -> None:
    connection = await here.connect()
    here.clock.advance(300 * SECOND)
    held = here.sandbox.strict.faults.set("api", "hold", 1)
    with anyio.fail_after(WITHIN):
        async with neighbour(here) as other, anyio.create_task_group() as tasks:
            tasks.start_soon(here.call)
            await held.arrived.wait()
            assert (await other.held(connection)).version == 2
            here.sandbox.strict.faults.release()


async def test_another_process_waits_for_the_one_that_refreshes(here: Linked) -> None:
    await here.connect()
    here.clock.advance(300 * SECOND)
    held = here.sandbox.strict.faults.set("token", "hold", 1)
    with anyio.fail_after(WITHIN):
        async with neighbour(here) as other, anyio.create_task_group() as tasks:
            tasks.start_soon(here.call)
            await held.arrived.wait()
            tasks.start_soon(other.call)
            await anyio.wait_all_tasks_blocked()
            here.sandbox.strict.faults.release()
    assert here.refreshes("notes") == {"ok": 1}


async def test_while_another_process_refreshes_a_token_that_still_lives_serves(here: Linked) -> None:
    await here.connect()
    here.clock.advance(241 * SECOND)
    held = here.sandbox.strict.faults.set("token", "hold", 1)
    with anyio.fail_after(WITHIN):
        async with neighbour(here) as other, anyio.create_task_group() as tasks:
            tasks.start_soon(here.call)
            await held.arrived.wait()
            assert await other.call()
            here.sandbox.strict.faults.release()
    assert here.refreshes("notes") == {"ok": 1}


async def test_without_a_refresh_token_the_last_minute_is_used_and_then_its_person_has_to_come(
    here: Linked,
) -> None:
    connection = await here.connect("gmail")
    await without_refresh_token(here, connection)
    here.clock.advance(3598 * SECOND)
    assert await here.call("gmail")
    here.clock.advance(1 * SECOND)
    with pytest.raises(CallError) as caught:
        await here.call("gmail")
    assert caught.value.outcome == "reconnect"
    assert await here.state(connection) == ("needs_reauth", "expired")


async def test_without_a_refresh_token_a_refused_token_is_its_end(here: Linked) -> None:
    connection = await here.connect("gmail")
    await without_refresh_token(here, connection)
    here.sandbox.google.expire(ANA)
    with pytest.raises(CallError) as caught:
        await here.call("gmail")
    assert caught.value.outcome == "reconnect"
    assert "/connect/" in caught.value.text
    assert await here.state(connection) == ("needs_reauth", "refused")


async def without_refresh_token(here: Linked, connection: Connection) -> None:
    ground = here.house.ground
    sets = here.refresher._sets
    held = await here.held(connection)
    async with ground.store.transaction() as tx:
        tokens = replace(held.tokens, refresh=None)
        await sets.put(tx, connection.token_set, connection.principal, tokens, here.connector("gmail"))
