"""Waiting for you: what agents asked and nobody answered, and the way to decide."""

from tests.pages.browser import Browser
from tests.web.conftest import Street
from valetkey.model import MINUTE, Actor, Caller


async def test_at_first_it_says_that_nothing_waits(street: Street, anas: Browser) -> None:
    page = await anas.open("/mine/waiting")
    assert "Nothing waits for you" in page.text


async def test_an_open_request_says_who_asks_for_what_and_how_long_it_is_open(
    street: Street, anas: Browser
) -> None:
    request = await street.ask()
    street.town.clock.advance(3 * MINUTE)
    page = await anas.open("/mine/waiting")
    for words in ("triage asks", "Gmail: List unread", "Asked 4 Oct 2024, 00:00 UTC", "another 7 minutes"):
        assert words in page.text, words
    assert f'href="{street.page(request)}"' in page.response.text
    assert "Let triage use Gmail" in (await anas.open(street.page(request))).text


async def test_what_an_agent_asked_ahead_says_that_it_is_for_while_one_is_away(
    street: Street, anas: Browser
) -> None:
    house = street.town.house
    async with house.ground.store.transaction() as tx:
        agent = await house.agents.named(tx, "night-watch")
    caller = Caller(street.ana.principal, Actor(agent.id), "")
    request = await house.requests.ahead(caller, ("gmail.list_unread",), offline=True)
    page = await anas.open("/mine/waiting")
    assert "While you are away, too" in page.text
    assert "another 7 days" in page.text
    asked = await anas.open(street.page(request))
    assert "night-watch asks for this" in asked.text
    assert ("away", "yes") not in asked.sheet().fields, "it is asked for, and ticked by a person"


async def test_what_was_answered_or_is_too_late_waits_no_more(street: Street, anas: Browser) -> None:
    request = await street.ask()
    await street.town.house.answers.decline(request)
    await street.ask("gmail.send_message")
    street.town.clock.advance(10 * MINUTE)
    assert "Nothing waits for you" in (await anas.open("/mine/waiting")).text


async def test_nobody_sees_what_waits_for_somebody_else(street: Street, bens: Browser) -> None:
    await street.ask()
    assert "Nothing waits for you" in (await bens.open("/mine/waiting")).text
