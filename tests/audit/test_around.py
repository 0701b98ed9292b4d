"""Around a call: however it ends, one record says so, and with the right word."""

import anyio
import pytest

from tests.audit.story import CALLER, LIST, NEED, POST, Start, asks, fails, made, refused, send
from tests.support.clock import FakeClock
from valetkey.audit import LEFT_OPEN, Audit
from valetkey.audit.read import AuditRecord, records
from valetkey.errors import CallError, NeedsPerson, Replayed
from valetkey.model import CallId, Outcome
from valetkey.store.sqlite import SqliteStore
from valetkey.vault import Vault

CALL = CallId("call_1")


@pytest.fixture
async def only(store: SqliteStore, vault: Vault) -> "OneRecord":
    return OneRecord(store, vault)


class OneRecord:
    """The single record that a test's call has left."""

    def __init__(self, store: SqliteStore, vault: Vault) -> None:
        self._store, self._vault = store, vault

    async def __call__(self) -> AuditRecord:
        (found,) = await records(self._store, self._vault)
        return found

    async def kinds(self) -> list[str]:
        return [row["kind"] for row in await self._store.all("SELECT kind FROM audit ORDER BY seq")]


async def asking(audit: Audit) -> None:
    with pytest.raises(NeedsPerson):
        await asks(audit, CALL)


async def failing(audit: Audit, error: BaseException, sent: bool) -> None:
    with pytest.raises(type(error)):
        await fails(audit, CALL, error, sent=sent)


async def test_a_call_that_ended_well(start: Start, only: OneRecord) -> None:
    async with start() as audit:
        await made(audit, CALL, POST, channel="#support", text="a secret")
    found = await only()
    assert await only.kinds() == ["call.opened", "call.closed"]
    assert (found.outcome, found.tool, found.effect) == ("ok", POST.name, "write")
    assert (found.connection, found.status, found.waiting) == ("con_1", 200, False)
    assert (found.principal, found.actor) == (CALLER.principal, CALLER.actor)
    assert found.arguments == {"channel": "#support", "text": "***"}


@pytest.mark.parametrize("sent", [True, False])
@pytest.mark.parametrize("outcome", [Outcome.INVALID, Outcome.DENIED, Outcome.UNAVAILABLE, Outcome.UNKNOWN])
async def test_a_refusal_is_recorded_with_its_outcome(
    start: Start, only: OneRecord, outcome: Outcome, sent: bool
) -> None:
    async with start() as audit:
        await failing(audit, CallError(outcome, "No."), sent)
    assert (await only()).outcome == outcome


@pytest.mark.parametrize(("sent", "outcome"), [(True, "unknown"), (False, "failed")])
async def test_an_unexpected_exception_may_have_happened_once_it_was_sent(
    start: Start, only: OneRecord, sent: bool, outcome: str
) -> None:
    async with start() as audit:
        await failing(audit, ZeroDivisionError(), sent)
    assert (await only()).outcome == outcome
    assert (await only.kinds())[-1] == "call.closed"


@pytest.mark.parametrize(("sent", "outcome"), [(True, "unknown"), (False, "failed")])
async def test_a_cancelled_call_may_have_happened_once_it_was_sent(
    start: Start, only: OneRecord, sent: bool, outcome: str
) -> None:
    async def cancelled(audit: Audit, scope: anyio.CancelScope) -> None:
        with scope:
            async with audit.around(CALLER, LIST.name, CALL) as record:
                if sent:
                    await send(record)
                scope.cancel()
                await anyio.sleep_forever()

    async with start() as audit:
        await cancelled(audit, anyio.CancelScope())
    assert (await only()).outcome == outcome
    assert (await only.kinds())[-1] == "call.closed"


async def test_a_call_cancelled_while_it_is_opened_is_closed_as_unknown_later(
    start: Start, only: OneRecord, clock: FakeClock
) -> None:
    async with start() as audit:
        with anyio.CancelScope() as scope:
            scope.cancel()
            async with audit.around(CALLER, LIST.name, CALL) as record:
                await send(record)
    clock.advance(LEFT_OPEN + 1)
    async with start() as audit:
        assert await audit.close_left_open() == 1
    assert (await only()).outcome == "unknown"


async def test_a_call_that_waits_for_a_person_says_so_once(start: Start, only: OneRecord) -> None:
    async with start() as audit:
        await asking(audit)
        await asking(audit)
    found = await only()
    assert await only.kinds() == ["call.asked"]
    assert (found.outcome, found.waiting, found.details["request"]) == ("not_connected", True, "req_1")
    assert found.arguments == {"limit": 5}


