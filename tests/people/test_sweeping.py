"""What nobody needs any more goes, and nothing before its time."""

import secrets

import pytest

from tests.support.clock import FakeClock
from valetkey.model import DAY, HOUR, MINUTE, Ids, Principal
from valetkey.people import LOCAL, Accounts, Once, Sessions, Tries
from valetkey.people.sweeping import Sweeping
from valetkey.store.sqlite import SqliteStore
from valetkey.vault import Vault

ANA = Principal(LOCAL, "per_ana")


@pytest.fixture
def sessions(store: SqliteStore, vault: Vault, ids: Ids, clock: FakeClock) -> Sessions:
    return Sessions(store, vault.keys, ids, clock, secrets.token_bytes)


async def count(store: SqliteStore, table: str) -> int:
    row = await store.one(f"SELECT count(*) AS n FROM {table}")
    return int(row["n"]) if row else 0


async def test_a_session_goes_thirty_days_after_its_end_and_after_what_hung_from_it(
    store: SqliteStore, sessions: Sessions, clock: FakeClock
) -> None:
    sweeping = Sweeping(store, clock)
    async with store.transaction() as tx:
        first = await sessions.start_token(tx, ANA, "agt_1", HOUR)
        await sessions.start_exchanged(
            tx,
            ANA,
            "agt_2",
            HOUR,
            chain=(),
            scopes=("mcp",),
            resource=None,
            parent=first.id,
            under="gra_1",
            away=False,
        )
        await sessions.start_token(tx, ANA, "agt_3", 30 * DAY)
        await sessions.end(tx, first.id)
    clock.advance(30 * DAY - 1)
    await sweeping.sweep()
    assert await count(store, "sessions") == 3
    clock.advance(1)
    for left in (2, 1, 1):
        await sweeping.sweep()
        assert await count(store, "sessions") == left


async def test_tries_replays_and_invitations_go_when_they_mean_nothing_any_more(
    store: SqliteStore, vault: Vault, ids: Ids, clock: FakeClock
) -> None:
    sweeping, tries = Sweeping(store, clock), Tries(store, clock)
    accounts = Accounts(store, vault.keys, ids, clock, secrets.token_bytes)
    await tries.claim("ana")
    async with store.transaction() as tx:
        await tries.failed(tx, "ana")
        await Once(clock).first(tx, "jti", clock.now() + MINUTE)
        await accounts.invite(tx, await accounts.add(tx, "ana"))
    tables = ("failures", "seen", "invitations")
    for later, left in ((0, [1, 1, 1]), (MINUTE, [1, 0, 1]), (7 * DAY, [0, 0, 1]), (30 * DAY, [0, 0, 0])):
        clock.advance(later)
        await sweeping.sweep()
        assert [await count(store, table) for table in tables] == left
