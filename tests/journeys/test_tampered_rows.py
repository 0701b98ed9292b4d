"""Somebody who can write the store without the key: every column of every row on the path of authority.

Each is changed with sqlite3 while the house runs. What was good before is good for nothing then, whatever it
was changed to, and is good again once it is put back; the audit says that it was met.
"""

import json
import sqlite3
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest

from tests.support.authenticator import Authenticator
from tests.support.tampering import Row, others
from tests.support.town import PASSWORD, Town, town
from valetkey.authserver.asked import Asked
from valetkey.errors import OAuthError, PageError, Unauthenticated, UsageError
from valetkey.model import DAY
from valetkey.people import Person

UNREAD = {"limit": 1}
BACK, VERIFIER = "http://localhost:4000/callback", "v" * 43
Probe = Callable[[], Awaitable[bool]]


@pytest.fixture(scope="module")
async def here(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Town]:
    async with town(tmp_path_factory.mktemp("home"), hold=0.02) as opened:
        yield opened


@pytest.fixture
async def ana(here: Town) -> Person:
    return await here.newcomer()


@pytest.fixture
async def ben(here: Town) -> Person:
    return await here.newcomer()


def row(here: Town, table: str, column: str, key: str) -> Row:
    return Row(here.house.ground.settings.store_file, table, column, key)


async def every_change_is_noticed(mine: Row, like: Row, accepted: Probe, *, but: frozenset[str]) -> None:
    """Change each column to whatever there is, `but` those that mean nothing."""
    assert await accepted()
    before, other = await mine.read(), await like.read()
    for column in before.keys() - but:
        for value in others(before[column], other[column]):
            try:
                async with mine.changed(**{column: value}) as now:
                    same = now == before  # a number that was written as text is a number
                    assert same or not await accepted(), (mine.table, column, value)
            except sqlite3.IntegrityError:
                continue  # what the table itself does not take
    assert await accepted()


async def integrity(here: Town, table: str) -> list[Any]:
    """What the audit says of rows of a table that did not fit."""
    ground = here.house.ground
    await here.records(await here.newcomer())  # all that waits to be written is written
    rows = await ground.store.all("SELECT core FROM audit WHERE kind = 'integrity'")
    facts = [json.loads(one["core"])["facts"] for one in rows]
    return [fact["record"] for fact in facts if fact.get("table") == table]


NOTHING = frozenset[str]()
TABLES = {
    "addresses",
    "agents",
    "authorizations",
    "codes",
    "connections",
    "copies",  # tests/generation/test_noticing.py
    "grants",
    "invitations",
    "passkeys",
    "people",
    "refresh_tokens",
    "registrations",
    "sessions",
}


async def test_every_table_whose_rows_are_bound_has_its_test_here(here: Town) -> None:
    sql = "SELECT m.name FROM sqlite_master m, pragma_table_info(m.name) c WHERE c.name = 'mac'"
    assert {one["name"] for one in await here.house.ground.store.all(sql)} == TABLES


async def test_a_token_s_session(here: Town, ana: Person, ben: Person) -> None:
    tokens = [await here.token(person) for person in (ana, ben)]
    mine, like = [(await here.house.identity.of_token(token)).caller.session for token in tokens]

    async def accepted() -> bool:
        try:
            await here.house.identity.of_token(tokens[0])
        except Unauthenticated:
            return False
        return True

    rows = [row(here, "sessions", "id", one) for one in (mine, like)]
    await every_change_is_noticed(rows[0], rows[1], accepted, but=NOTHING)
    assert [mine] in await integrity(here, "sessions")


async def test_a_browser_s_session(here: Town, ana: Person, ben: Person) -> None:
    """Whose cookie a browser has is whose it stays: of nobody else, and for no longer."""
    sessions = here.house.sessions
    async with here.house.ground.store.transaction() as tx:
        made = [await sessions.start_browser(tx, person.principal) for person in (ana, ben)]

    async def accepted() -> bool:
        return await sessions.of_cookie(made[0][1]) is not None

    mine, like = [row(here, "sessions", "id", session.id) for session, _ in made]
    await every_change_is_noticed(mine, like, accepted, but=NOTHING)


async def test_a_grant(here: Town, ana: Person, ben: Person) -> None:
    await here.connected(ana)
    await here.connected(ben)
    grants, tool = here.house.grants, here.house.ground.catalog.tool("gmail.list_unread")
    (mine,), (like,) = [await grants.of(person.principal) for person in (ana, ben)]
    (connection,) = mine.connections

    async def accepted() -> bool:
        live = await grants.lives(mine.id)
        return live or await grants.covers(ana.principal, mine.actor, connection, tool)

    rows = [row(here, "grants", "id", one.id) for one in (mine, like)]
    await every_change_is_noticed(rows[0], rows[1], accepted, but=NOTHING)
    assert [mine.id] in await integrity(here, "grants")


