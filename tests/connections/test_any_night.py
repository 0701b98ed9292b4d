"""A connection's life in any order: time, faults, revocations, people, processes. The provider's books count.

Whatever happens, a refresh token is spent once, and once more only where an answer was lost; nothing dies but
of what the provider has ended; and what has not ended works again when all is well.
"""

import itertools
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from pathlib import Path
from typing import Any, ClassVar, TypeVar

import pytest
from anyio.from_thread import BlockingPortal, start_blocking_portal
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    rule,
    run_state_machine_as_test,
)

from tests.support.clock import FakeClock
from tests.support.linked import Linked, linked, neighbour
from tests.support.scale import FULL, scaled
from valetkey.connections.rows import EDGES
from valetkey.errors import CallError
from valetkey.model import HOUR, MINUTE, SECOND, Connection, ConnectionState
from valetkey.sandbox import Sandbox, running
from valetkey.sandbox.ledger import Grant

pytestmark = pytest.mark.reliability

T = TypeVar("T")
PEOPLE = {"ana": "ana@example.com", "ben": "ben@example.com"}
LIFETIME = 900
LOSING = ("drop", "truncated")
UNEXPLAINED = "empty_400"
PASSING = ("drop_before", "server_error", "unavailable", "html", "too_many", "garbage")
FAULTS = (*LOSING, *PASSING, UNEXPLAINED)
SPANS = (MINUTE, 6 * MINUTE, 50 * MINUTE, 27 * HOUR, -HOUR)
ENDED = {"reconnect", "not_connected"}
person = st.sampled_from(sorted(PEOPLE))
process = st.sampled_from([0, 1])


