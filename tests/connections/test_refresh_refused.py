"""What a refresh that brings no tokens does to a connection: as little as the answer allows."""

from typing import Any

import pytest

from tests.support.linked import ANA, Linked
from valetkey.audit.verify import verify
from valetkey.errors import CallError
from valetkey.model import MINUTE, SECOND, Json

BEN = "ben@example.com"
CONNECTED = ("connected", None)
PASSING: dict[str, dict[str, Any]] = {
    "server_error": {},
    "unavailable": {},
    "too_many": {"retry_after": "junk"},
    "drop_before": {},
    "garbage": {},
    "html": {},
    "nan": {},
    "huge_integer": {},
    "duplicate_keys": {},
    "deep": {},
    "bad_charset": {},
    "control_token": {},
    "big_token": {},
    "redirect": {"to": "https://slack.com/api/oauth.v2.access"},
    "bomb": {"bytes": 4 << 20},
    "oversized": {"bytes": 1 << 18},
}


async def refused(here: Linked, connector: str = "notes") -> CallError:
    with pytest.raises(CallError) as caught:
        await here.call(connector)
    return caught.value


async def expired(here: Linked, connector: str = "notes", account: str = ANA) -> Any:
    """A connection whose token has just ended."""
    connection = await here.connect(connector, account)
    expires = (await here.held(connection)).tokens.expires_at
    assert expires is not None
    here.clock.set_to(max(expires, here.clock.now()))
    return connection


def answers(here: Linked, status: int, body: Json, times: int | None = None) -> None:
    here.sandbox.strict.faults.set("token", "status", times, status=status, body=body)


@pytest.mark.parametrize("fault", PASSING)
async def test_a_passing_fault_changes_nothing_and_is_got_over(here: Linked, fault: str) -> None:
    connection = await expired(here)
    here.sandbox.strict.faults.set("token", fault, **PASSING[fault])
    error = await refused(here)
    assert (error.outcome, await here.state(connection)) == ("unavailable", CONNECTED)
    assert error.retry_after is not None
    assert (await here.held(connection)).version == 1
    here.sandbox.strict.faults.clear()
    here.clock.advance(6 * MINUTE)
    assert await here.call()
    assert here.refreshes("notes") == {"ok": 1}


@pytest.mark.parametrize("fault", ["server_error", "html", "drop_before"])
async def test_a_token_in_its_last_minute_serves_on_meanwhile(here: Linked, fault: str) -> None:
    await here.connect()
    here.clock.advance(241 * SECOND)
    here.sandbox.strict.faults.set("token", fault)
    assert await here.call()
    assert await here.call()


async def test_an_endpoint_that_fails_is_left_alone_for_a_while(here: Linked) -> None:
    await expired(here)
    here.sandbox.strict.faults.set("token", "server_error")
    for _ in range(5):
        await refused(here)
    assert here.sandbox.strict.counters.requests["token"] == 2  # the code, and one refresh


@pytest.mark.parametrize(("asked", "waits"), [("120", 120), ("100000000", 900)])
async def test_retry_after_is_kept_to_within_a_quarter_of_an_hour(
    here: Linked, asked: str, waits: int
) -> None:
    await expired(here)
    here.sandbox.strict.faults.set("token", "too_many", 1, retry_after=asked)
    assert (await refused(here)).retry_after == waits
    here.clock.advance(waits * SECOND - 1)
    assert (await refused(here)).outcome == "unavailable"
    assert here.refreshes("notes") == {}
    here.clock.advance(1)
    assert await here.call()


@pytest.mark.parametrize("connector", ["gmail", "slack", "notes"])
async def test_a_grant_that_its_person_revoked_there_needs_them_here(here: Linked, connector: str) -> None:
    connection = await expired(here, connector)
    here.provider(connector).revoke(ANA)
    error = await refused(here, connector)
    assert error.outcome == "reconnect"
    assert "/connect/" in error.text
    reason = "invalid_refresh_token" if connector == "slack" else "invalid_grant"
    assert await here.state(connection) == ("needs_reauth", reason)
    asked = here.provider(connector).counters.requests["token"]
    assert (await refused(here, connector)).outcome == "reconnect"
    assert here.provider(connector).counters.requests["token"] == asked  # there is nothing left to try
    told = await here.happened("connection.needs_reauth")
    assert [(event["connection"], event["reason"]) for event in told] == [(connection.id, reason)]
    ground = here.house.ground
    assert (await verify(ground.store, ground.keys)).ok