async def test_a_connection(here: Town, ana: Person, ben: Person) -> None:
    await here.connected(ana)
    await here.connected(ben)
    rows = here.house.connections.rows
    (mine,), (like,) = [await rows.of(person.principal) for person in (ana, ben)]

    async def accepted() -> bool:
        store = here.house.ground.store
        found = [await rows.live(store, person.principal, "gmail") for person in (ana, ben)]
        return mine.id in {one.id for several in found for one in several}

    mine_row, like_row = [row(here, "connections", "id", one.id) for one in (mine, like)]
    await every_change_is_noticed(mine_row, like_row, accepted, but=NOTHING)


async def test_an_agent(here: Town) -> None:
    store = here.house.ground.store
    async with store.transaction() as tx:
        mine, like = [await here.house.agents.named(tx, name) for name in ("first", "second")]
        await here.house.agents.give_secret(tx, mine)
        await here.house.agents.suspend(tx, mine)

    async def accepted() -> bool:
        return await here.house.agents.get(store, mine.id) is not None

    rows = [row(here, "agents", "id", one.id) for one in (mine, like)]
    await every_change_is_noticed(rows[0], rows[1], accepted, but=frozenset({"used"}))


async def test_a_person_and_their_password(here: Town, ana: Person, ben: Person) -> None:
    async def accepted() -> bool:
        try:
            await here.house.accounts.get(here.house.ground.store, ana.principal)
        except UsageError:
            return False
        return True

    mine, like = [row(here, "people", "subject", person.subject) for person in (ana, ben)]
    await every_change_is_noticed(mine, like, accepted, but=NOTHING)


async def test_a_password_set_in_the_file_opens_nothing(here: Town, ana: Person, ben: Person) -> None:
    """The hash of a password that one knows, in the row of somebody else: the simplest of all."""
    known = (await row(here, "people", "subject", ben.subject).read())["password"]
    async with row(here, "people", "subject", ana.subject).changed(password=known):
        assert await here.house.accounts.sign_in(ana.name, PASSWORD) is None


async def test_an_invitation(here: Town, ana: Person, ben: Person) -> None:
    """One of Ben's makes nobody Ana, and none lasts for longer than it was to."""
    accounts, store = here.house.accounts, here.house.ground.store
    async with store.transaction() as tx:
        mine, like = [await accounts.invite(tx, person) for person in (ben, ana)]

    async def accepted() -> bool:
        try:
            await accounts.invited(store, mine)
        except PageError:
            return False
        return True

    rows = [row(here, "invitations", "digest", accounts._digest(one)) for one in (mine, like)]
    await every_change_is_noticed(rows[0], rows[1], accepted, but=NOTHING)


async def test_a_passkey(here: Town, ana: Person, ben: Person) -> None:
    passkeys, store = here.house.passkeys, here.house.ground.store
    made = []
    for person in (ana, ben):
        offered = await passkeys.offered(store, person.principal, person.name, "test")
        async with store.transaction() as tx:
            device = Authenticator(here.url).make(offered)
            made.append(await passkeys.add(tx, person.principal, "A key", device, "test"))

    async def accepted() -> bool:
        found = [await passkeys.all(store, person.principal) for person in (ana, ben)]
        return made[0].id in {one.id for several in found for one in several}

    mine, like = [row(here, "passkeys", "id", one.id) for one in made]
    await every_change_is_noticed(mine, like, accepted, but=frozenset({"used"}))


async def test_a_registration(here: Town) -> None:
    registrations, store = here.house.connections.registrations, here.house.ground.store

    async def accepted() -> bool:
        try:
            await registrations.get(store, "my-google")
        except UsageError:
            return False
        return True

    mine, like = [row(here, "registrations", "name", name) for name in ("my-google", "my-slack")]
    await every_change_is_noticed(mine, like, accepted, but=NOTHING)


async def test_a_code_and_a_refresh_token(here: Town, ana: Person, ben: Person) -> None:
    """Ben's code, pointed at Ana's session, would be her sign-in."""
    server, store = here.house.authserver, here.house.ground.store
    made = []
    async with store.transaction() as tx:
        for person in (ben, ana):
            session = await here.house.sessions.start_client(
                tx, person.principal, "agt_1", DAY, scopes=("mcp",), resource=None, label=None
            )
            made.append((await server.codes.make(tx, session, BACK, "c" * 43), session))

    async def known() -> bool:
        async with store.transaction() as tx:
            try:
                await server.codes._known(tx, made[0][0])
            except OAuthError:
                return False
        return True

    rows = [row(here, "codes", "digest", server.codes._digest(code)) for code, _ in made]
    await every_change_is_noticed(rows[0], rows[1], known, but=NOTHING)
    tokens = [(await server.refresh_tokens.first(session))[1] for _, session in made]

    async def good() -> bool:
        return await server.refresh_tokens.is_good(tokens[0])

    rows = [row(here, "refresh_tokens", "digest", server.refresh_tokens._digest(one)) for one in tokens]
    await every_change_is_noticed(rows[0], rows[1], good, but=NOTHING)


