"""Sign-in and sessions: what is listed there, that what is ended has ended, and how one signs in anew."""

import json

import pytest

from tests.pages.browser import Browser
from tests.support.town import PASSWORD
from tests.web.conftest import Street
from valetkey.model import DAY, HOUR
from valetkey.people import Session

PATH, NEW = "/mine/sessions", "quite another password"
FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"


async def client(street: Street, name: str = "Claude Code") -> Session:
    """A client that Ana has signed in."""
    house = street.town.house
    async with house.ground.store.transaction() as tx:
        agent = await house.agents.named(tx, "claude")
        return await house.sessions.start_client(
            tx, street.ana.principal, agent.id, 30 * DAY, scopes=("mcp",), resource=None, label=name
        )


async def live(street: Street) -> list[Session]:
    return await street.town.house.sessions.of(street.town.house.ground.store, street.ana.principal)


async def facts(street: Street, kind: str) -> list[dict[str, object]]:
    """What the audit holds of each event of a kind."""
    rows = await street.town.house.ground.store.all(
        "SELECT core FROM audit WHERE kind = $1 ORDER BY seq", kind
    )
    return [json.loads(row["core"])["facts"] for row in rows]


async def test_it_lists_browsers_clients_and_tokens_each_with_its_times(street: Street) -> None:
    await client(street)
    await street.town.token(street.ana, "triage", HOUR)
    async with Browser(url=street.town.url) as firefox:
        firefox.http.headers["User-Agent"] = FIREFOX
        await street.sign_in(firefox)
        text = (await firefox.open(PATH)).text
    for words in (
        "Firefox on Linux",
        "this one",
        "Since 4 Oct 2024, 00:00 UTC Ends 11 Oct 2024, 00:00 UTC",
        "Claude Code",
        "Signed in by you Since 4 Oct 2024, 00:00 UTC Ends 3 Nov 2024, 00:00 UTC",
        "triage",
        "With a token from the operator Since",
        "With your name, ana",
    ):
        assert words in text


async def test_somebody_elses_sessions_are_not_there_and_cannot_be_ended(
    street: Street, bens: Browser
) -> None:
    hers = await client(street)
    page = await bens.open(PATH)
    assert "No client is signed in for you." in page.text
    stamp = page.sheet("/signout").fields
    foreign = await bens.post(PATH, [*stamp, ("end", hers.id)])
    invented = await bens.post(PATH, [*stamp, ("end", f"{hers.id[:-4]}0000")])
    nothing = await bens.post(PATH, stamp)
    assert {foreign.status, invented.status, nothing.status} == {404}
    assert foreign.response.text == invented.response.text
    assert await live(street) == [hers]


async def test_a_client_that_is_ended_has_no_further_call(street: Street, anas: Browser) -> None:
    token = await street.town.token(street.ana)
    (session,) = [one for one in await live(street) if one.kind == "token"]
    async with street.town.client(token) as agent:
        assert await agent.list_tools()
    stamp = (await anas.open(PATH)).sheet("/signout").fields
    ended = await anas.post(PATH, [*stamp, ("end", session.id)])
    assert (ended.status, ended.location) == (303, PATH)
    async with street.town.another() as elsewhere:
        assert await elsewhere.house.sessions.read(session.id) is None
    assert await facts(street, "session.ended") == [{"session": session.id, "kind": "token"}]


async def test_another_browser_is_signed_out_and_this_one_stays(
    street: Street, anas: Browser, browser: Browser
) -> None:
    street.town.clock.advance(1)  # the newest is listed first
    await street.sign_in(browser)
    page = await anas.open(PATH)
    (other,) = [one.id for one in await live(street) if f'value="{one.id}"' in page.response.text][:1]
    stamp = page.sheet("/signout").fields
    await anas.post(PATH, [*stamp, ("end", other)])
    assert [(await one.open(PATH)).status for one in (anas, browser)] == [200, 303]


async def test_ending_the_one_that_looks_is_signing_out(street: Street, anas: Browser) -> None:
    (mine,) = await live(street)
    stamp = (await anas.open(PATH)).sheet("/signout").fields
    out = await anas.post(PATH, [*stamp, ("end", mine.id)])
    assert (out.status, out.location) == (303, "/signin")
    assert await live(street) == []


