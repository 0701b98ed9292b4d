"""Authorization codes: once, within a minute, for whoever began, and nobody else (RFC 6749 section 4.1.2)."""

import base64
import hashlib
import secrets
from collections.abc import AsyncIterator

import anyio
import pytest

from tests.support.clock import FakeClock
from valetkey.audit import Audit
from valetkey.authserver.codes import LASTS, Codes
from valetkey.errors import OAuthError
from valetkey.model import DAY, MINUTE, Ids, Principal
from valetkey.people import LOCAL, Session, Sessions
from valetkey.store.sqlite import SqliteStore
from valetkey.vault import Vault

ANA = Principal(LOCAL, "per_ana")
MCP = "http://localhost:8917/mcp"
BACK = "http://localhost:4000/callback"
VERIFIER = "v" * 43
CHALLENGE = base64.urlsafe_b64encode(hashlib.sha256(VERIFIER.encode()).digest()).decode().rstrip("=")


class Desk:
    """Where codes are made and handed in."""

    def __init__(self, store: SqliteStore, vault: Vault, audit: Audit, ids: Ids, clock: FakeClock) -> None:
        self.sessions = Sessions(store, vault.keys, ids, clock, secrets.token_bytes)
        self.codes = Codes(store, vault.keys, audit, self.sessions, clock, secrets.token_bytes)
        self.store = store

    async def code(self, challenge: str = CHALLENGE) -> tuple[str, Session]:
        async with self.store.transaction() as tx:
            session = await self.sessions.start_client(
                tx, ANA, "agt_1", 30 * DAY, scopes=("mcp",), resource=MCP, label=None
            )
            return await self.codes.make(tx, session, BACK, challenge), session

    async def redeem(
        self,
        code: str,
        client: str = "agt_1",
        back: str = BACK,
        verifier: str = VERIFIER,
        resource: str | None = MCP,
    ) -> Session:
        return await self.codes.redeem(code, client, back, verifier, resource)


@pytest.fixture
async def desk(store: SqliteStore, vault: Vault, ids: Ids, clock: FakeClock) -> AsyncIterator[Desk]:
    async with Audit(store, vault, ids, clock) as audit:
        yield Desk(store, vault, audit, ids, clock)


async def refused(desk: Desk, code: str, error: str = "invalid_grant", **other: str) -> None:
    with pytest.raises(OAuthError) as caught:
        await desk.redeem(code, **other)
    assert caught.value.error == error


async def test_a_code_brings_the_session_that_was_allowed(desk: Desk) -> None:
    code, session = await desk.code()
    assert await desk.redeem(code) == session


async def test_a_second_use_is_refused_and_ends_the_session_of_the_first(desk: Desk) -> None:
    code, session = await desk.code()
    await desk.redeem(code)
    await refused(desk, code)
    await refused(desk, code)
    assert await desk.sessions.read(session.id) is None
    events = await desk.store.all("SELECT kind, subject, actor FROM audit")
    assert [tuple(event) for event in events] == [("client.code_reused", ANA.subject, "agt_1")]


async def test_of_many_uses_at_once_one_at_most_brings_the_session(desk: Desk) -> None:
    code, session = await desk.code()
    brought: list[Session] = []

    async def use() -> None:
        try:
            brought.append(await desk.redeem(code))
        except OAuthError:
            return

    async with anyio.create_task_group() as tasks:
        for _ in range(20):
            tasks.start_soon(use)
    assert len(brought) <= 1
    assert await desk.sessions.read(session.id) is None


async def test_a_code_is_good_for_a_minute(desk: Desk, clock: FakeClock) -> None:
    assert LASTS == MINUTE
    code, _ = await desk.code()
    clock.advance(LASTS - 1)
    other, _ = await desk.code()
    assert await desk.redeem(code)
    clock.advance(LASTS)
    await refused(desk, other)


OTHERS = {
    "another client": {"client": "agt_2"},
    "another port of the redirect": {"back": "http://localhost:4001/callback"},
    "a slash more": {"back": f"{BACK}/"},
    "another verifier": {"verifier": "w" * 43},
    "the challenge in place of the verifier": {"verifier": CHALLENGE},
    "a verifier that is too short": {"verifier": "v" * 42},
    "an empty verifier": {"verifier": ""},
}


@pytest.mark.parametrize("other", OTHERS.values(), ids=list(OTHERS))
async def test_somebody_elses_attempt_is_refused_and_does_not_use_the_code_up(
    desk: Desk, other: dict[str, str]
) -> None:
    code, session = await desk.code()
    await refused(desk, code, **other)
    assert await desk.redeem(code) == session


async def test_a_short_verifier_fits_nothing_even_where_its_digest_does(desk: Desk) -> None:
    digest = hashlib.sha256(b"short").digest()
    code, _ = await desk.code(base64.urlsafe_b64encode(digest).decode().rstrip("="))
    await refused(desk, code, verifier="short")


async def test_a_code_for_one_endpoint_is_not_redeemed_for_another(desk: Desk) -> None:
    code, session = await desk.code()
    await refused(desk, code, "invalid_target", resource=f"{MCP}/flat")
    assert await desk.codes.redeem(code, "agt_1", BACK, VERIFIER, None) == session


@pytest.mark.parametrize("code", ["", "x", "' OR 1=1 --", "\x00", "\udc80"])
async def test_a_code_nobody_was_given_brings_nothing(desk: Desk, code: str) -> None:
    await desk.code()
    await refused(desk, code)


async def test_a_code_of_a_session_that_was_ended_brings_nothing(desk: Desk) -> None:
    code, session = await desk.code()
    async with desk.store.transaction() as tx:
        await desk.sessions.end(tx, session.id)
    await refused(desk, code)


async def test_no_code_can_be_read_in_the_store(desk: Desk) -> None:
    code, _ = await desk.code()
    assert code not in str([dict(row) for row in await desk.store.all("SELECT * FROM codes")])


async def test_a_second_use_is_known_for_ten_minutes_more_and_then_the_code_is_forgotten(
    desk: Desk, clock: FakeClock
) -> None:
    code, session = await desk.code()
    await desk.redeem(code)
    clock.advance(LASTS + 10 * MINUTE - 1)
    await desk.codes.forget_late()
    await refused(desk, code)
    assert await desk.sessions.read(session.id) is None
    clock.advance(1)
    await desk.codes.forget_late()
    assert await desk.store.all("SELECT * FROM codes") == []
