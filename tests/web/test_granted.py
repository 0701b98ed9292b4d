"""One grant on its own page: taking away needs no password and adds nothing; adding needs one."""

import pytest

from tests.pages.browser import Browser, Seen
from tests.support.town import PASSWORD
from tests.web.conftest import Street
from valetkey.model import DAY, HOUR, Grant

Fields = dict[str, str | list[str]]


async def _connected(street: Street, anas: Browser, **more: str | list[str]) -> Grant:
    """Ana lets triage list and read her mail, for eight hours unless it is said otherwise."""
    request = await street.ask()
    tools = ["gmail.list_unread", "gmail.get_message"]
    sent = await street.allow(anas, request, **{"tool": tools, **more})
    page = await anas.follow(await anas.open(street.consent(sent.location)))
    await anas.send(page, {"decision": "yes"})
    return await _grant(street)


async def _grant(street: Street) -> Grant:
    (grant,) = await street.town.house.grants.of(street.ana.principal)
    return grant


async def _send(browser: Browser, grant: Grant, way: str, values: Fields) -> Seen:
    path = f"/mine/grants/{grant.id}"
    return await browser.send(await browser.open(path), values, to=f"{path}/{way}")


async def test_unticking_takes_a_tool_away_without_a_password(street: Street, anas: Browser) -> None:
    grant = await _connected(street, anas)
    seen = await _send(anas, grant, "narrow", {"keep": ["gmail.list_unread"]})
    assert seen.location == f"/mine/agents#{grant.id}"
    now = await _grant(street)
    assert now.tools == {"gmail.list_unread"}
    assert now.refused == {"gmail.get_message"}
    assert await street.events("grant.narrowed") == 1
    assert "Not: Get message" in (await anas.open("/mine/agents")).text


async def test_it_ends_sooner_without_a_password(street: Street, anas: Browser) -> None:
    grant = await _connected(street, anas, away="yes")
    await _send(anas, grant, "narrow", {"lasts": "1 hour", "away": []})
    now = await _grant(street)
    assert now.until == street.town.clock.now() + HOUR
    assert (grant.offline, now.offline) == (True, False)


@pytest.mark.parametrize(
    "values",
    [
        {"lasts": "until I revoke", "away": "yes", "uses": "any number"},
        {"keep": ["gmail.list_unread", "gmail.get_message", "gmail.send_message", "gmail.*"]},
        {"tool": "gmail.send_message", "tools": "gmail.*", "refused": ""},
        {"lasts": "30 days"},
        {},
    ],
)
async def test_nothing_that_is_sent_to_the_way_that_takes_away_adds_anything(
    street: Street, anas: Browser, values: Fields
) -> None:
    grant = await _connected(street, anas, uses="10 times")
    seen = await _send(anas, grant, "narrow", {**values, "password": PASSWORD})
    assert (seen.status, "That takes nothing away" in seen.text) == (422, True)
    assert await _grant(street) == grant


async def test_taking_everything_away_is_revoking(street: Street, anas: Browser) -> None:
    grant = await _connected(street, anas)
    seen = await _send(anas, grant, "narrow", {"keep": []})
    assert (seen.status, "Revoke it instead" in seen.text) == (422, True)
    assert await _grant(street) == grant


async def test_more_and_longer_takes_the_password(street: Street, anas: Browser) -> None:
    grant = await _connected(street, anas, uses="only once")
    more: Fields = {
        "tool": ["gmail.trash_message"],
        "lasts": "30 days",
        "uses": "10 times",
        "away": "yes",
        "password": PASSWORD,
    }
    assert (await _send(anas, grant, "extend", more)).status == 303
    now = await _grant(street)
    assert now.tools == grant.tools | {"gmail.trash_message"}, "what deletes, ticked by its name"
    assert (now.until, now.uses, now.offline) == (street.town.clock.now() + 30 * DAY, 10, True)
    assert await street.events("grant.extended") == 1


@pytest.mark.parametrize("password", ["", "wrong wrong wrong"])
async def test_without_the_password_nothing_is_added(street: Street, anas: Browser, password: str) -> None:
    grant = await _connected(street, anas)
    seen = await _send(anas, grant, "extend", {"lasts": "30 days", "password": password})
    assert (seen.status, "This is not your password" in seen.text) == (403, True)
    assert await _grant(street) == grant


@pytest.mark.parametrize(
    "values",
    [
        {"tool": ["slack.post_message", "notes.*", "gmail.*", "*", "no.such"]},
        {"lasts": "1 hour"},
        {"uses": "only once"},
        {"lasts": "for ever", "uses": "twice"},
        {},
    ],
)
async def test_what_the_page_does_not_offer_is_not_added(
    street: Street, anas: Browser, values: Fields
) -> None:
    """Not a tool of another connector, not a wide word, and nothing that is less than there was."""
    grant = await _connected(street, anas)
    seen = await _send(anas, grant, "extend", {**values, "password": PASSWORD})
    assert (seen.status, "That is no more than it has" in seen.text) == (422, True)
    assert await _grant(street) == grant


async def test_a_proof_for_one_grant_is_not_taken_for_another_person(
    street: Street, anas: Browser, bens: Browser
) -> None:
    grant = await _connected(street, anas)
    stamp = (await bens.open("/mine")).sheet("/signout").fields
    fields = [*stamp, ("lasts", "30 days"), ("password", PASSWORD)]
    assert (await bens.post(f"/mine/grants/{grant.id}/extend", fields)).status == 404
    assert await _grant(street) == grant


async def test_revoking_ends_it_and_leaves_the_account(street: Street, anas: Browser) -> None:
    grant = await _connected(street, anas)
    seen = await _send(anas, grant, "revoke", {})
    assert (seen.status, "triage may no longer do this" in seen.text) == (200, True)
    assert await street.town.house.grants.of(street.ana.principal) == []
    assert [one.state for one in await street.connections()] == ["connected"]
    assert (await anas.open(f"/mine/grants/{grant.id}")).status == 404
