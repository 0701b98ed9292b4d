"""A person's own page: what it lists, and that what they end has ended."""

import pytest

from tests.pages.browser import Browser
from tests.web.conftest import EMAIL, Street
from valetkey.model import ConnectionState
from valetkey.web.browsers import Browsers
from valetkey.web.mine import Mine


async def test_it_is_where_the_home_page_leads(street: Street, anas: Browser, browser: Browser) -> None:
    assert "Hello, ana" in (await anas.follow(await anas.open("/"))).text
    assert (await browser.open("/mine")).location == "/signin?return_to=%2Fmine"


async def test_at_first_it_says_that_nothing_is_there(street: Street, anas: Browser) -> None:
    page = await anas.open("/mine")
    assert "No agent may do anything for you." in page.text
    assert "Nothing is connected yet." in page.text


async def test_it_lists_accounts_and_what_agents_may_do(street: Street, anas: Browser) -> None:
    await street.connect(anas, await street.ask())
    text = (await anas.open("/mine")).text
    for words in (
        "triage",
        "Until 4 Oct 2024, 08:00 UTC",
        "List unread",
        EMAIL,
        "Connected since 4 Oct 2024, 00:00 UTC",
    ):
        assert words in text


async def test_a_person_sees_nothing_of_anybody_elses(street: Street, anas: Browser, bens: Browser) -> None:
    await street.connect(anas, await street.ask())
    page = await bens.open("/mine")
    assert "Nothing is connected yet." in page.text
    assert EMAIL not in page.response.text


async def test_disconnecting_ends_it_here_and_at_the_provider(street: Street, anas: Browser) -> None:
    connection = await street.connect(anas, await street.ask())
    page = await anas.open("/mine")
    seen = await anas.send(page, to=f"/mine/connections/{connection.id}/revoke")
    assert (seen.status, "Gmail is disconnected" in seen.text, "confirmed" in seen.text) == (200, True, True)
    assert [one.state for one in await street.connections()] == [ConnectionState.REVOKED]
    assert [one.revoked for one in street.town.sandbox.google.grants()] == [True]
    text = (await anas.open("/mine")).text
    assert "Nothing is connected yet." in text
    assert "The account is no longer connected." in text


async def test_revoking_what_an_agent_may_do_ends_it(street: Street, anas: Browser) -> None:
    await street.connect(anas, await street.ask())
    (grant,) = await street.town.house.grants.of(street.ana.principal)
    seen = await anas.send(await anas.open("/mine"), to=f"/mine/grants/{grant.id}/revoke")
    assert (seen.status, "triage may no longer do this" in seen.text) == (200, True)
    assert await street.town.house.grants.of(street.ana.principal) == []
    assert [one.state for one in await street.connections()] == [ConnectionState.CONNECTED]


@pytest.mark.parametrize("kind", ["connections", "grants"])
async def test_what_is_somebody_elses_looks_like_what_is_not(
    street: Street, anas: Browser, bens: Browser, kind: str
) -> None:
    connection = await street.connect(anas, await street.ask())
    (grant,) = await street.town.house.grants.of(street.ana.principal)
    theirs = connection.id if kind == "connections" else grant.id
    stamp = (await bens.open("/mine")).sheet("/signout").fields
    foreign = await bens.post(f"/mine/{kind}/{theirs}/revoke", stamp)
    invented = await bens.post(f"/mine/{kind}/{theirs[:-4]}0000/revoke", stamp)
    assert (foreign.status, foreign.response.text) == (404, invented.response.text)
    assert [one.state for one in await street.connections()] == [ConnectionState.CONNECTED]
    assert len(await street.town.house.grants.of(street.ana.principal)) == 1


async def test_what_has_ended_ends_only_once(street: Street, anas: Browser) -> None:
    connection = await street.connect(anas, await street.ask())
    page = await anas.open("/mine")
    where = f"/mine/connections/{connection.id}/revoke"
    assert [(await anas.send(page, to=where)).status for _ in range(2)] == [200, 404]


async def test_a_connection_that_ended_at_the_provider_says_so(street: Street, anas: Browser) -> None:
    connection = await street.connect(anas, await street.ask())
    ground = street.town.house.ground
    async with ground.store.transaction() as tx:
        rows = street.town.house.connections.rows
        await rows.to(tx, connection, ConnectionState.NEEDS_REAUTH, by="system", reason="dead")
    text = (await anas.open("/mine")).text
    assert "has ended" in text
    assert "shows you a link to renew it" in text


async def test_signing_out_everywhere_ends_every_browser_of_one_person(
    street: Street, anas: Browser, bens: Browser, browser: Browser
) -> None:
    await street.sign_in(browser)
    seen = await anas.send(await anas.open("/mine"), to="/mine/browsers/end")
    assert (seen.status, seen.location) == (303, "/signin")
    assert [(await one.open("/mine")).status for one in (anas, browser, bens)] == [303, 303, 200]
    assert await street.events("person.signed_out") == 2


async def test_a_form_of_it_without_a_session_is_refused(street: Street, browser: Browser) -> None:
    stamp = [field for field in (await browser.open("/signin")).sheet().fields if field[0] == "stamp"]
    for where in ("connections/con_1/revoke", "grants/grt_1/revoke", "browsers/end"):
        assert (await browser.post(f"/mine/{where}", stamp)).status == 403


@pytest.mark.parametrize(
    ("entry", "words"),
    [
        ("gmail.list_unread", "List unread"),
        ("gmail.*", "everything in Gmail but what deletes"),
        ("gmail:read", "everything in Gmail that reads"),
        ("gone.tool", "gone.tool"),
        ("gone.*", "everything in gone but what deletes"),
    ],
)
async def test_every_entry_of_a_grant_has_words(street: Street, entry: str, words: str) -> None:
    house = street.town.house
    ground = house.ground
    browsers = Browsers(ground.store, ground.keys, ground.audit, house.accounts, house.sessions)
    rooms = (house.accounts, house.agents, house.connections, house.grants, browsers)
    mine = Mine(ground.store, ground.catalog, *rooms)
    assert mine._words(entry) == words
