"""What a person's answer does, and what is still missing after it, through the real pages."""

from collections.abc import AsyncIterator
from urllib.parse import parse_qs, urlsplit

import pytest

from tests.support.browsing import fetched, tick, untick
from tests.support.town import NOTES, OPERATOR, PASSWORD, Town, town
from tests.support.wire import text
from valetkey.demo.person import PersonWithBrowser
from valetkey.model import ConnectionState, Registration, Secret
from valetkey.people import Person

ACCOUNT = "ana@example.com"
NOTE = {"text": "x"}


@pytest.fixture(scope="module")
async def here(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Town]:
    home = tmp_path_factory.mktemp("home")
    async with town(home, more=NOTES, clients=("google", "notes"), hold=0.02) as opened:
        yield opened


@pytest.fixture
async def ana(here: Town) -> Person:
    return await here.newcomer()


@pytest.fixture
async def browser() -> AsyncIterator[PersonWithBrowser]:
    async with PersonWithBrowser() as opened:
        yield opened


async def _link(here: Town, token: str, tool: str, arguments: dict[str, str]) -> str:
    async with here.wire(token) as agent:
        leg = await agent.call(tool, arguments)
    return str(leg["inputRequests"]["valetkey"]["params"]["url"])


def _consents(here: Town) -> int:
    return here.sandbox.strict.counters.codes_issued


async def test_a_grant_alone_needs_no_trip(here: Town, ana: Person, browser: PersonWithBrowser) -> None:
    """Another agent of the same person: a grant, and no second consent at the provider."""
    await here.connected(ana, "notes.list_notes", agent="first")
    before = _consents(here)
    token = await here.token(ana, "second")
    link = await _link(here, token, "notes.list_notes", {})
    await here.sign_in(browser, link, ana.name)
    assert "Next you are asked to agree at" not in browser.page
    await browser.submit(password=PASSWORD, decision="allow")
    assert browser.url == link
    assert _consents(here) == before
    async with here.client(token) as second, here.client(await here.token(ana, "third")) as third:
        assert not (await second.call_tool("notes.list_notes", {})).is_error
        assert "[not_granted]" in text(await third.call_tool("notes.list_notes", {}))


async def test_a_grant_that_needs_more_scopes_makes_the_trip_for_those(
    here: Town, ana: Person, browser: PersonWithBrowser
) -> None:
    await here.connected(ana, "notes.list_notes", agent="first")
    token = await here.token(ana, "second")
    link = await _link(here, token, "notes.list_notes", {})
    await here.sign_in(browser, link, ana.name)
    tick(browser, "notes.write_note")
    await browser.submit(password=PASSWORD, decision="allow")
    assert "/strict/authorize" in browser.url
    await browser.submit(account=ACCOUNT, decision="allow")
    await browser.submit(decision="yes")
    async with here.client(token) as agent:
        assert not (await agent.call_tool("notes.write_note", NOTE)).is_error


async def test_a_connection_that_ended_while_the_page_was_open_is_made_anew(
    here: Town, ana: Person, browser: PersonWithBrowser
) -> None:
    """A grant on a connection that is no more would say *done* and be nothing."""
    await here.connected(ana, "notes.list_notes", agent="first", also=["notes.write_note"])
    token = await here.token(ana, "second")
    link = await _link(here, token, "notes.list_notes", {})
    await here.sign_in(browser, link, ana.name)
    (old,) = await here.house.connections.rows.of(ana.principal)
    await here.house.connections.revocation.revoke(old, "person")
    await browser.submit(password=PASSWORD, decision="allow")
    asked = parse_qs(urlsplit(browser.url).query)
    assert asked["scope"] == ["notes.read"], "what the ended one could do is not asked for again"
    await browser.submit(account=ACCOUNT, decision="allow")
    await browser.submit(decision="yes")
    async with here.client(token) as agent:
        assert not (await agent.call_tool("notes.list_notes", {})).is_error
    states = {one.id: one.state for one in await here.house.connections.rows.of(ana.principal)}
    assert states.pop(old.id) is ConnectionState.REVOKED
    assert list(states.values()) == [ConnectionState.CONNECTED]


async def test_a_connection_ended_while_its_renewal_was_on_the_way_stays_ended(
    here: Town, ana: Person, browser: PersonWithBrowser
) -> None:
    token = await here.connected(ana, "notes.list_notes")
    link = await _link(here, token, "notes.write_note", NOTE)
    await here.sign_in(browser, link, ana.name)
    await browser.submit(password=PASSWORD, decision="allow")
    await browser.submit(account=ACCOUNT, decision="allow")
    (old,) = await here.house.connections.rows.in_state(ana.principal, ConnectionState.CONNECTED)
    await here.house.connections.revocation.revoke(old, "person")
    await browser.submit(decision="yes")
    states = {one.id: one.state for one in await here.house.connections.rows.of(ana.principal)}
    assert states.pop(old.id) is ConnectionState.REVOKED
    assert list(states.values()) == [ConnectionState.CONNECTED]


