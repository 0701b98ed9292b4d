"""Passkeys on the pages: added after a proof, signed in with, given as the proof, and removed."""

import html
import re

import pytest

from tests.pages.browser import Browser, Seen
from tests.support.authenticator import Authenticator
from tests.support.town import PASSWORD
from tests.web.conftest import Street
from valetkey.model import MINUTE

PATH, ADD = "/mine/sessions", "/mine/passkeys/new"


def options(page: Seen, kind: str = "get") -> str:
    """What the page's script would hand to the browser."""
    (found,) = re.findall(rf'data-passkey="{kind}" data-options="([^"]*)"', page.response.text)
    return html.unescape(found)


@pytest.fixture
def device(street: Street) -> Authenticator:
    return Authenticator(street.town.url)


async def add(browser: Browser, device: Authenticator, name: str = "Her key") -> Seen:
    """Add a passkey, as the page says it."""
    proof = await browser.send(await browser.open(ADD), {"password": PASSWORD})
    page = await browser.follow(proof)
    return await browser.send(page, {"name": name, "passkey": device.make(options(page, "create"))})


@pytest.fixture
async def hers(anas: Browser, device: Authenticator) -> Authenticator:
    """The device whose passkey Ana has added."""
    assert (await add(anas, device)).location == PATH
    return device


async def test_a_passkey_is_added_after_her_password_and_listed(
    street: Street, anas: Browser, hers: Authenticator
) -> None:
    text = (await anas.open(PATH)).text
    assert "Her key" in text
    assert "added 4 Oct 2024, 00:00 UTC and not used yet" in text
    assert await street.events("passkey.added") == 1


async def test_without_her_password_none_is_offered_and_none_is_taken(
    street: Street, anas: Browser, device: Authenticator
) -> None:
    page = await anas.open(ADD)
    assert 'data-passkey="create"' not in page.response.text
    refused = await anas.send(page, {"password": "not her password"})
    assert (refused.status, "This is not your password." in refused.text) == (403, True)
    offered = await street.town.house.passkeys.offered(
        street.town.house.ground.store, street.ana.principal, "ana", "new passkey"
    )
    assert (await anas.send(page, {"name": "x", "passkey": device.make(offered)})).status == 403
    assert await street.town.house.passkeys.all(street.town.house.ground.store, street.ana.principal) == []


async def test_her_password_counts_for_two_minutes(
    street: Street, anas: Browser, device: Authenticator
) -> None:
    page = await anas.follow(await anas.send(await anas.open(ADD), {"password": PASSWORD}))
    street.town.clock.advance(2 * MINUTE)
    made = device.make(options(page, "create"))
    assert (await anas.send(page, {"name": "x", "passkey": made})).status == 403


async def test_she_signs_in_with_it_and_gives_no_name(
    street: Street, browser: Browser, hers: Authenticator
) -> None:
    page = await browser.open("/signin?return_to=/mine/sessions")
    sent = await browser.send(page, {"passkey": hers.sign(options(page))})
    assert (sent.status, sent.location) == (303, PATH)
    assert "last used 4 Oct 2024, 00:00 UTC" in (await browser.follow(sent)).text


async def test_what_was_signed_in_one_browser_signs_nobody_in_in_another(
    street: Street, browser: Browser, hers: Authenticator
) -> None:
    """An attacker who has the victim sign a challenge of the attacker's browser, or the other way round."""
    async with Browser(url=street.town.url) as attackers:
        page, theirs = await browser.open("/signin"), await attackers.open("/signin")
        signed = hers.sign(options(page))
        assert (await attackers.send(theirs, {"passkey": signed})).status == 403
        assert (await browser.send(page, {"passkey": signed})).status == 303
        assert (await browser.open(PATH)).status == 200


async def test_what_signed_her_in_does_not_sign_in_again(browser: Browser, hers: Authenticator) -> None:
    page = await browser.open("/signin")
    signed = hers.sign(options(page))
    stamp = page.sheet().fields
    assert (await browser.send(page, {"passkey": signed})).status == 303
    browser.http.cookies.clear()
    again = await browser.open("/signin")
    assert (await browser.send(again, {"passkey": signed})).status == 403
    assert (await browser.post("/signin", [*stamp, ("passkey", signed)])).status == 403


async def test_it_is_her_proof_where_an_agent_asks(
    street: Street, anas: Browser, hers: Authenticator
) -> None:
    page = await anas.open(street.page(await street.ask()))
    sent = await anas.send(page, {"passkey": hers.sign(options(page)), "decision": "allow"})
    assert sent.status == 303
    assert sent.location.startswith(street.town.sandbox.base_url)


async def test_what_she_signed_for_one_agents_page_allows_nothing_on_anothers(
    street: Street, anas: Browser, hers: Authenticator
) -> None:
    first = await anas.open(street.page(await street.ask()))
    second = await anas.open(street.page(await street.ask("slack.post_message", agent="other")))
    signed = hers.sign(options(first))
    refused = await anas.send(second, {"passkey": signed, "decision": "allow"})
    assert (refused.status, "for another page" in refused.text) == (403, True)
    assert (await anas.send(first, {"passkey": signed, "decision": "allow"})).status == 303
    assert (await anas.send(first, {"passkey": signed, "decision": "allow"})).status == 403


