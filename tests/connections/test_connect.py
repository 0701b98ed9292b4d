"""From a code to a connection: what was granted, whose account it is, and nobody's word but its person's."""

from collections.abc import AsyncIterator

import anyio
import pytest

from tests.support.browsing import fetched, tick
from tests.support.town import NOTES, PASSWORD, Town, town
from tests.support.wire import text
from valetkey.demo.person import PersonWithBrowser
from valetkey.errors import PageError, UsageError
from valetkey.model import MINUTE, Connection, ConnectionState
from valetkey.people import Person

ACCOUNT = "ana@example.com"


@pytest.fixture(scope="module")
async def here(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Town]:
    home = tmp_path_factory.mktemp("home")
    async with town(home, more=NOTES, clients=("google", "notes"), hold=0.02) as opened:
        yield opened


@pytest.fixture
async def ana(here: Town) -> AsyncIterator[Person]:
    yield await here.newcomer()
    here.sandbox.strict.change(grants_exactly=None)
    here.sandbox.strict.faults.clear()


@pytest.fixture
async def browser() -> AsyncIterator[PersonWithBrowser]:
    async with PersonWithBrowser() as opened:
        yield opened


async def _mine(here: Town, person: Person) -> list[Connection]:
    return await here.house.connections.rows.of(person.principal)


async def _arrived(here: Town, browser: PersonWithBrowser, person: Person, account: str = ACCOUNT) -> str:
    """Walk to the provider and back to the question whose account it is; return the request's link."""
    link = await here.setting_out(browser, person)
    await browser.submit(account=account, decision="allow")
    return link


async def test_until_its_person_confirms_the_account_a_connection_is_not_used(
    here: Town, ana: Person, browser: PersonWithBrowser
) -> None:
    await _arrived(here, browser, ana)
    assert ACCOUNT in browser.page
    assert [one.state for one in await _mine(here, ana)] == [ConnectionState.CONFIRMING]
    before = here.sandbox.strict.counters.requests["api"]
    async with here.client(await here.token(ana)) as agent:
        assert "[not_connected]" in text(await agent.call_tool("notes.list_notes", {}))
    assert here.sandbox.strict.counters.requests["api"] == before


async def test_an_account_that_was_not_meant_is_given_back_at_the_provider(
    here: Town, ana: Person, browser: PersonWithBrowser
) -> None:
    revoked = here.sandbox.strict.counters.revocations
    link = await _arrived(here, browser, ana, "ben@example.com")
    await browser.submit(decision="no")
    assert [one.state for one in await _mine(here, ana)] == [ConnectionState.REVOKED]
    assert here.sandbox.strict.counters.revocations == revoked + 1
    assert (await fetched(browser, link)).status_code == 200, "the request is still open"


async def test_what_nobody_confirms_is_given_back_after_ten_minutes(
    here: Town, ana: Person, browser: PersonWithBrowser
) -> None:
    for _ in range(2):  # they go there twice and never say which
        await _arrived(here, browser, ana)
    here.clock.advance(10 * MINUTE)
    await here.house.jobs.once()
    assert [one.state for one in await _mine(here, ana)] == [ConnectionState.CONFIRMING] * 2, (
        "not a moment early"
    )
    here.clock.advance(1)
    await here.house.jobs.once()
    assert [one.state for one in await _mine(here, ana)] == [ConnectionState.REVOKED] * 2
    told = [one.details["at_provider"] for one in await here.records(ana) if "given_back" in one.kind]
    assert told == ["revoked", "revoked"]
    store = here.house.ground.store
    assert await store.one("SELECT 1 FROM sealed WHERE purpose = 'pending'") is None