async def test_what_a_client_asked_for(here: Town) -> None:
    """Where its code goes is where it was to go when it asked."""
    waiting, store = here.house.authserver.authorizations, here.house.ground.store
    mine, like = [
        await waiting.keep(Asked("agt_1", redirect, None, "c" * 43, f"{here.url}/mcp"))
        for redirect in (BACK, "https://evil.example/callback")
    ]

    async def accepted() -> bool:
        try:
            await waiting.get(store, mine)
        except PageError:
            return False
        return True

    rows = [row(here, "authorizations", "id", one) for one in (mine, like)]
    await every_change_is_noticed(rows[0], rows[1], accepted, but=NOTHING)


async def test_a_connection_given_to_somebody_else_gives_them_nothing(
    here: Town, ana: Person, ben: Person
) -> None:
    """T5, with their clients at work: neither sees the other's mail, and a third sees theirs."""
    hers, his = await here.connected(ana), await here.connected(ben, account="ben@example.com")
    third = await here.newcomer()
    theirs = await here.connected(third, account="carol@example.com")
    (one,) = await here.house.connections.rows.of(ana.principal)
    (his_own,) = await here.house.connections.rows.of(ben.principal)
    seen = here.sandbox.google.counters.api_calls.get("ana@example.com", 0)
    stolen = row(here, "connections", "id", one.id)
    swapped = row(here, "connections", "id", his_own.id)
    for change in (
        stolen.changed(issuer=ben.principal.issuer, subject=ben.subject),
        swapped.changed(token_set=one.token_set),
        swapped.changed(token_set=one.token_set, mac=(await stolen.read())["mac"]),
    ):
        async with change, here.wire(his) as agent, here.wire(theirs) as others_agent:
            await agent.call("gmail.list_unread", UNREAD)
            answer = await others_agent.call("gmail.list_unread", UNREAD)
            assert "structuredContent" in answer
        assert here.sandbox.google.counters.api_calls.get("ana@example.com", 0) == seen
    async with here.wire(hers) as agent:
        assert "structuredContent" in await agent.call("gmail.list_unread", UNREAD)
    assert {(one.id,), (his_own.id,)} <= {tuple(found) for found in await integrity(here, "connections")}


async def test_a_grant_that_was_widened_counts_for_nothing(here: Town, ana: Person) -> None:
    token = await here.connected(ana)
    (grant,) = await here.house.grants.of(ana.principal)
    sent = here.sandbox.google.counters.requests["api"]
    mine = row(here, "grants", "id", grant.id)
    wider = mine.changed(tools='["gmail.*", "gmail.send_message"]', until=None)
    async with wider, here.wire(token) as agent:
        answer = await agent.call("gmail.list_unread", UNREAD)
        assert answer["inputRequests"], "not even what it said before"
    assert here.sandbox.google.counters.requests["api"] == sent
    async with here.wire(token) as agent:
        assert "structuredContent" in await agent.call("gmail.list_unread", UNREAD)


async def test_a_row_that_was_changed_is_not_made_good_by_a_change_of_ours(here: Town, ana: Person) -> None:
    """Revoking, narrowing or counting a grant reads it first."""
    await here.connected(ana)
    (grant,) = await here.house.grants.of(ana.principal)
    mine = row(here, "grants", "id", grant.id)
    async with mine.changed(tools='["gmail.*"]'):
        with pytest.raises(UsageError):
            await here.house.grants.revoke(ana.principal, grant.id)
    assert (await mine.read())["revoked"] is None


async def test_an_address_for_notices(here: Town, ana: Person, ben: Person) -> None:
    addresses, store = here.house.notices.addresses, here.house.ground.store
    for person in (ana, ben):
        await addresses.prove(person.principal, await addresses.give(person.principal, "a@example.com"))
    found = [await addresses.of(store, person.principal) for person in (ana, ben)]

    async def accepted() -> bool:
        return await addresses.of(store, ana.principal) is not None

    mine, like = [row(here, "addresses", "id", one.id) for one in found if one]
    await every_change_is_noticed(mine, like, accepted, but=frozenset({"tries"}))