async def test_somebody_elses_passkey_is_not_her_proof(
    street: Street, anas: Browser, bens: Browser, hers: Authenticator
) -> None:
    his = Authenticator(street.town.url)
    await add(bens, his)
    page = await anas.open(street.page(await street.ask()))
    refused = await anas.send(page, {"passkey": his.sign(options(page)), "decision": "allow"})
    assert (refused.status, "not known here" in refused.text) == (403, True)


async def test_a_proof_that_is_refused_keeps_what_she_chose_and_can_be_given_again(
    street: Street, anas: Browser, hers: Authenticator
) -> None:
    page = await anas.open(street.page(await street.ask()))
    tools = ["gmail.list_unread", "gmail.get_message"]
    chosen: dict[str, str | list[str]] = {"decision": "allow", "lasts": "1 hour", "tool": tools}
    refused = await anas.send(page, {**chosen, "passkey": "{}"})
    assert refused.status == 403
    assert ("lasts", "1 hour") in refused.sheet().fields
    assert (await anas.send(refused, {**chosen, "passkey": hers.sign(options(refused))})).status == 303


async def test_a_copy_is_refused_and_on_record(street: Street, browser: Browser, hers: Authenticator) -> None:
    async with Browser(url=street.town.url) as first:
        page = await first.open("/signin")
        await first.send(page, {"passkey": hers.sign(options(page))})
    hers.count = 0
    page = await browser.open("/signin")
    refused = await browser.send(page, {"passkey": hers.sign(options(page))})
    assert (refused.status, "seems to exist twice" in refused.text) == (403, True)
    assert await street.events("passkey.copied") == 1


async def test_her_only_way_in_stays_until_there_is_another(
    street: Street, browser: Browser, device: Authenticator
) -> None:
    house = street.town.house
    async with house.ground.store.transaction() as tx:
        secret = await house.accounts.invite(tx, await house.accounts.add(tx, "cleo"))
    page = await browser.open(f"/join/{secret}")
    joined = await browser.send(page, {"passkey": device.make(options(page, "create"))})
    assert joined.status == 303
    page = await browser.open(PATH)
    assert "This is your only way to sign in." in page.text
    cleo = await house.accounts.named(house.ground.store, "cleo")
    (only,) = await house.passkeys.here(house.ground.store, cleo.principal)
    remove = f"/mine/passkeys/{only.id}/remove"
    assert (await browser.send(page, to=remove)).status == 404
    signed = device.sign(options(page))
    set_now = await browser.send(page, {"new": "a sentence of hers", "passkey": signed}, to="/mine/password")
    assert (set_now.status, "Your password is set" in set_now.text) == (200, True)
    assert (await browser.send(await browser.open(PATH), to=remove)).location == PATH
    assert await street.events("passkey.removed") == 1


async def test_somebody_elses_passkey_looks_like_one_that_is_not(
    street: Street, bens: Browser, hers: Authenticator
) -> None:
    (one,) = await street.town.house.passkeys.here(street.town.house.ground.store, street.ana.principal)
    stamp = (await bens.open(PATH)).sheet("/signout").fields
    foreign = await bens.post(f"/mine/passkeys/{one.id}/remove", stamp)
    invented = await bens.post(f"/mine/passkeys/{one.id[:-4]}0000/remove", stamp)
    assert (foreign.status, foreign.response.text) == (404, invented.response.text)
    assert await street.town.house.passkeys.here(street.town.house.ground.store, street.ana.principal) == [
        one
    ]


async def test_an_invitation_is_not_used_up_by_a_passkey_that_cannot_be(
    street: Street, browser: Browser, device: Authenticator
) -> None:
    house = street.town.house
    async with house.ground.store.transaction() as tx:
        secret = await house.accounts.invite(tx, await house.accounts.add(tx, "cleo"))
    page = await browser.open(f"/join/{secret}")
    device.host = "evil.example"
    assert (await browser.send(page, {"passkey": device.make(options(page, "create"))})).status == 403
    assert (await browser.open(f"/join/{secret}")).status == 200


async def test_who_is_invited_anew_begins_anew(street: Street, anas: Browser, hers: Authenticator) -> None:
    """The way back after a lost device, or a new name of the server: the link replaces every way in."""
    house = street.town.house
    async with house.ground.store.transaction() as tx:
        secret = await house.accounts.invite(tx, street.ana)
    async with Browser(url=street.town.url) as new:
        page = await new.open(f"/join/{secret}")
        assert "Welcome back, ana" in page.text
        assert "replaces every password and passkey" in page.text
        fresh = Authenticator(street.town.url)
        assert (await new.send(page, {"passkey": fresh.make(options(page, "create"))})).status == 303
        assert (await anas.open(PATH)).status == 303
        assert await house.accounts.sign_in("ana", PASSWORD) is None
    async with Browser(url=street.town.url) as again:
        page = await again.open("/signin")
        assert (await again.send(page, {"passkey": hers.sign(options(page))})).status == 403
        page = await again.open("/signin")
        assert (await again.send(page, {"passkey": fresh.sign(options(page))})).status == 303