class Night(RuleBasedStateMachine):
    """Two people, two processes on one store, one provider that forgives nothing, or for ten minutes."""

    portal: ClassVar[BlockingPortal]
    sandbox: ClassVar[Sandbox]
    homes: ClassVar[Iterator[Path]]

    def __init__(self) -> None:
        super().__init__()
        self.connections: dict[str, Connection] = {}
        self.grants: dict[str, Grant] = {}
        self.strikes: Counter[str] = Counter()
        self.lives = ExitStack()
        self.other = ExitStack()

    @initialize(grace=st.sampled_from([0, 600]))
    def begins(self, grace: int) -> None:
        self.portal.call(self.sandbox.reset)
        self.sandbox.strict.change(reuse_grace=grace, lifetime=LIFETIME)
        clock = self.sandbox.strict.clock
        assert isinstance(clock, FakeClock)
        self.clock = clock
        home = next(self.homes)
        home.mkdir()
        first = self.lives.enter_context(self.open(linked(home, self.sandbox, clock)))
        self.houses = [first, self.other.enter_context(self.open(neighbour(first)))]
        for name in PEOPLE:
            self.connects(name)

    def open(self, manager: Any) -> AbstractContextManager[Linked]:
        return self.portal.wrap_async_context_manager(manager)

    def do(self, work: Callable[..., Awaitable[T]], *values: object) -> T:
        return self.portal.call(work, *values)

    @property
    def strict(self) -> Any:
        return self.sandbox.strict

    def of(self, name: str, at: int = 0) -> Linked:
        return self.houses[at].as_person(name)

    def state(self, name: str) -> tuple[str, str | None]:
        return self.do(self.houses[0].state, self.connections[name])

    def call(self, name: str, at: int = 0) -> str:
        """How a call ends. It asks for new tokens once, and once more where there was no answer."""
        asked = self.strict.counters.requests["token"]
        with self.striking(name):
            outcome = self.do(self.outcome, self.of(name, at))
        assert self.strict.counters.requests["token"] - asked <= 2
        return outcome

    async def outcome(self, of: Linked) -> str:
        try:
            await of.call()
        except CallError as error:
            return error.outcome
        return "ok"

    @contextmanager
    def striking(self, *names: str) -> Iterator[None]:
        """Count how often the provider turned somebody away and did not say why."""
        before = self.strict.counters.faults[UNEXPLAINED]
        yield
        for name in names:
            self.strikes[name] += self.strict.counters.faults[UNEXPLAINED] - before

    @rule(name=person, at=process, span=st.sampled_from(SPANS))
    def somebody_calls_a_while_later(self, name: str, at: int, span: int) -> None:
        self.clock.advance(span)
        outcome = self.call(name, at)
        if outcome in ENDED:
            assert self.state(name)[0] in ("needs_reauth", "revoked")
        else:
            assert outcome in ("ok", "unavailable")

    @rule(name=person, at=process, fault=st.sampled_from(FAULTS), times=st.integers(1, 4))
    def a_renewal_meets_a_fault(self, name: str, at: int, fault: str, times: int) -> None:
        """And whoever asks next, if it is there still."""
        self.portal.call(self.strict.faults.set, "token", fault, times)
        self.somebody_calls_a_while_later(name, at, 6 * MINUTE)

    @rule(at=process, fault=st.sampled_from(PASSING))
    def the_provider_is_away(self, at: int, fault: str) -> None:
        """For an hour, and everybody calls."""
        self.portal.call(self.strict.faults.clear)
        self.portal.call(self.strict.faults.set, "token", fault)
        for name in (*PEOPLE, *PEOPLE, *PEOPLE, *PEOPLE):
            self.somebody_calls_a_while_later(name, at, 8 * MINUTE)
        self.portal.call(self.strict.faults.clear)

    @rule(name=person, at=process)
    def nobody_explains(self, name: str, at: int) -> None:
        """A provider that turns somebody away for a quarter of an hour without a word."""
        for _ in range(3):
            self.portal.call(self.strict.faults.set, "token", UNEXPLAINED, 1)
            self.somebody_calls_a_while_later(name, at, 6 * MINUTE)

    @rule(name=person)
    def a_token_ends_early(self, name: str) -> None:
        self.portal.call(self.strict.expire, PEOPLE[name])

    @rule(name=person)
    def somebody_revokes_at_the_provider(self, name: str) -> None:
        self.portal.call(self.strict.revoke, None, self.grants[name].id)

    @rule(name=person)
    def somebody_disconnects(self, name: str) -> None:
        if self.state(name)[0] != "revoked":
            self.do(self.houses[0].house.connections.revocation.revoke, self.connections[name], "person")
            assert self.call(name) == "not_connected"

    @rule(name=person)
    def somebody_connects(self, name: str) -> None:
        self.portal.call(self.strict.faults.clear)
        self.connects(name)

    def connects(self, name: str) -> None:
        self.connections[name] = self.do(self.of(name).connect, "notes", PEOPLE[name])
        self.grants[name], self.strikes[name] = self.strict.grants()[-1], 0
        assert self.state(name) == ("connected", None)

    @rule(at=process, span=st.sampled_from(SPANS))
    def the_job_comes_round(self, at: int, span: int) -> None:
        self.clock.advance(span)
        with self.striking(*PEOPLE):
            self.do(self.houses[at].house.connections.ahead.renew_due)

    @rule()
    def a_process_starts_anew(self) -> None:
        self.other.close()
        self.houses[1] = self.other.enter_context(self.open(neighbour(self.houses[0])))

    @rule(name=person)
    def a_holder_of_the_lease_dies(self, name: str) -> None:
        """It had written what it was about to spend, and nobody knows whether it did."""
        self.do(self.plant, self.connections[name].token_set)
        self.clock.advance(31 * SECOND)

    async def plant(self, key: str) -> None:
        async with self.houses[0].house.ground.store.transaction() as tx:
            await tx.run(_DIED_HOLDING, self.clock.now() + 30 * SECOND, key)

    @invariant()
    def no_token_is_spent_twice_but_where_an_answer_was_lost(self) -> None:
        lost = sum(self.strict.counters.faults[name] for name in LOSING)
        assert sum(grant.reused for grant in self.strict.grants()) <= lost

    @invariant()
    def nothing_dies_but_of_what_the_provider_ended(self) -> None:
        for name in self.connections:
            state, reason = self.state(name)
            if state == ConnectionState.NEEDS_REAUTH:
                assert reason in ("invalid_grant", "refresh_answer_lost", "http_400")
                assert self.grants[name].revoked or self.strikes[name] >= 3

    def only_the_steps_that_there_are_were_taken(self) -> None:
        at: dict[str, str] = {}
        for kind, connection in self.do(self.events):
            state = ConnectionState(kind.removeprefix("connection."))
            before = ConnectionState(at.get(connection, ConnectionState.PENDING))
            assert state in EDGES[before], (before, state)
            at[connection] = state

    async def events(self) -> list[tuple[str, str]]:
        found: list[tuple[int, str, str]] = []
        for state in ConnectionState:
            kind = f"connection.{state}"
            for seq, facts in await self.houses[0].recorded(kind):
                found.append((seq, kind, facts["connection"]))
        return [(kind, connection) for _, kind, connection in sorted(found)]

    def teardown(self) -> None:
        """All is well, and time has passed: what has not ended works."""
        try:
            if self.grants:
                self.all_is_well()
        finally:
            self.other.close()
            self.lives.close()

    def all_is_well(self) -> None:
        self.portal.call(self.strict.faults.clear)
        for _ in range(3):  # the first that asks does so for all; the others come after
            self.clock.advance(20 * MINUTE)
            ended = {name: self.call(name, at) for name in PEOPLE for at in (0, 1)}
        assert Counter(ended.values()).keys() <= {"ok"} | ENDED
        for name, outcome in ended.items():
            if outcome == "reconnect":
                assert self.grants[name].revoked or self.strikes[name] >= 3
        self.nothing_dies_but_of_what_the_provider_ended()
        self.no_token_is_spent_twice_but_where_an_answer_was_lost()
        self.only_the_steps_that_there_are_were_taken()


_DIED_HOLDING = """
UPDATE token_sets SET lease_owner = 'dead', lease_until = $1,
  intent = (SELECT CAST(version AS TEXT) FROM sealed WHERE purpose = 'token' AND sealed.id = token_sets.id)
WHERE id = $2 AND dead IS NULL"""


HOW_MANY = settings(
    max_examples=scaled(5, 400),
    stateful_step_count=scaled(15, 60),
    deadline=None,
    derandomize=not FULL,
    suppress_health_check=list(HealthCheck),
)


def test_whatever_the_night_brings_nothing_is_lost_that_was_not_ended(tmp_path: Path) -> None:
    sandbox = Sandbox(FakeClock())
    homes = (tmp_path / str(number) for number in itertools.count())
    with start_blocking_portal("asyncio") as portal, portal.wrap_async_context_manager(running(sandbox)):
        Night.portal, Night.sandbox, Night.homes = portal, sandbox, homes
        run_state_machine_as_test(Night, settings=HOW_MANY)
