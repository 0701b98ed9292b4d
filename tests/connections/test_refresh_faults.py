"""Each way in which a token endpoint goes wrong, met by many at once: what becomes of their connections."""

from dataclasses import dataclass, field

import anyio
import pytest

from tests.support.linked import Linked
from tests.support.scale import scaled
from valetkey.connections.circuit import _IN_A_ROW
from valetkey.errors import CallError
from valetkey.model import MINUTE, SECOND, Connection, Json

pytestmark = pytest.mark.reliability

MANY = scaled(3, 100)
WITHIN = 120
CONNECTED = ("connected", None)
Options = dict[str, Json]


@dataclass(frozen=True)
class Mode:
    """A fault, and whether it is over after its first meeting with each of them."""

    fault: str
    options: Options = field(default_factory=dict)


PASSING = {
    "408": Mode("status", {"status": 408}),
    "425": Mode("status", {"status": 425}),
    "429": Mode("too_many"),
    "500": Mode("server_error"),
    "503, a page": Mode("unavailable"),
    "403, a page": Mode("status", {"status": 403, "headers": {"content-type": "text/html"}}),
    "a captive portal": Mode("html"),
    "garbage": Mode("garbage"),
    "cut off before": Mode("drop_before"),
    "a redirect": Mode("redirect"),
    "oversized": Mode("oversized", {"bytes": 1 << 18}),
    "temporarily unavailable": Mode("status", {"status": 400, "body": {"error": "temporarily_unavailable"}}),
}
DEAD = {
    "invalid_grant": Mode("status", {"status": 400, "body": {"error": "invalid_grant"}}),
    "invalid_grant and markup": Mode("error_html"),
    "invalid_grant in a 200": Mode("status", {"status": 200, "body": {"error": "invalid_grant"}}),
}
OPERATORS = {
    "invalid_client": Mode("status", {"status": 401, "body": {"error": "invalid_client"}}),
    "unauthorized_client": Mode("status", {"status": 400, "body": {"error": "unauthorized_client"}}),
}
UNEXPLAINED = {
    "an empty 400": Mode("empty_400"),
    "an empty 401": Mode("status", {"status": 401}),
    "a code nobody knows": Mode("status", {"status": 400, "body": {"error": "something_new"}}),
    "ok: false": Mode("status", {"status": 200, "body": {"ok": False}}),
}
LOST = {"cut off after": Mode("drop"), "half of the answer": Mode("truncated")}


async def crowd(here: Linked) -> list[tuple[Linked, Connection]]:
    """Many people, each with a connection whose token has just ended."""
    people = [here.as_person(f"person-{number}") for number in range(MANY)]
    found = [(person, await person.connect()) for person in people]
    here.clock.advance(300 * SECOND)
    return found


async def outcomes(people: list[tuple[Linked, Connection]]) -> set[str]:
    """How a call of each ends, side by side."""
    ended: set[str] = set()

    async def call(person: Linked) -> None:
        try:
            await person.call()
            ended.add("ok")
        except CallError as error:
            ended.add(error.outcome)

    with anyio.fail_after(WITHIN):
        async with anyio.create_task_group() as tasks:
            for person, _ in people:
                tasks.start_soon(call, person)
    return ended


async def states(people: list[tuple[Linked, Connection]]) -> set[tuple[str, str | None]]:
    return {await person.state(connection) for person, connection in people}


def switch(here: Linked, mode: Mode, times: int | None = None) -> None:
    here.sandbox.strict.faults.set("token", mode.fault, times, **mode.options)


@pytest.mark.parametrize("mode", PASSING.values(), ids=PASSING)
async def test_what_passes_costs_nobody_anything(here: Linked, mode: Mode) -> None:
    people = await crowd(here)
    switch(here, mode)
    for _ in range(4):
        assert await outcomes(people) == {"unavailable"}
        here.clock.advance(6 * MINUTE)
    assert await states(people) == {CONNECTED}
    here.sandbox.strict.faults.clear()
    here.clock.advance(10 * MINUTE)
    assert await outcomes(people[:1]) == {"ok"}  # the one that asks for all of them
    assert await outcomes(people) == {"ok"}
    assert here.refreshes("notes") == {"ok": MANY}
    assert {grant.reused for grant in here.sandbox.strict.grants()} == {0}


