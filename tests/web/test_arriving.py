"""The way back from a provider: who may bring a code, and whose account it is."""

import pytest

from tests.pages.browser import Browser
from tests.support.town import PASSWORD
from tests.web.conftest import EMAIL, Street
from valetkey.model import MINUTE, ConnectionState, Outcome


def redeemed(street: Street) -> int:
    """Token requests that the provider has seen: its own count."""
    return street.town.sandbox.google.counters.token_requests.total()


async def test_the_right_account_is_confirmed_without_another_password(street: Street, anas: Browser) -> None:
    page = await street.arrive(anas, request := await street.ask())
    assert (page.status, EMAIL in page.text, "Your password" in page.text) == (200, True, False)
    done = await anas.follow(await anas.send(page, {"decision": "yes"}))
    assert "You can go back to your agent. It continues by itself." in done.text
    (connection,) = await street.connections()
    assert (connection.state, connection.label) == (ConnectionState.CONNECTED, EMAIL)
    assert await street.state(request) == "met"


async def test_after_two_minutes_the_password_is_asked_again(street: Street, anas: Browser) -> None:
    request = await street.ask()
    await street.arrive(anas, request)
    street.town.clock.advance(2 * MINUTE)
    page = await anas.open(f"{street.page(request)}/confirm")
    assert "Your password" in page.text
    for wrong in ("", "wrong"):
        refused = await anas.send(page, {"decision": "yes", "password": wrong})
        assert (refused.status, "This is not your password." in refused.text) == (403, True)
    assert await street.state(request) == "open"
    assert (await anas.send(page, {"decision": "yes", "password": PASSWORD})).status == 303
    assert await street.state(request) == "met"


async def test_a_cookie_alone_does_not_confirm(street: Street, anas: Browser) -> None:
    """Somebody who drives the browser, but did not see the password being given."""
    page = await street.arrive(anas, request := await street.ask())
    async with Browser(url=street.town.url) as driven:
        session = anas.http.cookies.get(f"vk-{anas.url.rpartition(':')[2]}")
        driven.http.headers["Cookie"] = f"vk-{driven.url.rpartition(':')[2]}={session}"
        assert (await driven.send(page, {"decision": "yes"})).status == 403
    assert await street.state(request) == "open"


async def test_the_wrong_account_is_given_back_and_another_can_be_chosen(
    street: Street, anas: Browser
) -> None:
    request = await street.ask()
    page = await street.arrive(anas, request, "ben@example.com")
    assert "ben@example.com" in page.text
    back = await anas.follow(await anas.send(page, {"decision": "no"}))
    assert "Let triage use Gmail" in back.text
    assert [one.state for one in await street.connections()] == [ConnectionState.REVOKED]
    assert await street.state(request) == "open"
    assert EMAIL in (await street.arrive(anas, request)).text


async def test_another_account_than_before_is_pointed_out(street: Street, anas: Browser) -> None:
    connection = await street.connect(anas, await street.ask())
    again = await street.ask(outcome=Outcome.RECONNECT, connection=connection.id)
    page = await street.arrive(anas, again, "ben@example.com")
    assert f"Until now it was {EMAIL}." in page.text


async def test_a_yes_is_to_the_account_that_was_shown(street: Street, anas: Browser) -> None:
    request = await street.ask()
    page = await street.arrive(anas, request)
    await street.arrive(anas, request, "ben@example.com")
    seen = await anas.send(page, {"decision": "yes"})
    assert (seen.status, "Another account arrived" in seen.text, "ben@example.com" in seen.text) == (
        409,
        True,
        True,
    )
    assert await street.state(request) == "open"


async def test_a_callback_without_a_session_redeems_nothing(
    street: Street, anas: Browser, browser: Browser
) -> None:
    callback = street.consent((await street.allow(anas, await street.ask())).location)
    assert (await browser.open(callback)).status == 403
    assert redeemed(street) == 0
    assert (await anas.open(callback)).status == 303


async def test_a_callback_in_somebody_elses_browser_redeems_nothing(
    street: Street, anas: Browser, bens: Browser
) -> None:
    callback = street.consent((await street.allow(anas, await street.ask())).location)
    assert (await bens.open(callback)).status == 403
    assert redeemed(street) == 0
    assert (await anas.open(callback)).status == 303


async def test_a_callback_in_another_browser_of_the_same_person_redeems_nothing(
    street: Street, anas: Browser, browser: Browser
) -> None:
    callback = street.consent((await street.allow(anas, await street.ask())).location)
    await street.sign_in(browser)
    assert (await browser.open(callback)).status == 403
    assert redeemed(street) == 0


async def test_a_callback_counts_once(street: Street, anas: Browser) -> None:
    callback = street.consent((await street.allow(anas, await street.ask())).location)
    assert (await anas.open(callback)).status == 303
    assert (await anas.open(callback)).status == 400
    assert redeemed(street) == 1


@pytest.mark.parametrize("tail", ["/", "/x", ".", "%2f", "%2e%2e/my-google", "/../my-google", "?", ";x"])
async def test_the_callbacks_address_is_exact(street: Street, anas: Browser, tail: str) -> None:
    callback = street.consent((await street.allow(anas, await street.ask())).location)
    path, _, query = callback.partition("?")
    status = (await anas.http.get(f"{anas.url}{path}{tail}{'' if tail == '?' else '?'}{query}")).status_code
    assert status == (303 if tail in {"?", "/../my-google"} else 400 if tail in {".", ";x"} else 404)


async def test_head_redeems_nothing(street: Street, anas: Browser) -> None:
    callback = street.consent((await street.allow(anas, await street.ask())).location)
    assert (await anas.http.head(callback)).status_code == 405
    assert redeemed(street) == 0


async def test_a_no_at_the_provider_leads_back_to_the_request(street: Street, anas: Browser) -> None:
    request = await street.ask()
    sent = await street.allow(anas, request)
    seen = await anas.open(street.consent(sent.location, decision="cancel"))
    assert (seen.status, "No access was given" in seen.text) == (400, True)
    assert f'href="{street.page(request)}"' in seen.response.text
    assert await street.state(request) == "open"


@pytest.mark.parametrize(
    "text", ["<script>alert(1)</script>", "two\nlines", "\x1b[31mred", "\u202eright to left"]
)
async def test_what_a_provider_says_of_its_error_is_shown_to_nobody(
    street: Street, anas: Browser, text: str
) -> None:
    sent = await street.allow(anas, await street.ask())
    state = dict(part.split("=") for part in sent.location.partition("?")[2].split("&"))["state"]
    seen = await anas.http.get(
        "/callback/my-google", params={"error": text, "error_description": text, "state": state}
    )
    assert seen.status_code == 400
    assert "alert(1)" not in seen.text
    assert text not in seen.text


async def test_nothing_is_confirmed_where_nothing_arrived(street: Street, anas: Browser) -> None:
    seen = await anas.open(f"{street.page(await street.ask())}/confirm")
    assert (seen.status, "Nothing to confirm" in seen.text) == (404, True)
