"""Signing in and out: names, passwords, cookies that are replaced, and what the audit says of it."""

import json

import pytest

from tests.pages.browser import Browser
from tests.support.town import PASSWORD
from tests.web.conftest import Street
from valetkey.model import DAY, MINUTE
from valetkey.vault import Purpose


async def cookie(browser: Browser) -> str:
    port = browser.url.rpartition(":")[2]
    return browser.http.cookies.get(f"vk-{port}") or ""


async def test_the_right_name_and_password_lead_to_the_persons_page(street: Street, browser: Browser) -> None:
    seen = await street.sign_in(browser)
    assert (seen.status, "Hello, ana" in seen.text) == (200, True)
    assert await street.events("person.signed_in") == 1


@pytest.mark.parametrize(
    ("name", "password"), [("ana", "wrong"), ("nobody", PASSWORD), ("", ""), ("ana\n", "x")]
)
async def test_a_wrong_name_or_password_says_the_same_and_keeps_the_name(
    street: Street, browser: Browser, name: str, password: str
) -> None:
    page = await browser.open("/signin?return_to=/mine")
    seen = await browser.send(page, {"name": name, "password": password})
    assert (seen.status, await cookie(browser)) == (403, "")
    assert "Name and password do not match." in seen.text
    kept = dict(seen.sheet().fields)
    assert (kept["name"], kept["return_to"], kept["password"]) == (name.strip(), "/mine", "")


async def test_a_failed_sign_in_is_recorded_without_the_name_in_clear(
    street: Street, browser: Browser
) -> None:
    await browser.send(await browser.open("/signin"), {"name": "Ana", "password": "wrong"})
    ground = street.town.house.ground
    row = await ground.store.one("SELECT id, core FROM audit WHERE kind = 'person.sign_in_failed'")
    assert row is not None
    core = json.loads(row["core"])
    assert (core["by"], core["principal"]) == ("person", None)
    assert core["facts"] == {"name": ground.keys.server(Purpose.LOOKUP).digest("name ana")}
    sealed = (await ground.vault.open(ground.store, "audit", row["id"])).content
    assert "Ana" in str(sealed)


async def test_after_five_wrong_passwords_even_the_right_one_waits(street: Street, browser: Browser) -> None:
    page = await browser.open("/signin")
    for _ in range(5):
        assert (await browser.send(page, {"name": "ana", "password": "wrong"})).status == 403
    seen = await browser.send(page, {"name": "ana", "password": PASSWORD})
    assert (seen.status, "Try again in" in seen.text) == (429, True)
    assert dict(seen.sheet().fields)["name"] == "ana"
    street.town.clock.advance(MINUTE)
    assert (await browser.send(page, {"name": "ana", "password": PASSWORD})).status == 303


async def test_a_planted_cookie_does_not_become_the_victims_session(street: Street, bens: Browser) -> None:
    """An attacker's own live session is in the browser when the person signs in there."""
    planted = await cookie(bens)
    # /signin shows no form to somebody who is signed in, so the form is the one of the attacker's session.
    stamp = dict((await bens.open("/mine")).sheet("/signout").fields)["stamp"]
    fields = [("stamp", stamp), ("name", "ana"), ("password", PASSWORD), ("return_to", "/mine")]
    signed = await bens.post("/signin", fields)
    assert signed.status == 303
    assert await cookie(bens) not in {"", planted}
    assert "Hello, ana" in (await bens.open("/mine")).text
    async with Browser(url=street.town.url) as attackers:
        attackers.http.headers["Cookie"] = f"vk-{attackers.url.rpartition(':')[2]}={planted}"
        assert (await attackers.open("/mine")).status == 303


async def test_a_session_ends_at_sign_out_everywhere_it_is_known(street: Street, anas: Browser) -> None:
    secret = await cookie(anas)
    page = await anas.open("/mine")
    out = await anas.send(page, to="/signout")
    assert (out.status, out.location, await cookie(anas)) == (303, "/signin", "")
    async with Browser(url=street.town.url) as copied:
        copied.http.headers["Cookie"] = f"vk-{copied.url.rpartition(':')[2]}={secret}"
        assert (await copied.open("/mine")).location == "/signin?return_to=%2Fmine"
    assert await street.events("person.signed_out") == 1


async def test_a_session_ends_after_seven_days(street: Street, anas: Browser) -> None:
    street.town.clock.advance(7 * DAY - 1)
    assert (await anas.open("/mine")).status == 200
    street.town.clock.advance(1)
    assert (await anas.open("/mine")).status == 303


@pytest.mark.parametrize(
    ("wanted", "led"), [("/mine", "/mine"), ("//evil.example", "/"), ("https:evil.example", "/")]
)
async def test_signing_in_leads_to_a_path_of_ours(
    street: Street, browser: Browser, wanted: str, led: str
) -> None:
    page = await browser.open("/signin")
    right = {"name": "ana", "password": PASSWORD, "return_to": wanted}
    assert (await browser.send(page, right)).location == led
    assert (await browser.http.get("/signin", params={"return_to": wanted})).headers["location"] == led
