"""A credential names a caller only where signature and session's row agree."""

import secrets
from collections.abc import AsyncIterator

import pytest

from tests.support.clock import FakeClock
from valetkey.audit import Audit
from valetkey.errors import Unauthenticated
from valetkey.grants import Grants
from valetkey.identity import Identity, Tokens
from valetkey.model import HOUR, Ids, Principal
from valetkey.people import LOCAL, Session, Sessions
from valetkey.store.sqlite import SqliteStore
from valetkey.vault import Vault

ANA = Principal(LOCAL, "per_ana")


@pytest.fixture
def sessions(store: SqliteStore, vault: Vault, ids: Ids, clock: FakeClock) -> Sessions:
    return Sessions(store, vault.keys, ids, clock, secrets.token_bytes)


@pytest.fixture
def tokens(store: SqliteStore, vault: Vault, clock: FakeClock) -> Tokens:
    return Tokens(store, vault.keys, clock, "http://localhost:8917", "http://localhost:8917/mcp")


@pytest.fixture
async def identity(
    tokens: Tokens, sessions: Sessions, store: SqliteStore, vault: Vault, ids: Ids, clock: FakeClock
) -> AsyncIterator[Identity]:
    async with Audit(store, vault, ids, clock, secrets.token_bytes) as audit:
        yield Identity(tokens, sessions, Grants(store, vault.keys, audit, ids, clock))


async def _begun(store: SqliteStore, sessions: Sessions, principal: Principal = ANA) -> Session:
    async with store.transaction() as tx:
        return await sessions.start_token(tx, principal, "agt_1", HOUR)


async def test_a_token_names_its_person_and_its_agent(
    identity: Identity, tokens: Tokens, sessions: Sessions, store: SqliteStore
) -> None:
    session = await _begun(store, sessions)
    caller = (await identity.of_token(tokens.mint(session))).caller
    assert (caller.principal, caller.actor.client, caller.session) == (ANA, "agt_1", session.id)


async def test_a_good_signature_over_a_session_that_is_not_there_is_nobody(
    identity: Identity, tokens: Tokens, clock: FakeClock
) -> None:
    invented = Session("ses_none", "token", ANA, "agt_1", clock.now(), clock.now() + HOUR)
    with pytest.raises(Unauthenticated, match="session has ended"):
        await identity.of_token(tokens.mint(invented))


@pytest.mark.parametrize(
    ("principal", "actor"),
    [(Principal(LOCAL, "per_ben"), "agt_1"), (ANA, "agt_2")],
    ids=["another person", "another agent"],
)
async def test_a_token_that_disagrees_with_its_session_is_nobody(
    identity: Identity,
    tokens: Tokens,
    sessions: Sessions,
    store: SqliteStore,
    clock: FakeClock,
    principal: Principal,
    actor: str,
) -> None:
    """A row that was changed, or a key that was stolen: neither alone decides who is calling."""
    real = await _begun(store, sessions)
    changed = Session(real.id, "token", principal, actor, clock.now(), clock.now() + HOUR)
    with pytest.raises(Unauthenticated, match="does not agree"):
        await identity.of_token(tokens.mint(changed))


async def test_the_same_subject_at_another_issuer_is_somebody_else(
    identity: Identity, tokens: Tokens, sessions: Sessions, store: SqliteStore, clock: FakeClock
) -> None:
    """A token names its person's issuer, too: without it, or with another, it does not fit the row (M3)."""
    corp = Principal("corp", ANA.subject)
    session = await _begun(store, sessions, corp)
    assert (await identity.of_token(tokens.mint(session))).caller.principal == corp
    for other in (ANA, Principal("other", ANA.subject)):
        posing = Session(session.id, "token", other, "agt_1", clock.now(), clock.now() + HOUR)
        with pytest.raises(Unauthenticated, match="does not agree"):
            await identity.of_token(tokens.mint(posing))


async def test_a_browsers_session_is_no_credential_for_calls(
    identity: Identity, tokens: Tokens, sessions: Sessions, store: SqliteStore, clock: FakeClock
) -> None:
    async with store.transaction() as tx:
        browser, _ = await sessions.start_browser(tx, ANA)
    posing = Session(browser.id, "token", ANA, "agt_1", clock.now(), clock.now() + HOUR)
    with pytest.raises(Unauthenticated, match="session has ended"):
        await identity.of_token(tokens.mint(posing))


async def test_an_ended_session_takes_its_token_with_it_and_no_other(
    identity: Identity, tokens: Tokens, sessions: Sessions, store: SqliteStore
) -> None:
    first, second = await _begun(store, sessions), await _begun(store, sessions)
    async with store.transaction() as tx:
        await sessions.end(tx, first.id)
    with pytest.raises(Unauthenticated):
        await identity.of_token(tokens.mint(first))
    assert (await identity.of_token(tokens.mint(second))).caller.principal == ANA