async def test_a_connection_given_back_meanwhile_cannot_be_confirmed(
    here: Town, ana: Person, browser: PersonWithBrowser
) -> None:
    """The page is open while the ten minutes end: a yes does not bring back what has no tokens any more."""
    await _arrived(here, browser, ana)
    (waiting,) = await _mine(here, ana)
    await here.house.connections.revocation.revoke(waiting, "system")
    await browser.submit(decision="yes")
    assert [one.state for one in await _mine(here, ana)] == [ConnectionState.REVOKED]
    assert await here.house.grants.of(ana.principal) == []
    with pytest.raises(PageError) as late:
        async with here.house.ground.store.transaction() as tx:
            await here.house.connections.connecting.settle(tx, waiting, None)
    assert late.value.status == 409


async def test_nothing_leads_back_from_revoked(here: Town, ana: Person) -> None:
    await here.connected(ana, "notes.list_notes")
    (connection,) = await _mine(here, ana)
    await here.house.connections.revocation.revoke(connection, "person")
    for state in (ConnectionState.CONNECTED, ConnectionState.NEEDS_REAUTH):
        with pytest.raises(UsageError):
            async with here.house.ground.store.transaction() as tx:
                await here.house.connections.rows.to(tx, connection, state, by="person")


async def test_what_the_provider_granted_is_stored_and_not_what_was_asked(here: Town, ana: Person) -> None:
    """Fewer scopes than asked: it asks again for what is missing, and does not go in circles (O13)."""
    here.sandbox.strict.change(grants_exactly=frozenset({"notes.read"}))
    async with here.client(await here.token(ana), here.approving(ana.name, ACCOUNT)) as agent:
        here.links.clear()
        said = await agent.call_tool("notes.write_note", {"text": "x"})
        assert "[insufficient_scope]" in text(said)
        assert len(here.links) == 2, "to connect, and once for the scope that is missing"
        (connection,) = [one for one in await _mine(here, ana) if one.state is ConnectionState.CONNECTED]
        assert connection.scopes == {"notes.read"}
        here.sandbox.strict.change(grants_exactly=None)
        assert not (await agent.call_tool("notes.write_note", {"text": "x"})).is_error


async def test_more_scopes_are_asked_for_by_name_and_the_old_ones_are_kept(here: Town, ana: Person) -> None:
    token = await here.connected(ana, "notes.list_notes")
    (before,) = await _mine(here, ana)
    assert before.scopes == {"notes.read"}
    async with here.client(token, here.approving(ana.name, ACCOUNT)) as agent:
        assert not (await agent.call_tool("notes.write_note", {"text": "x"})).is_error
        assert not (await agent.call_tool("notes.list_notes", {})).is_error
    (now,) = [one for one in await _mine(here, ana) if one.state is ConnectionState.CONNECTED]
    assert now.id == before.id
    assert now.scopes == {"notes.read", "notes.write"}


async def test_the_same_account_connected_again_keeps_its_id_and_its_grants(
    here: Town, ana: Person, browser: PersonWithBrowser
) -> None:
    token = await here.connected(ana, "notes.list_notes", agent="first")
    (before,) = await _mine(here, ana)
    here.sandbox.strict.revoke(ACCOUNT)
    async with here.client(token, here.approving(ana.name, ACCOUNT)) as agent:
        assert not (await agent.call_tool("notes.list_notes", {})).is_error
    live = [one for one in await _mine(here, ana) if one.state is ConnectionState.CONNECTED]
    assert [one.id for one in live] == [before.id]
    assert live[0].token_set != before.token_set


async def test_a_refresh_of_a_renewed_connection_is_the_renewed_ones_alone(here: Town, ana: Person) -> None:
    """The row that only brought the new tokens is revoked, and stays so when they die."""
    token = await here.connected(ana, "notes.list_notes")
    here.sandbox.strict.revoke(ACCOUNT)
    async with here.client(token, here.approving(ana.name, ACCOUNT)) as agent:
        assert not (await agent.call_tool("notes.list_notes", {})).is_error
        here.clock.advance(6 * MINUTE)
        assert not (await agent.call_tool("notes.list_notes", {})).is_error
    refreshed = [one.kind for one in await here.records(ana) if one.kind == "tokens.refreshed"]
    assert len(refreshed) == 1
    here.sandbox.strict.revoke(ACCOUNT)
    async with here.client(token) as agent:
        assert "[reconnect]" in text(await agent.call_tool("notes.list_notes", {}))
    states = sorted(one.state for one in await _mine(here, ana))
    assert states == [ConnectionState.NEEDS_REAUTH, ConnectionState.REVOKED]