async def test_what_a_refusal_describes_is_shown_to_nobody(here: Linked) -> None:
    connection = await expired(here)
    here.sandbox.strict.faults.set("token", "error_html")
    error = await refused(here)
    assert "<b>" not in error.text
    assert await here.state(connection) == ("needs_reauth", "invalid_grant")


async def test_only_the_code_of_an_error_counts_and_not_its_description(here: Linked) -> None:
    connection = await expired(here)
    answers(here, 400, {"error": "try_later", "error_description": "invalid_grant"})
    await refused(here)
    assert await here.state(connection) == CONNECTED


@pytest.mark.parametrize("error", ["invalid_client", "unauthorized_client"])
async def test_a_client_that_is_refused_is_the_operators_business_and_asked_about_once(
    here: Linked, error: str
) -> None:
    connections = [await expired(here, account=account) for account in (ANA, BEN)]
    answers(here, 401, {"error": error})
    held = [await here.held(connection) for connection in connections]
    for connection in connections:
        with pytest.raises(CallError) as caught:
            await here.refresher.usable(connection, here.connector("notes"))
        assert caught.value.outcome == "unavailable"
    assert [await here.state(connection) for connection in connections] == [CONNECTED, CONNECTED]
    assert [(await here.held(connection)).version for connection in connections] == [1, 1]
    assert held[0].tokens.refresh is not None
    assert await here.happened("registration.refused") == [{"registration": "my-notes", "error": error}]
    assert here.sandbox.strict.counters.faults["status"] == 1


async def test_an_unexplained_refusal_is_an_end_at_the_third_time_over_ten_minutes(here: Linked) -> None:
    connection = await expired(here)
    here.sandbox.strict.faults.set("token", "empty_400")
    for _ in range(3):
        assert (await refused(here)).outcome == "unavailable"
        here.clock.advance(3 * MINUTE)
    assert await here.state(connection) == CONNECTED  # the third time came after six minutes
    here.clock.advance(1 * MINUTE)
    assert (await refused(here)).outcome == "reconnect"
    assert await here.state(connection) == ("needs_reauth", "http_400")


async def test_a_passing_fault_between_unexplained_refusals_begins_the_count_anew(here: Linked) -> None:
    connection = await expired(here)
    faults = here.sandbox.strict.faults
    for name in ("empty_400", "empty_400", "server_error", "empty_400", "empty_400"):
        faults.set("token", name, 1)
    for _ in range(5):
        assert (await refused(here)).outcome == "unavailable"
        here.clock.advance(6 * MINUTE)
    assert await here.state(connection) == CONNECTED
    assert await here.call()


@pytest.mark.parametrize("fault", ["drop", "truncated"])
async def test_an_answer_lost_by_a_provider_with_grace_is_got_by_asking_once_more(
    here: Linked, fault: str
) -> None:
    here.sandbox.strict.change(reuse_grace=30)
    connection = await expired(here)
    here.sandbox.strict.faults.set("token", fault, 1)
    assert await here.call()
    assert here.refreshes("notes") == {"ok": 2}
    assert await here.state(connection) == CONNECTED


@pytest.mark.parametrize("fault", ["drop", "truncated"])
async def test_an_answer_lost_by_a_strict_provider_needs_the_person_and_says_why(
    here: Linked, fault: str
) -> None:
    connection = await expired(here)
    here.sandbox.strict.faults.set("token", fault, 1)
    assert (await refused(here)).outcome == "reconnect"
    assert here.refreshes("notes") == {"ok": 1, "invalid_grant": 1}
    assert await here.state(connection) == ("needs_reauth", "refresh_answer_lost")


async def test_a_lost_answer_is_remembered_while_the_provider_is_away(here: Linked) -> None:
    connection = await expired(here)
    here.sandbox.strict.faults.set("token", "drop", 1)
    here.sandbox.strict.faults.set("token", "drop_before", 1)
    assert (await refused(here)).outcome == "unavailable"
    assert await here.state(connection) == CONNECTED
    here.clock.advance(6 * MINUTE)
    assert (await refused(here)).outcome == "reconnect"
    assert await here.state(connection) == ("needs_reauth", "refresh_answer_lost")


async def test_google_loses_nothing_with_an_answer(here: Linked) -> None:
    await expired(here, "gmail")
    here.sandbox.google.faults.set("token", "drop", 1)
    assert await here.call("gmail")


async def test_a_refresh_that_grants_less_is_believed(here: Linked) -> None:
    connection = await expired(here)
    body = {"access_token": "strict-access-less", "expires_in": 300, "scope": "notes.write"}
    answers(here, 200, body, 1)
    assert (await here.refresher.usable(connection, here.connector("notes"))).version == 2
    assert (await refused(here)).outcome == "insufficient_scope"