async def test_the_leg_that_comes_after_the_person_is_the_same_record(start: Start, only: OneRecord) -> None:
    async with start() as audit:
        await asking(audit)
        await made(audit, CALL)
    found = await only()
    assert await only.kinds() == ["call.asked", "call.opened", "call.closed"]
    assert (found.outcome, found.waiting) == ("ok", False)


async def test_a_leg_that_is_being_sent_no_longer_waits_for_a_person(start: Start, only: OneRecord) -> None:
    async with start() as audit:
        await asking(audit)
        async with audit.around(CALLER, LIST.name, CALL) as record:
            await send(record)
            found = await only()
    assert (found.outcome, found.waiting) == ("unknown", False)


async def test_a_call_whose_token_turns_out_to_be_dead_ends_with_what_it_needs(
    start: Start, only: OneRecord
) -> None:
    async with start() as audit:
        await failing(audit, NEED, sent=True)
    assert ((await only()).outcome, (await only()).waiting) == ("not_connected", False)


async def replay(audit: Audit) -> Replayed:
    with pytest.raises(Replayed) as caught:
        await made(audit, CALL)
    return caught.value


async def test_a_sent_call_is_not_sent_twice_and_says_how_it_ended(start: Start, only: OneRecord) -> None:
    async with start() as audit:
        await failing(audit, CallError(Outcome.RATE_LIMITED, "Slow down."), sent=True)
    async with start() as audit:
        assert (await replay(audit)).outcome == "rate_limited"
    assert await only.kinds() == ["call.opened", "call.closed"]
    assert (await only()).outcome == "rate_limited"


async def test_a_replay_while_the_call_runs_is_told_that_it_may_have_happened(start: Start) -> None:
    async with start() as audit, audit.around(CALLER, LIST.name, CALL) as record:
        await send(record)
        assert (await replay(audit)).outcome == "unknown"


async def test_a_replay_of_a_call_that_ended_well_is_never_called_ok(start: Start) -> None:
    async with start() as audit:
        await made(audit, CALL)
    async with start() as audit:
        assert (await replay(audit)).outcome == "conflict"


async def test_a_refused_replay_does_not_speak_for_the_leg_that_was_sent(
    start: Start, only: OneRecord
) -> None:
    async with start() as audit, audit.around(CALLER, POST.name, CALL) as record:
        await send(record, POST)
        await refused(audit, CALL)
        await asking(audit)
    assert (await only()).outcome == "ok"
    assert await only.kinds() == ["call.opened", "call.closed"]


async def test_a_call_that_was_declined_cannot_be_sent_afterwards(start: Start, only: OneRecord) -> None:
    async with start() as audit:
        await refused(audit, CALL, Outcome.DECLINED)
    async with start() as audit:
        assert (await replay(audit)).outcome == "declined"
    assert await only.kinds() == ["call.closed"]


async def test_a_lost_close_reads_unknown_until_it_is_written_as_that(
    start: Start, store: SqliteStore, only: OneRecord, clock: FakeClock
) -> None:
    async with start() as audit:
        await made(audit, CALL)
    async with store.transaction() as tx:
        await tx.run("DELETE FROM audit WHERE kind = 'call.closed'")
    assert (await only()).outcome == "unknown"
    async with start() as audit:
        clock.advance(LEFT_OPEN)
        assert await audit.close_left_open() == 0  # it may still be running
        clock.advance(1)
        assert await audit.close_left_open() == 1
        assert await audit.close_left_open() == 0
    found = await only()
    assert (found.outcome, found.duration, found.details["reason"]) == ("unknown", None, "left_open")


async def test_the_duration_is_that_of_the_sent_part(start: Start, only: OneRecord, clock: FakeClock) -> None:
    async with start() as audit:
        await asking(audit)
        clock.advance(60_000)
        async with audit.around(CALLER, LIST.name, CALL) as record:
            await send(record)
            clock.advance(250)
    assert (await only()).duration == 250


async def test_leaving_writes_what_waits_even_when_everything_is_cancelled(
    start: Start, only: OneRecord
) -> None:
    with anyio.CancelScope() as server:
        async with start() as audit, audit.around(CALLER, LIST.name, CALL) as record:
            await send(record)
            server.cancel()
            await anyio.sleep_forever()
    assert (await only()).outcome == "unknown"
    assert await only.kinds() == ["call.opened", "call.closed"]


async def test_a_call_that_ends_after_the_audit_has_closed_reads_unknown(
    start: Start, only: OneRecord
) -> None:
    async with start() as audit:
        leg = audit.around(CALLER, LIST.name, CALL)
        await send(await leg.__aenter__())
    await leg.__aexit__(None, None, None)
    assert (await only()).outcome == "unknown"
