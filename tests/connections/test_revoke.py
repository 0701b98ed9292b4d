"""Ending a connection: at once, everywhere, for good; and the provider's answer told as it was."""

from collections.abc import AsyncIterator

import anyio
import pytest

from tests.support.town import NOTES, Town, town
from tests.support.wire import text
from valetkey.connections import AtProvider, Revoked
from valetkey.errors import UsageError
from valetkey.model import DAY, HOUR, MINUTE, Connection
from valetkey.people import Person


@pytest.fixture(scope="module")
async def here(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Town]:
    home = tmp_path_factory.mktemp("home")
    async with town(home, more=NOTES, clients=("google", "slack", "notes"), hold=0.02) as opened:
        yield opened


@pytest.fixture
async def ana(here: Town) -> AsyncIterator[Person]:
    yield await here.newcomer()
    for provider in here.sandbox.providers.values():
        provider.faults.clear()
    here.clock.advance(HOUR)
    await here.house.connections.revocation.retry()  # nobody's is left over for the next test


async def _only(here: Town, person: Person) -> Connection:
    (connection,) = await here.house.connections.rows.of(person.principal)
    return connection


async def _revoked(here: Town, connection: Connection) -> Revoked:
    return await here.house.connections.revocation.revoke(connection, "person")


@pytest.mark.parametrize(
    ("tool", "arguments"),
    [("gmail.list_unread", {}), ("slack.list_channels", {}), ("notes.list_notes", {})],
    ids=["form", "bearer", "basic"],
)
async def test_the_provider_is_told_and_takes_the_tokens_back(
    here: Town, ana: Person, tool: str, arguments: dict[str, str]
) -> None:
    token = await here.connected(ana, tool, arguments)
    connection = await _only(here, ana)
    provider = {"gmail": here.sandbox.google, "slack": here.sandbox.slack}.get(
        connection.connector, here.sandbox.strict
    )
    before = provider.counters.revocations
    told = await _revoked(here, connection)
    assert told.at_provider is AtProvider.REVOKED
    assert provider.counters.revocations == before + 1
    called = provider.counters.requests["api"]
    async with here.client(token) as agent:
        assert "[not_connected]" in text(await agent.call_tool(tool, arguments))
    assert provider.counters.requests["api"] == called
    assert here.house.ground.catalog.connectors[connection.connector].title in told.told


@pytest.mark.parametrize("fault", ["server_error", "drop", "garbage", "html", "redirect", "too_many"])
async def test_a_provider_that_does_not_answer_well_is_said_and_changes_nothing_here(
    here: Town, ana: Person, fault: str
) -> None:
    token = await here.connected(ana, "notes.list_notes")
    here.sandbox.strict.faults.set("revoke", fault, times=1)
    told = await _revoked(here, await _only(here, ana))
    if fault not in {"garbage", "html"}:  # a 200 is RFC 7009's yes, whatever its body
        assert told.at_provider is AtProvider.PENDING
        assert "did not confirm yet" in told.told
    async with here.client(token) as agent:
        assert "[not_connected]" in text(await agent.call_tool("notes.list_notes", {}))
    (event,) = [record for record in await here.records(ana) if record.kind == "connection.given_back"]
    assert event.details["at_provider"] == told.at_provider


async def test_slack_that_says_no_with_200_is_not_believed(here: Town, ana: Person) -> None:
    await here.connected(ana, "slack.list_channels")
    here.sandbox.slack.revoke()
    assert (await _revoked(here, await _only(here, ana))).at_provider is AtProvider.FAILED


async def _told_later(here: Town, person: Person, after: int = MINUTE) -> list[str]:
    """Let some time pass, and the jobs run; what the audit says since of what the provider answered."""
    here.clock.advance(after)
    await here.house.connections.revocation.retry()
    given = [record for record in await here.records(person) if record.kind == "connection.given_back"]
    return [record.details["at_provider"] for record in given]


async def _aside(here: Town, connection: Connection) -> bool:
    """Whether the tokens of an ended connection are still kept."""
    find = "SELECT 1 FROM sealed WHERE purpose = 'given_back' AND id = $1"
    return await here.house.ground.store.one(find, connection.id) is not None


async def test_a_provider_that_was_down_is_told_once_it_is_up(here: Town, ana: Person) -> None:
    await here.connected(ana, "notes.list_notes")
    connection, before = await _only(here, ana), here.sandbox.strict.counters.revocations
    here.sandbox.strict.faults.set("revoke", "server_error", times=2)
    await _revoked(here, connection)
    assert await _told_later(here, ana, after=MINUTE - 1) == ["pending"], "not before its turn"
    assert await _told_later(here, ana, after=1) == ["pending"]
    assert await _aside(here, connection)
    assert await _told_later(here, ana, after=2 * MINUTE) == ["pending", "revoked"]
    assert here.sandbox.strict.counters.revocations == before + 1
    assert [grant.revoked for grant in here.sandbox.strict.grants()][-1:] == [True]
    assert not await _aside(here, connection)
    assert await _told_later(here, ana, after=DAY) == ["pending", "revoked"], "once"


