"""Notices: an address is given with a proof, proved by a code, changed, removed, and the old one is told."""

import re
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.pages.browser import Browser, Seen
from tests.support.mailbox import Mailbox, mailbox
from tests.support.town import PASSWORD, town
from tests.web.conftest import Street

PATH, ADDRESS, OTHER = "/mine/notices", "ana@example.com", "ana@example.org"
SMTP = """
[notify.smtp]
host = "127.0.0.1"
port = {port}
security = "none"
sender = "valetkey@example.com"
"""


@pytest.fixture
async def box() -> AsyncIterator[Mailbox]:
    async with mailbox() as opened:
        yield opened


@pytest.fixture
async def street(tmp_path: Path, box: Mailbox) -> AsyncIterator[Street]:
    async with town(tmp_path, more=SMTP.format(port=box.port)) as here:
        yield Street(here, await here.person("ana"), await here.person("ben"))


def code(box: Mailbox, address: str = ADDRESS) -> str:
    """The code in the last mail to an address."""
    (found,) = re.findall(r"\b\d{8}\b", box.to(address)[-1].get_content())
    return str(found)


async def give(browser: Browser, address: str, password: str = PASSWORD) -> Seen:
    page = await browser.open(PATH)
    return await browser.send(page, {"address": address, "password": password})


async def proved(browser: Browser, box: Mailbox, address: str = ADDRESS) -> Seen:
    asked = await browser.follow(await give(browser, address))
    return await browser.send(asked, {"code": code(box, address)})


async def used(street: Street) -> str | None:
    house = street.town.house
    given = await house.notices.addresses.of(house.ground.store, street.ana.principal)
    return given.address if given else None


async def test_an_address_is_used_once_its_code_came_back(
    street: Street, anas: Browser, box: Mailbox
) -> None:
    assert "Nobody writes to you yet" in (await anas.open("/mine")).text
    asked = await anas.follow(await give(anas, ADDRESS))
    assert f"It was sent to {ADDRESS}" in asked.text
    assert await used(street) is None
    done = await anas.send(asked, {"code": code(box)})
    assert "The address is yours" in done.text
    assert await used(street) == ADDRESS
    assert f"You are written to at {ADDRESS}" in (await anas.open("/mine")).text


@pytest.mark.parametrize("password", ["", "wrong password here"])
async def test_a_cookie_alone_gives_and_removes_no_address(
    street: Street, anas: Browser, box: Mailbox, password: str
) -> None:
    await proved(anas, box)
    for address in (OTHER, ""):
        assert (await give(anas, address, password)).status == 403
    assert await used(street) == ADDRESS
    assert box.to(OTHER) == []


async def test_the_address_before_is_told_that_another_was_given(
    street: Street, anas: Browser, box: Mailbox
) -> None:
    await proved(anas, box)
    await proved(anas, box, OTHER)
    assert await used(street) == OTHER
    assert "no longer used for notices" in box.to(ADDRESS)[-1].get_content()


async def test_left_empty_it_is_removed_and_told(street: Street, anas: Browser, box: Mailbox) -> None:
    await proved(anas, box)
    removed = await give(anas, "")
    assert "Nobody writes to you" in removed.text
    assert await used(street) is None
    assert "no longer used for notices" in box.to(ADDRESS)[-1].get_content()


async def test_a_wrong_code_is_said_and_the_right_one_still_holds(
    street: Street, anas: Browser, box: Mailbox
) -> None:
    asked = await anas.follow(await give(anas, ADDRESS))
    wrong = await anas.send(asked, {"code": "1"})
    assert (wrong.status, "This is not the code" in wrong.text) == (422, True)
    assert "The address is yours" in (await anas.send(wrong, {"code": code(box)})).text


async def test_what_is_no_address_is_said_and_nothing_is_sent(anas: Browser, box: Mailbox) -> None:
    page = await give(anas, "ana at example")
    assert (page.status, "not an e-mail address" in page.text) == (422, True)
    assert box.taken == []


async def test_a_mail_server_that_does_not_take_the_code_is_said(anas: Browser, box: Mailbox) -> None:
    box.refuses = "550 nobody here"
    page = await give(anas, ADDRESS)
    assert (page.status, "could not be sent" in page.text) == (422, True)


async def test_somebody_elses_code_is_worth_nothing(
    street: Street, anas: Browser, bens: Browser, box: Mailbox
) -> None:
    await give(anas, ADDRESS)
    asked = await bens.follow(await give(bens, "ben@example.com"))
    assert (await bens.send(asked, {"code": code(box)})).status == 422


async def test_without_a_code_on_its_way_there_is_nothing_to_type(anas: Browser) -> None:
    assert (await anas.open(f"{PATH}/code")).location == PATH


async def test_a_server_that_writes_to_nobody_says_so(tmp_path: Path) -> None:
    async with town(tmp_path) as here, Browser(url=here.url) as browser:
        street = Street(here, await here.person("ana"), await here.person("ben"))
        await street.sign_in(browser)
        assert "When something here needs you" not in (await browser.open("/mine")).text
        page = await browser.open(PATH)
        assert "This server writes to nobody" in page.text
        stamp = page.sheet("/signout").fields
        assert (
            await browser.post(PATH, [*stamp, ("address", ADDRESS), ("password", PASSWORD)])
        ).status == 404
