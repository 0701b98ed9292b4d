"""My connections: what is connected, ending it, renewing it, and connecting something for no agent yet."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.pages.browser import Browser
from tests.support.town import NOTES, town
from tests.web.conftest import EMAIL, Street
from valetkey.model import Connection, ConnectionState


@pytest.fixture
async def street(tmp_path: Path) -> AsyncIterator[Street]:
    async with town(tmp_path, more=NOTES, clients=("google", "notes")) as here:
        yield Street(here, await here.person("ana"), await here.person("ben"))


async def _ended(street: Street, connection: Connection) -> None:
    """Its access ends at the other side."""
    house = street.town.house
    async with house.ground.store.transaction() as tx:
        await house.connections.rows.to(
            tx, connection, ConnectionState.NEEDS_REAUTH, by="system", reason="dead"
        )


async def test_it_is_where_the_home_page_leads(street: Street, anas: Browser, browser: Browser) -> None:
    assert "Hello, ana" in (await anas.follow(await anas.open("/"))).text
    assert (await browser.open("/mine")).location == "/signin?return_to=%2Fmine"


async def test_at_first_it_says_what_to_do(street: Street, anas: Browser) -> None:
    page = await anas.open("/mine")
    assert "Nothing is connected yet" in page.text
    assert "it shows you a link" in page.text


async def test_it_lists_accounts_and_who_may_use_them(street: Street, anas: Browser) -> None:
    await street.connect(anas, await street.ask())
    text = (await anas.open("/mine")).text
    for words in ("Gmail", EMAIL, "Since 4 Oct 2024, 00:00 UTC", "triage may use it"):
        assert words in text


async def test_a_person_sees_nothing_of_anybody_elses(street: Street, anas: Browser, bens: Browser) -> None:
    await street.connect(anas, await street.ask())
    page = await bens.open("/mine")
    assert "Nothing is connected yet" in page.text
    assert EMAIL not in page.response.text


async def test_disconnecting_ends_it_here_and_at_the_provider(street: Street, anas: Browser) -> None:
    connection = await street.connect(anas, await street.ask())
    page = await anas.open("/mine")
    seen = await anas.send(page, to=f"/mine/connections/{connection.id}/revoke")
    assert (seen.status, "Gmail is disconnected" in seen.text, "confirmed" in seen.text) == (200, True, True)
    assert [one.state for one in await street.connections()] == [ConnectionState.REVOKED]
    assert [one.revoked for one in street.town.sandbox.google.grants()] == [True]
    assert "Nothing is connected yet" in (await anas.open("/mine")).text
    assert "The account is no longer connected" in (await anas.open("/mine/agents")).text


async def test_what_has_ended_ends_only_once(street: Street, anas: Browser) -> None:
    connection = await street.connect(anas, await street.ask())
    page = await anas.open("/mine")
    where = f"/mine/connections/{connection.id}/revoke"
    assert [(await anas.send(page, to=where)).status for _ in range(2)] == [200, 404]


async def test_a_connection_that_ended_at_the_provider_is_renewed_from_here(
    street: Street, anas: Browser
) -> None:
    """Its grants stay as they were, and no agent is given anything by it."""
    connection = await street.connect(anas, await street.ask())
    (grant,) = await street.town.house.grants.of(street.ana.principal)
    await _ended(street, connection)
    page = await anas.open("/mine")
    assert "has ended" in page.text
    sent = await anas.send(page, to=f"/mine/connections/{connection.id}/reconnect")
    await _through(street, anas, sent.location)
    assert [(one.id, one.state) for one in await street.connections() if one.state != "revoked"] == [
        (connection.id, ConnectionState.CONNECTED)
    ]
    assert await street.town.house.grants.of(street.ana.principal) == [grant]


async def test_something_new_is_connected_for_no_agent_yet(street: Street, anas: Browser) -> None:
    page = await anas.open("/mine")
    sent = await anas.send(page, to="/mine/connectors/gmail/connect")
    asked = await anas.open(sent.location)
    assert "No agent is allowed anything by this" in asked.text
    assert "For how long" not in asked.text
    await _through(street, anas, sent.location)
    (connection,) = await street.connections()
    assert (connection.connector, connection.state) == ("gmail", ConnectionState.CONNECTED)
    assert await street.town.house.grants.of(street.ana.principal) == []
    assert "No agent may use it yet" in (await anas.open("/mine")).text
    assert (await anas.open(sent.location)).location == "/mine", "there is no agent to go back to"


async def test_another_account_is_connected_beside_the_first(street: Street, anas: Browser) -> None:
    first = await street.connect(anas, await street.ask())
    page = await anas.open("/mine")
    sent = await anas.send(page, to="/mine/connectors/gmail/connect")
    await _through(street, anas, sent.location, "ben@example.com")
    states = {one.id: one.state for one in await street.connections()}
    assert len(states) == 2
    assert set(states.values()) == {ConnectionState.CONNECTED}
    assert first.id in states


async def test_what_a_person_began_is_no_question_of_an_agents(street: Street, anas: Browser) -> None:
    sent = await anas.send(await anas.open("/mine"), to="/mine/connectors/gmail/connect")
    assert "Nothing waits for you" in (await anas.open("/mine/waiting")).text
    refused = await anas.send(await anas.open(sent.location), {"decision": "deny"})
    assert (await anas.follow(refused)).response.request.url.path == "/mine"
    kinds = [one.kind for one in await street.town.records(street.ana)]
    made = [one for one in await street.town.records(street.ana) if one.kind == "request.made"]
    assert [(one.by, one.actor) for one in made] == [("person", None)]
    assert "request.declined" in kinds


async def test_what_nobody_registered_is_not_offered(street: Street, anas: Browser) -> None:
    page = await anas.open("/mine")
    assert "Slack" not in page.text, "no client of the operator's is at its provider"
    stamp = page.sheet("/signout").fields
    assert (await anas.post("/mine/connectors/slack/connect", stamp)).status == 503
    assert (await anas.post("/mine/connectors/no-such/connect", stamp)).status == 404


async def _through(street: Street, browser: Browser, path: str, account: str = EMAIL) -> None:
    """Say yes on the page of an access request, consent at the provider, and confirm the account."""
    street.town.clock.advance(1)
    page = await browser.open(path)
    sent = await browser.send(page, {"password": "correct horse battery", "decision": "allow"})
    confirming = await browser.follow(await browser.open(street.consent(sent.location, account)))
    assert (await browser.send(confirming, {"decision": "yes"})).status == 303