@pytest.mark.parametrize("mode", DEAD.values(), ids=DEAD)
async def test_what_is_dead_is_asked_about_once(here: Linked, mode: Mode) -> None:
    people = await crowd(here)
    switch(here, mode)
    for _ in range(2):
        assert await outcomes(people) == {"reconnect"}
        here.clock.advance(20 * MINUTE)
    assert await states(people) == {("needs_reauth", "invalid_grant")}
    assert here.sandbox.strict.counters.faults[mode.fault] == MANY


@pytest.mark.parametrize("mode", OPERATORS.values(), ids=OPERATORS)
async def test_what_is_the_operator_s_fault_touches_nobody_and_is_told_once(here: Linked, mode: Mode) -> None:
    people = await crowd(here)
    switch(here, mode)
    assert await outcomes(people[:1]) == {"unavailable"}
    for _ in range(4):
        assert await outcomes(people) == {"unavailable"}
        here.clock.advance(6 * MINUTE)
    assert here.sandbox.strict.counters.faults["status"] <= 4
    assert await states(people) == {CONNECTED}
    assert len(await here.happened("registration.refused")) == 1
    here.sandbox.strict.faults.clear()
    assert await outcomes(people[:1]) == {"ok"}
    assert await outcomes(people) == {"ok"}


@pytest.mark.parametrize("mode", UNEXPLAINED.values(), ids=UNEXPLAINED)
async def test_what_nobody_explains_is_an_end_at_the_third_time_over_ten_minutes(
    here: Linked, mode: Mode
) -> None:
    people = await crowd(here)
    switch(here, mode)
    for _ in range(2):
        assert await outcomes(people) == {"unavailable"}
        here.clock.advance(5 * MINUTE + SECOND)
    assert await states(people) == {CONNECTED}
    assert await outcomes(people) == {"reconnect"}
    assert {state for state, _ in await states(people)} == {"needs_reauth"}
    assert here.sandbox.strict.counters.faults[mode.fault] == 3 * MANY


@pytest.mark.parametrize("mode", LOST.values(), ids=LOST)
async def test_a_lost_answer_is_asked_for_once_more_and_a_provider_with_grace_gives_it(
    here: Linked, mode: Mode
) -> None:
    here.sandbox.strict.change(reuse_grace=30)
    people = await crowd(here)
    for one in people:
        switch(here, mode, 1)
        assert await outcomes([one]) == {"ok"}
    assert await states(people) == {CONNECTED}
    assert [grant.reused for grant in here.sandbox.strict.grants()] == [1] * MANY


@pytest.mark.parametrize("mode", LOST.values(), ids=LOST)
async def test_a_lost_answer_of_a_strict_provider_is_an_end_that_says_why(here: Linked, mode: Mode) -> None:
    people = await crowd(here)
    for one in people:
        switch(here, mode, 1)
        assert await outcomes([one]) == {"reconnect"}
    assert await states(people) == {("needs_reauth", "refresh_answer_lost")}
    assert [grant.reused for grant in here.sandbox.strict.grants()] == [1] * MANY
    assert await here.happened("possible_token_theft") == []  # it was we who used it twice


async def test_a_provider_that_is_away_is_not_asked_by_everybody(here: Linked) -> None:
    """Of a crowd that comes one after another, no more than it takes to notice; then one at a time."""
    people = await crowd(here)
    asked = here.sandbox.strict.counters.faults
    switch(here, Mode("unavailable"))
    for _ in range(_IN_A_ROW):  # enough, though there are few people at the smaller scale
        assert await outcomes(people[:1]) == {"unavailable"}
        here.clock.advance(6 * MINUTE)
    before = asked["unavailable"]
    assert await outcomes(people) == {"unavailable"}
    assert asked["unavailable"] == before + 1
    assert await outcomes(people) == {"unavailable"}
    assert asked["unavailable"] == before + 1
    here.sandbox.strict.faults.clear()
    here.clock.advance(6 * MINUTE)
    assert await outcomes(people) == {"ok"}, "one asks, and the others wait for what it hears"
