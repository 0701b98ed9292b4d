"""Invitations: opened by the one who has the link, used up by a password, and then gone."""

import pytest

from tests.pages.browser import Browser
from tests.web.conftest import Street
from valetkey.model import DAY

NEW = "a sentence of my own"


@pytest.fixture
async def invitation(street: Street) -> str:
    """The path of Cleo's invitation."""
    house = street.town.house
    async with house.ground.store.transaction() as tx:
        secret = await house.accounts.invite(tx, await house.accounts.add(tx, "cleo"))
    return f"/join/{secret}"


async def test_an_invited_person_sets_a_password_and_is_signed_in(
    street: Street, browser: Browser, invitation: str
) -> None:
    page = await browser.open(invitation)
    assert "Welcome, cleo" in page.text
    assert "Hello, cleo" in (await browser.follow(await browser.send(page, {"password": NEW}))).text
    assert await street.events("person.joined") == 1
    assert await street.town.house.accounts.sign_in("cleo", NEW) is not None


@pytest.mark.parametrize("password", ["", "too short", "x" * 1001])
async def test_a_password_that_cannot_be_is_explained_and_uses_nothing_up(
    browser: Browser, invitation: str, password: str
) -> None:
    page = await browser.open(invitation)
    seen = await browser.send(page, {"password": password})
    assert (seen.status, "A password has 12 to 1000 characters" in seen.text) == (422, True)
    assert (await browser.send(seen, {"password": NEW})).status == 303


async def test_opening_an_invitation_changes_nothing(
    street: Street, browser: Browser, invitation: str
) -> None:
    before = await street.everything()
    await browser.open(invitation)
    assert await street.everything() == before


async def test_a_used_a_late_and_an_invented_invitation_look_the_same(
    street: Street, browser: Browser, invitation: str
) -> None:
    page = await browser.open(invitation)
    await browser.send(page, {"password": NEW})
    used = await browser.open(invitation)
    invented = await browser.open("/join/invented")
    house = street.town.house
    async with house.ground.store.transaction() as tx:
        late = await house.accounts.invite(tx, await house.accounts.add(tx, "dora"))
    street.town.clock.advance(7 * DAY)
    too_late = await browser.open(f"/join/{late}")
    assert used.status == 404
    assert used.response.text == invented.response.text == too_late.response.text


async def test_an_invitation_is_used_once(browser: Browser, street: Street, invitation: str) -> None:
    async with Browser(url=street.town.url) as other:
        first, second = await browser.open(invitation), await other.open(invitation)
        assert (await browser.send(first, {"password": NEW})).status == 303
        assert (await other.send(second, {"password": "another sentence"})).status == 404
    assert await street.town.house.accounts.sign_in("cleo", "another sentence") is None