async def test_another_account_than_the_one_to_renew_is_said_and_becomes_its_own(
    here: Town, ana: Person, browser: PersonWithBrowser
) -> None:
    token = await here.connected(ana, "notes.list_notes")
    async with here.wire(token) as agent:
        leg = await agent.call("notes.write_note", {"text": "x"})
        await here.sign_in(browser, leg["inputRequests"]["valetkey"]["params"]["url"], ana.name)
        await browser.submit(password=PASSWORD, decision="allow")
        await browser.submit(account="ben@example.com", decision="allow")
        assert "Until now it was" in browser.page
        assert ACCOUNT in browser.page
        await browser.submit(decision="yes")
        said = await agent.call("notes.write_note", {"text": "x"}, leg["requestState"], "accept")
    assert "[ambiguous]" in text(said), "a write never guesses"
    assert ACCOUNT in text(said)
    assert "ben@example.com" in text(said)


async def test_an_account_that_cannot_be_named_is_not_connected(
    here: Town, ana: Person, browser: PersonWithBrowser
) -> None:
    link = await here.setting_out(browser, ana)
    revoked = here.sandbox.strict.counters.revocations
    here.sandbox.strict.faults.set("api", "garbage", times=1)
    await browser.submit(account=ACCOUNT, decision="allow")
    assert "did not complete" in browser.page
    assert [one.state for one in await _mine(here, ana)] == [ConnectionState.REVOKED]
    assert here.sandbox.strict.counters.revocations == revoked + 1, "given back at once"
    assert "Nothing to confirm" in await browser.open(f"{link}/confirm")
    await browser.open(link)
    tick(browser, "notes.write_note")
    await browser.submit(password=PASSWORD, decision="allow")
    await browser.submit(account=ACCOUNT, decision="allow")
    await browser.submit(decision="yes")
    states = sorted(one.state for one in await _mine(here, ana))
    assert states == [ConnectionState.CONNECTED, ConnectionState.REVOKED]


@pytest.mark.parametrize(
    "fault", ["garbage", "nan", "deep", "big_token", "control_token", "html", "empty_400"]
)
async def test_a_token_endpoint_that_answers_nonsense_connects_nothing(
    here: Town, ana: Person, browser: PersonWithBrowser, fault: str
) -> None:
    await here.setting_out(browser, ana)
    here.sandbox.strict.faults.set("token", fault, times=1)
    await browser.submit(account=ACCOUNT, decision="allow")
    assert "did not complete" in browser.page
    assert await _mine(here, ana) == []


async def test_a_person_who_closes_their_browser_loses_nothing_that_was_redeemed(
    here: Town, ana: Person, browser: PersonWithBrowser
) -> None:
    """The code is spent once it was sent: what it brought is sealed, whoever is still there to see it."""
    await here.setting_out(browser, ana)
    callback = here.sandbox.approve(browser.url, ACCOUNT)
    redeeming = here.sandbox.strict.faults.set("token", "hold", times=1)
    sealed = here.sandbox.strict.faults.set("api", "hold", times=1)  # `whoami`, which comes after that
    with anyio.fail_after(10):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(fetched, browser, callback)
            await redeeming.arrived.wait()
            tasks.cancel_scope.cancel()
        redeeming.released.set()
        await sealed.arrived.wait()
    assert [one.state for one in await _mine(here, ana)] == [ConnectionState.CONFIRMING]
    (request,) = await here.house.requests.open_for(here.house.ground.store, ana.principal)
    with pytest.raises(PageError, match="Nothing to confirm"):  # nobody can say yet whose it is
        await here.house.reading.confirming(request)
    sealed.released.set()