async def test_all_browsers_or_all_clients_end_at_once(
    street: Street, anas: Browser, browser: Browser
) -> None:
    await street.sign_in(browser)
    for _ in range(2):
        await client(street)
    stamp = (await anas.open(PATH)).sheet("/signout").fields
    await anas.post(PATH, [*stamp, ("end", "clients")])
    assert {one.kind for one in await live(street)} == {"browser"}
    assert await street.events("session.ended") == 2
    await anas.post(PATH, [*stamp, ("end", "browsers")])
    assert await live(street) == []


async def test_a_new_password_takes_the_old_one_and_signs_out_every_other_browser(
    street: Street, anas: Browser, browser: Browser
) -> None:
    await street.sign_in(browser)
    agents = await client(street)
    page = await anas.open(PATH)
    done = await anas.send(page, {"password": PASSWORD, "new": NEW}, to="/mine/password")
    assert (done.status, "Your password is set" in done.text) == (200, True)
    assert [(await one.open(PATH)).status for one in (anas, browser)] == [200, 303]
    assert agents in await live(street)
    accounts = street.town.house.accounts
    assert [await accounts.sign_in("ana", one) is not None for one in (PASSWORD, NEW)] == [False, True]
    assert await street.events("password.changed") == 1


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ("not her password", NEW, "This is not your password."),
        ("", NEW, "This is not your password."),
        (PASSWORD, "short", "A password has 12 to 1000 characters"),
    ],
)
async def test_a_password_that_is_wrong_or_cannot_be_changes_nothing(
    street: Street, anas: Browser, old: str, new: str, says: str
) -> None:
    page = await anas.open(PATH)
    seen = await anas.send(page, {"password": old, "new": new}, to="/mine/password")
    assert (seen.status in {403, 422}, says in seen.text) == (True, True)
    assert await street.town.house.accounts.sign_in("ana", PASSWORD) is not None


async def test_she_sees_that_somebody_was_guessing_also_after_signing_in(
    street: Street, browser: Browser
) -> None:
    page = await browser.open("/signin")
    for _ in range(6):
        await browser.send(page, {"name": "ana", "password": "wrong"})
        street.town.clock.advance(HOUR)
    await street.sign_in(browser)
    text = (await browser.open(PATH)).text
    assert "6 wrong passwords were tried for your name since 4 Oct 2024, 00:00 UTC" in text
    assert [one["count"] for one in await facts(street, "person.sign_in_slowed")] == [5, 6]
    assert await facts(street, "person.signed_in") == [
        {"session": (await live(street))[0].id, "way": "password"}
    ]


async def test_guessing_at_a_name_nobody_has_is_reported_and_is_nobodys(
    street: Street, browser: Browser
) -> None:
    page = await browser.open("/signin")
    for _ in range(5):
        await browser.send(page, {"name": "nobody", "password": "wrong"})
    row = await street.town.house.ground.store.one("SELECT * FROM audit WHERE kind = 'person.sign_in_slowed'")
    assert row is not None
    assert (row["subject"], "nobody" in row["core"].decode()) == (None, False)


async def test_wrong_proofs_on_a_page_count_as_guessing_too(street: Street, anas: Browser) -> None:
    page = await anas.open(street.page(await street.ask()))
    for _ in range(5):
        await anas.send(page, {"password": "wrong", "decision": "allow"})
    assert "5 wrong passwords" in (await anas.open(PATH)).text
    assert [one["count"] for one in await facts(street, "person.sign_in_slowed")] == [5]


async def test_nobody_signs_in_by_what_everybody_knows(street: Street, browser: Browser) -> None:
    """There is no account that nobody made, and none with a password that nobody chose."""
    for name in ("admin", "root", "owner", "valetkey", "operator", "local"):
        page = await browser.open("/signin")
        for password in ("", name, "password", "admin", "changeme"):
            assert (await browser.send(page, {"name": name, "password": password})).status == 403
