"""Sessions: a row that is read on each use, so that its end is at once everywhere."""

import secrets
from typing import Any

import pytest

from tests.support.clock import FakeClock
from valetkey.model import DAY, HOUR, Ids, Principal
from valetkey.people import LOCAL, Sessions
from valetkey.people.sessions import BROWSER_LASTS
from valetkey.store.sqlite import SqliteStore
from valetkey.vault import Vault

ANA = Principal(LOCAL, "per_ana")


@pytest.fixture
async def sessions(store: SqliteStore, vault: Vault, ids: Ids, clock: FakeClock) -> Sessions:
    return Sessions(store, vault.keys, ids, clock, secrets.token_bytes)


async def test_a_tokens_session_lives_as_long_as_it_was_given(
    sessions: Sessions, store: SqliteStore, clock: FakeClock
) -> None:
    async with store.transaction() as tx:
        session = await sessions.start_token(tx, ANA, "agt_1", HOUR)
    clock.advance(HOUR - 1)
    assert await sessions.read(session.id) == session
    clock.advance(1)
    assert await sessions.read(session.id) is None


async def test_a_browsers_cookie_opens_its_own_session_for_seven_days(
    sessions: Sessions, store: SqliteStore, clock: FakeClock
) -> None:
    async with store.transaction() as tx:
        hers, secret = await sessions.start_browser(tx, ANA)
        _, other = await sessions.start_browser(tx, ANA)
    assert await sessions.of_cookie(secret) == hers
    assert secret != other
    assert BROWSER_LASTS == 7 * DAY
    clock.advance(BROWSER_LASTS)
    assert await sessions.of_cookie(secret) is None


@pytest.mark.parametrize("secret", ["", "x", "None", "' OR 1=1 --", "\x00"])
async def test_a_cookie_nobody_was_given_opens_nothing(
    sessions: Sessions, store: SqliteStore, secret: str
) -> None:
    async with store.transaction() as tx:
        await sessions.start_token(tx, ANA, "agt_1", HOUR)  # its digest is empty
        await sessions.start_browser(tx, ANA)
    assert await sessions.of_cookie(secret) is None


async def test_a_cookie_cannot_be_read_in_the_store(sessions: Sessions, store: SqliteStore) -> None:
    async with store.transaction() as tx:
        _, secret = await sessions.start_browser(tx, ANA)
    assert secret not in str([dict(row) for row in await store.all("SELECT * FROM sessions")])


async def test_a_person_has_fifty_browsers_and_the_oldest_gives_way(
    sessions: Sessions, store: SqliteStore, clock: FakeClock
) -> None:
    secrets_of: list[str] = []
    async with store.transaction() as tx:
        await sessions.start_browser(tx, Principal(LOCAL, "per_ben"))
        token = await sessions.start_token(tx, ANA, "agt_1", DAY)
        for _ in range(51):
            clock.advance(1)
            secrets_of.append((await sessions.start_browser(tx, ANA))[1])
    assert [await sessions.of_cookie(one) is not None for one in secrets_of] == [False, *[True] * 50]
    assert await sessions.read(token.id)
    assert len(await sessions.all(store, "browser")) == 51


async def test_an_ended_session_is_over_for_good(sessions: Sessions, store: SqliteStore) -> None:
    async with store.transaction() as tx:
        session, secret = await sessions.start_browser(tx, ANA)
        assert await sessions.end(tx, session.id) == session
        assert await sessions.end(tx, session.id) is None
    assert await sessions.of_cookie(secret) is None
    assert await sessions.all(store, "browser") == []


async def test_a_browsers_session_is_not_a_tokens(sessions: Sessions, store: SqliteStore) -> None:
    async with store.transaction() as tx:
        session, _ = await sessions.start_browser(tx, ANA)
    assert await sessions.read(session.id) is None


async def test_what_agents_got_for_a_while_is_forgotten_a_day_after_and_nothing_else(
    sessions: Sessions, store: SqliteStore, clock: FakeClock
) -> None:
    terms: dict[str, Any] = {
        "chain": (),
        "scopes": ("mcp",),
        "resource": None,
        "under": "grt_1",
        "away": False,
    }
    async with store.transaction() as tx:
        token = await sessions.start_token(tx, ANA, "agt_1", HOUR)
        first = await sessions.start_exchanged(tx, ANA, "agt_2", HOUR, parent=token.id, **terms)
        await sessions.start_exchanged(tx, ANA, "agt_3", HOUR, parent=first.id, **terms)
    clock.advance(HOUR + DAY - 1)
    await sessions.forget_exchanged()
    assert len(await store.all("SELECT id FROM sessions")) == 3
    clock.advance(1)
    await sessions.forget_exchanged()
    assert [row["id"] for row in await store.all("SELECT id FROM sessions")] == [token.id]
