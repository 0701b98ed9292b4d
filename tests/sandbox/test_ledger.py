"""The books of a provider under any order of events: what a token, code or grant may still do."""

import hypothesis.strategies as st
from hypothesis import settings
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from tests.support.clock import FakeClock
from valetkey.sandbox.ledger import BadToken, Issued, Ledger, Marks, Refused
from valetkey.sandbox.rules import Rules

REDIRECT = "http://localhost:1/callback/x"
MARKS = Marks("code-", "access-", "refresh-")


def counting() -> "st.SearchStrategy[int]":
    return st.integers(0, 1_000)


class StrictLedger(RuleBasedStateMachine):
    """Redeems, refreshes, replays and revokes, and keeps its own simple account of what should live."""

    def __init__(self) -> None:
        super().__init__()
        self.clock, self.made = FakeClock(), 0
        rules = Rules(lifetime=100, rotates=True, reuse_kills=True)
        self.ledger = Ledger(self.clock, self.numbered, rules, MARKS)
        self.newest: dict[str, Issued] = {}
        self.spent: list[tuple[str, str]] = []
        self.dead: set[str] = set()

    def numbered(self, size: int) -> bytes:
        self.made += 1
        return self.made.to_bytes(size, "big")

    @rule()
    def connect(self) -> None:
        code = self.ledger.consent("client", "ana", frozenset({"a"}), REDIRECT, None, offline=True)
        issued = self.ledger.redeem("client", code, REDIRECT, None)
        self.newest[issued.grant.id] = issued

    @rule(which=counting())
    def refresh(self, which: int) -> None:
        if not self.newest:
            return
        grant = list(self.newest)[which % len(self.newest)]
        token = str(self.newest[grant].refresh)
        try:
            self.newest[grant] = self.ledger.refresh("client", token)
        except Refused:
            assert grant in self.dead
            return
        assert grant not in self.dead
        self.spent.append((grant, token))

    @rule(which=counting())
    def replay(self, which: int) -> None:
        if not self.spent:
            return
        grant, token = self.spent[which % len(self.spent)]
        try:
            self.ledger.refresh("client", token)
        except Refused as refused:
            assert refused.error == "invalid_grant"  # noqa: PT017 - a rule of a state machine has no `raises`
            self.dead.add(grant)
        else:
            raise AssertionError("a spent token was exchanged again")

    @rule(which=counting())
    def revoke(self, which: int) -> None:
        if self.newest:
            grant = list(self.newest)[which % len(self.newest)]
            assert self.ledger.revoke(grant=grant) == (grant not in self.dead)
            self.dead.add(grant)

    @rule(which=counting())
    def a_strangers_client_gets_nothing(self, which: int) -> None:
        if self.newest:
            grant = list(self.newest)[which % len(self.newest)]
            try:
                self.ledger.refresh("stranger", str(self.newest[grant].refresh))
            except Refused:
                return
            raise AssertionError("another client's token was exchanged")

    @rule(seconds=st.integers(1, 120))
    def time_passes(self, seconds: int) -> None:
        self.clock.advance(seconds * 1000)

    @invariant()
    def tokens_of_dead_grants_open_nothing(self) -> None:
        for grant in self.dead:
            try:
                self.ledger.bearer(self.newest[grant].access)
            except BadToken as bad:
                assert bad.reason == "revoked"  # noqa: PT017 - an invariant has no `raises`
            else:
                raise AssertionError("a revoked grant's token opened something")

    @invariant()
    def other_grants_live_on(self) -> None:
        alive = {grant.id for grant in self.ledger.grants.values() if not grant.revoked}
        assert alive == set(self.newest) - self.dead


StrictLedger.TestCase.settings = settings(max_examples=60, stateful_step_count=30)
TestStrictLedger = StrictLedger.TestCase
