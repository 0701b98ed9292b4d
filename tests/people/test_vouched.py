"""Rows for people of other issuers: made once, named for showing, and never anybody else's."""

import secrets

import pytest

from tests.support.clock import FakeClock
from valetkey.model import MINUTE, Ids, Principal
from valetkey.people import Accounts, Agents, Kind
from valetkey.people.proved import Proved
from valetkey.people.vouched import Vouched
from valetkey.store.sqlite import SqliteStore
from valetkey.vault import Vault

ANA = Principal("corp", "1")


@pytest.fixture
def accounts(store: SqliteStore, vault: Vault, ids: Ids, clock: FakeClock) -> Accounts:
    return Accounts(store, vault.keys, ids, clock, secrets.token_bytes)


@pytest.fixture
def agents(vault: Vault, ids: Ids, clock: FakeClock) -> Agents:
    return Agents(vault.keys, ids, clock, secrets.token_bytes)


@pytest.fixture
def vouched(store: SqliteStore, vault: Vault, agents: Agents, clock: FakeClock) -> Vouched:
    return Vouched(store, vault.keys, agents, clock)


async def test_a_person_is_called_what_they_were_called_last(
    vouched: Vouched, accounts: Accounts, store: SqliteStore
) -> None:
    await vouched.met(ANA, None)
    assert (await accounts.get(store, ANA)).name == "somebody at corp"
    await vouched.met(ANA, "Ana Almeida")
    await vouched.met(ANA, None)
    assert (await accounts.get(store, ANA)).name == "Ana Almeida"


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("Ana\n\tAlmeida", "Ana Almeida"),
        ("Ana\u202eadmiemlA", "AnaadmiemlA"),
        ("<b>Ana</b>", "<b>Ana</b>"),
        ("\u200b \x00", "somebody at corp"),
        ("a" * 500, "a" * 80),
    ],
)
async def test_a_name_is_on_one_line_with_nothing_hidden_in_it(
    vouched: Vouched, accounts: Accounts, store: SqliteStore, name: str, shown: str
) -> None:
    await vouched.met(ANA, name)
    assert (await accounts.get(store, ANA)).name == shown


async def test_a_token_makes_a_row_of_its_person_and_its_client_once(
    vouched: Vouched, agents: Agents, accounts: Accounts, store: SqliteStore
) -> None:
    for _ in range(2):
        await vouched.seen(ANA, "Ana", "corp/assistant", "assistant")
    assert [person.principal for person in await accounts.all(store)] == [ANA]
    (agent,) = await agents.all(store)
    assert (agent.id, agent.name, agent.kind) == ("corp/assistant", "assistant", Kind.FOREIGN)


async def test_the_owner_is_the_first_of_our_own_people(
    vouched: Vouched, accounts: Accounts, store: SqliteStore
) -> None:
    await vouched.met(ANA, "Ana")
    async with store.transaction() as tx:
        assert (await accounts.add(tx, "ben")).owner
    assert not (await accounts.get(store, ANA)).owner


async def test_who_proved_it_proved_it_for_two_minutes_one_page_and_one_session(
    store: SqliteStore, clock: FakeClock
) -> None:
    proved = Proved(store, clock)
    await proved.remember("ses_1", "req_1")
    assert await proved.holds("ses_1", "req_1")
    for session, about in (("ses_2", "req_1"), ("ses_1", "req_2"), ('ses_1", "req_1', "")):
        assert not await proved.holds(session, about)
    clock.advance(2 * MINUTE)
    assert not await proved.holds("ses_1", "req_1")
