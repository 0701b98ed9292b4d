"""The page of an access request: who sees it, what it says, and what a yes and a no do."""

import re

import pytest

from tests.pages.browser import Browser, Seen
from tests.support.town import PASSWORD
from tests.web.conftest import EMAIL, Street
from valetkey.grants import LASTS
from valetkey.model import HOUR, MINUTE, Outcome
from valetkey.pages import EFFECTS


def ticked(page: Seen) -> list[str]:
    return [value for name, value in page.sheet().fields if name == "tool"]


async def test_it_says_who_asks_for_what_and_ticks_only_that(street: Street, anas: Browser) -> None:
    page = await anas.open(street.page(await street.ask()))
    assert (page.status, "Let triage use Gmail for you?" in page.text) == (200, True)
    assert ticked(page) == ["gmail.list_unread"]
    assert dict(page.sheet().fields)["lasts"] == "8 hours"
    others = len(street.town.house.ground.catalog.connectors["gmail"].tools) - 1
    more = f"Let it do more ({others})"
    for words in ("List unread", "reads", more, "Send message", "changes", "gmail.readonly"):
        assert words in page.text
    assert "another 10 minutes" in page.text
    assert "What triage never sees" in page.text


async def test_its_form_may_lead_to_the_provider_and_to_no_other_place(street: Street, anas: Browser) -> None:
    page = await anas.open(street.page(await street.ask()))
    policy = page.response.headers["content-security-policy"]
    assert policy.endswith(f"form-action 'self' {street.town.sandbox.base_url}")


async def test_somebody_who_is_not_signed_in_signs_in_first(street: Street, browser: Browser) -> None:
    path = street.page(await street.ask())
    sent = await browser.open(path)
    assert (sent.status, sent.location) == (303, f"/signin?return_to={path.replace('/', '%2F')}")
    page = await browser.follow(sent)
    assert "An agent asks for something." in page.text
    right = {"name": "ana", "password": PASSWORD}
    assert "Let triage use Gmail" in (await browser.follow(await browser.send(page, right))).text


async def test_somebody_else_is_turned_away_and_learns_nothing(street: Street, bens: Browser) -> None:
    request = await street.ask()
    before = await street.everything()
    seen = await bens.open(street.page(request))
    assert (seen.status, "This link is for somebody else" in seen.text) == (403, True)
    assert not {"ana", "ben", "triage", "Gmail", "gmail"} & set(seen.text.replace(".", " ").split())
    assert await street.everything() == before


async def test_somebody_elses_form_is_turned_away(street: Street, bens: Browser) -> None:
    request = await street.ask()
    stamp = dict((await bens.open("/mine")).sheet("/signout").fields)["stamp"]
    fields = [("stamp", stamp), ("tool", "gmail.list_unread"), ("lasts", "1 hour"), ("decision", "allow")]
    for answer in (*fields[:3], ("decision", "deny")), fields:
        seen = await bens.post(street.page(request), [*answer, ("password", PASSWORD)])
        assert seen.status == 403
    assert await street.state(request) == "open"


async def test_the_one_turned_away_can_sign_in_as_somebody_else(street: Street, bens: Browser) -> None:
    request = await street.ask()
    seen = await bens.open(street.page(request))
    (sheet,) = seen.sheets
    page = await bens.follow(await bens.post("/signout", sheet.fields))
    right = {"name": "ana", "password": PASSWORD}
    assert "Let triage use Gmail" in (await bens.follow(await bens.send(page, right))).text


@pytest.mark.parametrize(
    "change", [str.lower, str.swapcase, lambda h: h[:-4], lambda h: h + "A", lambda h: "A" * 43]
)
async def test_a_changed_handle_is_nothing(street: Street, anas: Browser, change: object) -> None:
    handle = street.page(await street.ask()).removeprefix("/connect/")
    changed = change(handle)  # type: ignore[operator]  # each is a function of a string
    assert (await anas.open(f"/connect/{changed}")).status == 404


async def test_opening_it_changes_nothing(street: Street, anas: Browser) -> None:
    request = await street.ask()
    before = await street.everything()
    for _ in range(3):
        await anas.open(street.page(request))
    assert await street.everything() == before


async def test_a_wrong_password_shows_it_again_with_every_choice(street: Street, anas: Browser) -> None:
    request = await street.ask()
    tools = ["gmail.list_unread", "gmail.send_message"]
    seen = await street.allow(anas, request, tool=tools, lasts="30 days", password="wrong")
    assert (seen.status, "This is not your password." in seen.text) == (403, True)
    assert ticked(seen) == tools
    fields = dict(seen.sheet().fields)
    assert (fields["lasts"], fields["password"]) == ("30 days", "")
    assert await street.state(request) == "open"
    assert await street.events("person.sign_in_failed") == 1