async def test_what_destroys_is_never_ticked_for_its_person(
    here: Town, ana: Person, browser: PersonWithBrowser
) -> None:
    token = await here.connected(ana, "notes.write_note", NOTE, also=["notes.list_notes"])
    async with here.client(token) as agent:
        note = await agent.call_tool("notes.write_note", NOTE)
        assert note.structured_content is not None
        gone = {"id": note.structured_content["id"]}
        link = await _link(here, token, "notes.delete_note", gone)
        await here.sign_in(browser, link, ana.name)
        assert 'value="notes.delete_note" checked' not in browser.page
        await browser.submit(password=PASSWORD, decision="allow")
        assert "Tick at least one" in browser.page
        assert "[not_granted]" in text(await agent.call_tool("notes.delete_note", gone))
        tick(browser, "notes.delete_note")
        await browser.submit(password=PASSWORD, decision="allow")
        assert not (await agent.call_tool("notes.delete_note", gone)).is_error


async def test_a_choice_the_page_did_not_offer_is_refused(
    here: Town, ana: Person, browser: PersonWithBrowser
) -> None:
    link = await _link(here, await here.token(ana), "notes.list_notes", {})
    for changed in (
        {"lasts": "a thousand years"},
        {"lasts": ""},
        {"tool": "gmail.send_message"},
        {"tool": "*"},
    ):
        await here.sign_in(browser, link, ana.name)
        await browser.submit(password=PASSWORD, decision="allow", **changed)
        assert "/strict/authorize" not in browser.url, changed
    assert await here.house.grants.of(ana.principal) == []


async def test_a_wrong_password_allows_nothing(here: Town, ana: Person, browser: PersonWithBrowser) -> None:
    """A cookie alone never authorises: agents drive browsers too."""
    link = await _link(here, await here.token(ana), "notes.list_notes", {})
    await here.sign_in(browser, link, ana.name)
    for wrong in ("", "wrong horse battery"):
        await browser.submit(password=wrong, decision="allow")
        assert "/strict/authorize" not in browser.url
    untick(browser, "notes.list_notes")
    await browser.open(link)
    await browser.submit(password=PASSWORD, decision="allow")
    assert "/strict/authorize" in browser.url


async def test_an_answered_link_says_how_it_was_answered(
    here: Town, ana: Person, browser: PersonWithBrowser
) -> None:
    link = await _link(here, await here.token(ana), "notes.list_notes", {})
    await here.sign_in(browser, link, ana.name)
    await browser.submit(decision="deny")
    assert "You said no" in browser.page
    assert (await fetched(browser, link)).status_code == 200
    assert (await fetched(browser, f"{link}/confirm")).status_code == 200


async def test_opening_a_link_changes_nothing(here: Town, ana: Person, browser: PersonWithBrowser) -> None:
    """Previews, scanners and sign-in redirects open links too."""
    link = await _link(here, await here.token(ana), "notes.list_notes", {})
    store = here.house.ground.store

    async def counted() -> list[int]:
        tables = ("access_requests", "flows", "connections", "grants", "sessions", "audit")
        rows = [await store.one(f"SELECT count(*) AS n FROM {table}") for table in tables]
        return [row["n"] for row in rows if row]

    await here.sign_in(browser, link, ana.name)
    before = await counted()
    for _ in range(3):
        assert (await fetched(browser, link)).status_code == 200
        assert (await browser._http.head(link)).status_code == 405
    assert await counted() == before


async def test_a_provider_without_a_client_of_ours_is_the_operators_business(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    async with town(tmp_path_factory.mktemp("home"), clients=("google",)) as here:
        async with here.client(await here.token(await here.newcomer()), here.answering("accept")) as agent:
            said = await agent.call_tool("slack.list_channels", {})
        assert "[failed]" in text(said)
        assert "valetkey registrations add slack" in text(said)
        assert here.links == [], "nobody is sent anywhere for what cannot work"


async def test_a_mistyped_client_is_mended_by_adding_another(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    async with town(tmp_path_factory.mktemp("home"), clients=("slack",)) as here:
        clients, store = here.house.connections.registrations, here.house.ground.store
        here.clock.advance(1)
        async with store.transaction() as tx:
            await clients.add(tx, Registration("better", "slack", "id", Secret("right")), OPERATOR)
        slack = here.house.ground.catalog.connectors["slack"]
        assert (await clients.for_connector(store, slack)).name == "better"
