"""Everybody's token ends at once, again and again, at a provider that forgives nothing."""

from collections import Counter
from pathlib import Path

import anyio
import pytest

from tests.support.clock import FakeClock
from tests.support.linked import Linked, linked
from tests.support.scale import scaled
from valetkey.audit.verify import verify
from valetkey.connections.refresh import AT_ONCE_PER_PROVIDER
from valetkey.model import SECOND, CallId
from valetkey.sandbox import PEOPLE as ACCOUNTS
from valetkey.sandbox import Sandbox, running

pytestmark = pytest.mark.reliability

MANY = scaled(AT_ONCE_PER_PROVIDER + 6, 1_000)
TASKS = 200
ROUNDS = scaled(2, 120)
LIFETIME = 5


async def crowd(here: Linked, many: int) -> list[tuple[Linked, str]]:
    """Many people, a third of them with each of the provider's accounts."""
    found = []
    for number in range(many):
        account = ACCOUNTS[number % len(ACCOUNTS)].email
        person = here.as_person(f"person-{number}")
        await person.connect(account=account)
        found.append((person, account))
    return found


async def whose(person: Linked) -> str:
    """Whose token a call of a person's arrives with, at the provider."""
    call = CallId(person.house.ground.ids.new("cal"))
    told = await person.house.calls.perform(person.caller, "notes.whose", {"mark": "m"}, call)
    account: str = told["account"]
    return account


async def round_of(people: list[tuple[Linked, str]]) -> None:
    """Everybody calls once, so many at a time, and gets their own."""
    room = anyio.Semaphore(TASKS)

    async def one(person: Linked, account: str) -> None:
        async with room:
            assert await whose(person) == account

    with anyio.fail_after(120):
        async with anyio.create_task_group() as tasks:
            for person, account in people:
                tasks.start_soon(one, person, account)


async def released_when_full(here: Linked) -> None:
    """Hold every request until there are as many as may be at once; then let them go."""
    with anyio.fail_after(60):
        while here.sandbox.strict.counters.most_at_once["token"] < AT_ONCE_PER_PROVIDER:
            await anyio.lowlevel.checkpoint()
    here.sandbox.strict.faults.clear()


async def test_a_crowd_whose_tokens_end_at_once_renews_each_once_and_so_many_at_a_time(
    tmp_path: Path,
) -> None:
    clock = FakeClock()
    providers = Sandbox(clock)
    async with running(providers), linked(tmp_path, providers, clock) as here:
        here.sandbox.strict.change(lifetime=LIFETIME)
        people = await crowd(here, MANY)
        counters = here.sandbox.strict.counters
        here.sandbox.strict.faults.set("token", "hold")
        for _ in range(ROUNDS):
            clock.advance(LIFETIME * SECOND)
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(released_when_full, here)
                await round_of(people)
        assert here.refreshes("notes") == {"ok": MANY * ROUNDS}
        assert Counter(counters.refreshes_by_grant.values()) == {ROUNDS: MANY}
        assert counters.most_at_once["token"] == AT_ONCE_PER_PROVIDER
        assert not any(grant.revoked or grant.reused for grant in here.sandbox.strict.grants())
        assert counters.api_refused == {}
        ground = here.house.ground
        assert (await verify(ground.store, ground.keys)).ok
        providers.reset()
