"""What can be allowed at once, how often, and while one is away: nothing of it unless it is chosen."""

from urllib.parse import parse_qs, urlsplit

import pytest

from tests.pages.browser import Browser
from tests.web.conftest import Street
from valetkey.model import Grant

READS = "https://www.googleapis.com/auth/gmail.readonly"


async def _allowed(street: Street, anas: Browser, **choice: str | list[str]) -> Grant:
    """Say yes to *list unread* with these choices, all the way."""
    request = await street.ask()
    street.town.clock.advance(1)
    sent = await street.allow(anas, request, **choice)
    page = await anas.follow(await anas.open(street.consent(sent.location)))
    await anas.send(page, {"decision": "yes"})
    (grant,) = await street.town.house.grants.of(street.ana.principal)
    return grant


async def _covers(street: Street, grant: Grant, *tools: str) -> list[bool]:
    (connection,) = grant.connections
    grants, catalog = street.town.house.grants, street.town.house.ground.catalog
    who = (grant.principal, grant.actor, connection)
    return [await grants.covers(*who, catalog.tool(name)) for name in tools]


async def test_most_people_tick_nothing_extra(street: Street, anas: Browser) -> None:
    grant = await _allowed(street, anas)
    assert grant.tools == {"gmail.list_unread"}
    assert (grant.uses, grant.offline) == (None, False)


async def test_everything_that_reads_is_one_tick(street: Street, anas: Browser) -> None:
    grant = await _allowed(street, anas, tool=["gmail.list_unread", "gmail:read"])
    assert grant.tools == {"gmail:read"}, "what a wider word says is not said twice"
    tools = ("gmail.list_unread", "gmail.get_message", "gmail.send_message", "gmail.trash_message")
    assert await _covers(street, grant, *tools) == [True, True, False, False]


async def test_everything_but_what_deletes_is_one_tick_and_asks_the_provider_for_all_of_it(
    street: Street, anas: Browser
) -> None:
    request = await street.ask()
    sent = await street.allow(anas, request, tool=["gmail.*"])
    (scopes,) = parse_qs(urlsplit(sent.location).query)["scope"]
    assert {READS, "https://www.googleapis.com/auth/gmail.send"} <= set(scopes.split())
    page = await anas.follow(await anas.open(street.consent(sent.location)))
    await anas.send(page, {"decision": "yes"})
    (grant,) = await street.town.house.grants.of(street.ana.principal)
    tools = ("gmail.list_unread", "gmail.send_message", "gmail.trash_message")
    assert await _covers(street, grant, *tools) == [True, True, False]
    assert grant.refused == set()


async def test_what_deletes_is_ticked_beside_a_wide_word(street: Street, anas: Browser) -> None:
    grant = await _allowed(street, anas, tool=["gmail.*", "gmail.trash_message"])
    assert grant.tools == {"gmail.*", "gmail.trash_message"}
    assert await _covers(street, grant, "gmail.trash_message") == [True]


async def test_what_was_asked_and_a_wide_word_leaves_out_is_refused(street: Street, anas: Browser) -> None:
    request = await street.ask("gmail.send_message")
    sent = await street.allow(anas, request, tool=["gmail:read"])
    page = await anas.follow(await anas.open(street.consent(sent.location)))
    await anas.send(page, {"decision": "yes"})
    (grant,) = await street.town.house.grants.of(street.ana.principal)
    assert (grant.tools == {"gmail:read"}, grant.refused == {"gmail.send_message"}) == (True, True)


@pytest.mark.parametrize(("words", "uses"), [("any number", None), ("only once", 1), ("10 times", 10)])
async def test_how_often_is_chosen_in_words(
    street: Street, anas: Browser, words: str, uses: int | None
) -> None:
    assert (await _allowed(street, anas, uses=words)).uses == uses


async def test_acting_while_one_is_away_is_ticked_by_a_person(street: Street, anas: Browser) -> None:
    assert (await _allowed(street, anas, away="yes")).offline


@pytest.mark.parametrize(
    "choice",
    [
        {"uses": "1000 times"},
        {"lasts": "100 years"},
        {"tool": ["slack.*"]},
        {"tool": ["gmail:destroy"]},
        {"tool": ["gmail:write"]},
        {"tool": ["*"]},
        {"tool": ["gmail.list_unread", "slack:read"]},
    ],
)
async def test_what_the_page_does_not_offer_is_refused(
    street: Street, anas: Browser, choice: dict[str, str | list[str]]
) -> None:
    request = await street.ask()
    assert (await street.allow(anas, request, **choice)).status in {400, 422}
    assert await street.state(request) == "open"


async def test_choices_survive_a_wrong_password(street: Street, anas: Browser) -> None:
    request = await street.ask()
    choice = {"tool": ["gmail:read"], "uses": "only once", "away": "yes", "password": "wrong wrong wrong"}
    seen = await street.allow(anas, request, **choice)  # type: ignore[arg-type]  # as a form is filled in
    fields = seen.sheet().fields
    for field in (("tool", "gmail:read"), ("uses", "only once"), ("away", "yes")):
        assert field in fields
    assert seen.status == 403