async def test_guessing_passwords_here_is_as_slow_as_at_the_door(street: Street, anas: Browser) -> None:
    page = await anas.open(street.page(await street.ask()))
    wrong = {"password": "wrong", "decision": "allow"}
    assert [(await anas.send(page, wrong)).status for _ in range(6)] == [403] * 5 + [429]


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"tool": []}, "Tick at least one thing"),
        ({"lasts": "for ever"}, "Choose for how long."),
        ({"lasts": []}, "Choose"),
    ],
)
async def test_a_choice_that_is_none_is_explained(
    street: Street, anas: Browser, changed: dict[str, str | list[str]], said: str
) -> None:
    seen = await street.allow(anas, request := await street.ask(), **changed)
    assert (seen.status, said in seen.text) == (422, True)
    assert await street.state(request) == "open"


async def test_a_tool_that_was_not_on_the_page_cannot_be_ticked(street: Street, anas: Browser) -> None:
    seen = await street.allow(anas, request := await street.ask(), tool=["slack.post_message"])
    assert seen.status == 400
    assert await street.state(request) == "open"


async def test_a_yes_leads_to_the_provider_and_only_now_is_there_a_flow(
    street: Street, anas: Browser
) -> None:
    seen = await street.allow(anas, request := await street.ask())
    assert seen.status == 303
    assert seen.location.startswith(f"{street.town.sandbox.base_url}/o/oauth2/v2/auth?")
    assert "code_challenge_method=S256" in seen.location
    rows = (await street.everything())["flows"]
    assert [row[0] for row in rows] == [request.id]


async def test_a_no_needs_no_password_and_is_final(street: Street, anas: Browser) -> None:
    request = await street.ask()
    page = await anas.open(street.page(request))
    seen = await anas.follow(await anas.send(page, {"decision": "deny", "password": "", "tool": []}))
    assert (seen.status, "You said no" in seen.text) == (200, True)
    assert await street.state(request) == "declined"
    late = await anas.send(page, {"decision": "allow", "password": PASSWORD})
    assert "You said no" in late.text


async def test_a_late_one_says_how_to_get_another(street: Street, anas: Browser) -> None:
    request = await street.ask()
    page = await anas.open(street.page(request))
    street.town.clock.advance(10 * MINUTE)
    seen = await anas.open(street.page(request))
    assert (seen.status, "Ask your agent to try again" in seen.text) == (410, True)
    assert (await anas.send(page, {"decision": "allow", "password": PASSWORD})).status == 410


async def test_where_only_a_grant_is_missing_there_is_no_trip(street: Street, anas: Browser) -> None:
    connection = await street.connect(anas, await street.ask())
    more = await street.ask(
        "gmail.get_message", outcome=Outcome.NOT_GRANTED, connection=connection.id, agent="helper"
    )
    page = await anas.open(street.page(more))
    assert f"With your account {EMAIL}" in page.text
    assert "Next you are asked to agree" not in page.text
    seen = await anas.follow(await street.allow(anas, more, lasts="1 hour"))
    assert (seen.status, "You can go back to your agent." in seen.text) == (200, True)
    (newest, _) = await street.town.house.grants.of(street.ana.principal)
    assert newest.tools == {"gmail.get_message"}
    assert newest.until == street.town.clock.now() + HOUR


async def test_more_than_the_connection_covers_takes_a_trip_after_all(street: Street, anas: Browser) -> None:
    connection = await street.connect(anas, await street.ask())
    more = await street.ask(
        "gmail.get_message", outcome=Outcome.NOT_GRANTED, connection=connection.id, agent="helper"
    )
    page = await anas.open(street.page(more))
    assert street.town.sandbox.base_url in page.response.headers["content-security-policy"]
    seen = await street.allow(anas, more, tool=["gmail.get_message", "gmail.send_message"])
    assert seen.location.startswith(street.town.sandbox.base_url)


async def test_where_nothing_is_registered_the_page_says_so(street: Street, anas: Browser) -> None:
    async with street.town.house.ground.store.transaction() as tx:
        await tx.run("DELETE FROM registrations WHERE provider = 'slack'")
    seen = await street.allow(anas, await street.ask("slack.post_message"))
    assert (seen.status, "Not set up yet" in seen.text) == (503, True)


async def test_what_destroys_is_ticked_by_the_person_alone(street: Street, anas: Browser) -> None:
    request = await street.ask("gmail.trash_message")
    page = await anas.open(street.page(request))
    assert ticked(page) == []
    assert "deletes" in page.text
    forgotten = await anas.send(page, {"password": PASSWORD, "decision": "allow"})
    assert (forgotten.status, "Tick at least one thing" in forgotten.text) == (422, True)
    assert (await street.allow(anas, request, tool=["gmail.trash_message"])).status == 303


async def test_what_more_it_could_do_is_listed_with_what_deletes_last(street: Street, anas: Browser) -> None:
    page = await anas.open(street.page(await street.ask()))
    badges = re.findall(r'class="effect (\w+)"', page.response.text)
    order = [str(effect) for effect in EFFECTS]
    assert badges == sorted(badges, key=order.index)
    assert set(badges) == set(order)


def test_how_long_is_what_the_design_says() -> None:
    assert list(LASTS) == ["1 hour", "8 hours", "30 days", "until I revoke"]