async def test_a_provider_that_is_down_for_a_day_is_given_up(here: Town, ana: Person) -> None:
    await here.connected(ana, "notes.list_notes")
    connection = await _only(here, ana)
    here.sandbox.strict.faults.set("revoke", "drop", times=99)
    await _revoked(here, connection)
    for _ in range(23):
        assert await _told_later(here, ana, after=HOUR) == ["pending"]
    assert await _aside(here, connection)
    assert await _told_later(here, ana, after=HOUR) == ["pending", "failed"]
    assert not await _aside(here, connection)
    here.sandbox.strict.faults.clear()
    assert await _told_later(here, ana, after=HOUR) == ["pending", "failed"]


async def test_a_process_that_dies_before_the_answer_leaves_it_to_the_next_one(
    here: Town, ana: Person
) -> None:
    token = await here.connected(ana, "notes.list_notes")
    connection = await _only(here, ana)
    held = here.sandbox.strict.faults.set("revoke", "hold", 1)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(_revoked, here, connection)
        await held.arrived.wait()
        tasks.cancel_scope.cancel()
    here.sandbox.strict.faults.release()
    async with here.client(token) as agent:
        assert "[not_connected]" in text(await agent.call_tool("notes.list_notes", {}))
    async with here.another() as there:
        assert await _told_later(there, ana) == ["revoked"]
    assert not await _aside(here, connection)


async def test_where_it_would_end_what_is_in_use_the_provider_is_told_with_the_last(
    here: Town, ana: Person
) -> None:
    """As with Google, whose revocation ends all that an account gave a client."""
    await here.connected(ana, "gmail.list_unread", account="ben@example.com")
    token = await here.connected(ana, "google_calendar.list_calendars", account="ben@example.com")
    both = await here.house.connections.rows.of(ana.principal)
    gmail, calendar = sorted(both, key=lambda one: one.connector)  # made within one millisecond
    before = here.sandbox.google.counters.revocations
    told = await _revoked(here, gmail)
    assert told.at_provider is AtProvider.SHARED
    assert "other connections" in told.told
    assert not await _aside(here, gmail)
    async with here.client(token) as agent:
        assert not (await agent.call_tool("google_calendar.list_calendars", {})).is_error
    assert here.sandbox.google.counters.revocations == before
    assert (await _revoked(here, calendar)).at_provider is AtProvider.REVOKED
    assert {grant.revoked for grant in here.sandbox.google.grants("ben@example.com")} == {True}


async def test_a_connection_ends_once(here: Town, ana: Person) -> None:
    await here.connected(ana, "notes.list_notes")
    connection = await _only(here, ana)
    await _revoked(here, connection)
    with pytest.raises(UsageError, match="ended already"):
        await _revoked(here, connection)


async def test_a_token_set_that_does_not_open_goes_all_the_same(here: Town, ana: Person) -> None:
    await here.connected(ana, "notes.list_notes")
    connection = await _only(here, ana)
    store = here.house.ground.store
    async with store.transaction() as tx:
        spoil = "UPDATE sealed SET content = $1 WHERE purpose = 'token' AND id = $2"
        await tx.run(spoil, b"spoiled", connection.token_set)
    told = await _revoked(here, connection)
    assert told.at_provider is AtProvider.FAILED
    assert "at the provider as well" in told.told
    row = await store.one("SELECT 1 FROM sealed WHERE purpose = 'token' AND id = $1", connection.token_set)
    assert row is None


async def test_a_client_secret_that_does_not_open_only_costs_the_providers_word(
    here: Town, ana: Person
) -> None:
    await here.connected(ana, "notes.list_notes")
    connection = await _only(here, ana)
    store = here.house.ground.store
    find = "SELECT content FROM sealed WHERE purpose = 'client_secret' AND id = 'my-notes'"
    put = "UPDATE sealed SET content = $1 WHERE purpose = 'client_secret' AND id = 'my-notes'"
    good = await store.one(find)
    assert good is not None
    async with store.transaction() as tx:
        await tx.run(put, b"spoiled")
    try:
        assert (await _revoked(here, connection)).at_provider is AtProvider.PENDING
    finally:
        async with store.transaction() as tx:
            await tx.run(put, good["content"])
    assert await _told_later(here, ana) == ["pending", "revoked"]


async def test_nothing_of_the_tokens_is_left_in_the_files_of_the_store(here: Town, ana: Person) -> None:
    """Sealed as they were, they are overwritten, in the file and in the log that was written before it."""
    await here.connected(ana, "notes.list_notes")
    connection = await _only(here, ana)
    store, file = here.house.ground.store, here.house.ground.settings.store_file
    find = "SELECT content FROM sealed WHERE purpose = 'token' AND id = $1"
    row = await store.one(find, connection.token_set)
    assert row is not None
    sealed = bytes(row["content"])[-32:]
    files = [path for path in file.parent.iterdir() if path.name.startswith(file.name)]
    assert any(sealed in path.read_bytes() for path in files), "else there is nothing to look for"
    await _revoked(here, connection)
    for path in file.parent.iterdir():
        assert sealed not in path.read_bytes(), path.name


async def test_what_a_person_ends_another_never_sees(here: Town, ana: Person) -> None:
    ben = await here.newcomer()
    await here.connected(ana, "notes.list_notes", account="ana@example.com")
    token = await here.connected(ben, "notes.list_notes", account="ben@example.com")
    await _revoked(here, await _only(here, ana))
    async with here.client(token) as agent:
        assert not (await agent.call_tool("notes.list_notes", {})).is_error
