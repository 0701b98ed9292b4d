"""What a call sends whose connection is renewed while the call is on its way: the new token."""

import anyio
import pytest

from tests.support.linked import Linked
from valetkey.connections import ConnectionCredentials
from valetkey.egress import Credential
from valetkey.errors import CallError
from valetkey.model import SECOND, Connection, Outcome

WITHIN = 30


def credentials(here: Linked, connection: Connection) -> ConnectionCredentials:
    """What a call has that found this connection a moment ago."""
    return here.house.connections.tokens(connection, here.connector("notes"))


async def is_of(here: Linked, connection: Connection, credential: Credential) -> bool:
    token = (await here.held(connection)).tokens.access.reveal()
    return credential.headers["Authorization"].reveal() == f"Bearer {token}"


async def test_a_call_that_found_its_connection_before_it_was_renewed(here: Linked) -> None:
    found = await here.connect()
    renewed = await here.connect()
    assert found.id == renewed.id
    assert found.token_set != renewed.token_set
    assert await is_of(here, renewed, await credentials(here, found).current())


async def test_a_call_whose_token_was_refused_after_that(here: Linked) -> None:
    found = await here.connect()
    call = credentials(here, found)
    first = await call.current()
    renewed = await here.connect()
    newer = await call.renewed(first)
    assert newer
    assert newer.version > first.version
    assert await is_of(here, renewed, newer)


async def test_a_call_that_waits_for_a_refresh_meanwhile(here: Linked) -> None:
    found = await here.connect()
    here.clock.advance(400 * SECOND)
    sent: list[Credential] = []

    async def call() -> None:
        sent.append(await credentials(here, found).current())

    with anyio.fail_after(WITHIN):
        async with anyio.create_task_group() as tasks:
            held = here.provider("notes").faults.set("token", "hold", 1)
            tasks.start_soon(call)
            await held.arrived.wait()
            renewed = await here.connect()
            here.provider("notes").faults.release()
    assert await is_of(here, renewed, sent[0])


async def test_a_connection_that_ended_has_no_other_tokens(here: Linked) -> None:
    found = await here.connect()
    await here.house.connections.revocation.revoke(found, "person")
    with pytest.raises(CallError) as refused:
        await credentials(here, found).current()
    assert refused.value.outcome == Outcome.RECONNECT
