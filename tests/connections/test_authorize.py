"""Trips to a provider and back under attack. What was redeemed is counted at the provider, not by us."""

from collections.abc import AsyncIterator
from urllib.parse import parse_qs, urlencode, urlsplit

import anyio
import pytest

from tests.support.browsing import fetched
from tests.support.town import NOTES, PASSWORD, Town, town
from valetkey.demo.person import PersonWithBrowser
from valetkey.model import MINUTE, ConnectionState
from valetkey.people import Person

ACCOUNT = "ana@example.com"


@pytest.fixture(scope="module")
async def here(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Town]:
    home = tmp_path_factory.mktemp("home")
    async with town(home, more=NOTES, clients=("google", "notes"), hold=0.02) as opened:
        yield opened


@pytest.fixture
async def ana(here: Town) -> Person:
    return await here.newcomer()


@pytest.fixture
async def browser() -> AsyncIterator[PersonWithBrowser]:
    """Ana's browser."""
    async with PersonWithBrowser() as opened:
        yield opened


@pytest.fixture
async def other() -> AsyncIterator[PersonWithBrowser]:
    """Somebody else's browser."""
    async with PersonWithBrowser() as opened:
        yield opened


def _redeemed(here: Town) -> int:
    """How many codes anybody tried to redeem, well or not."""
    counted = here.sandbox.strict.counters.token_requests
    return sum(count for (grant, _), count in counted.items() if grant == "authorization_code")


def _with(url: str, **changed: str | None) -> str:
    """A callback with some parameters changed, or left out where None."""
    head, _, query = url.partition("?")
    now: dict[str, str | None] = {name: values[0] for name, values in parse_qs(query).items()}
    kept = {name: value for name, value in (now | changed).items() if value is not None}
    return f"{head}?{urlencode(kept)}"


async def _states(here: Town, person: Person) -> list[ConnectionState]:
    return [one.state for one in await here.house.connections.rows.of(person.principal)]


async def _consented(here: Town, browser: PersonWithBrowser, person: Person) -> str:
    """Walk up to the provider and say yes there; return the callback, not yet opened."""
    await here.setting_out(browser, person)
    return here.sandbox.approve(browser.url, ACCOUNT)


STATES = [
    pytest.param({"state": None}, id="missing"),
    pytest.param({"state": ""}, id="empty"),
    pytest.param({"state": "guessed"}, id="guessed"),
    pytest.param({"iss": None}, id="no issuer"),
    pytest.param({"iss": "https://accounts.google.com"}, id="another issuer"),
    pytest.param({"iss": "https://strict.example/strict/"}, id="issuer with a slash"),
    pytest.param({"error": "access_denied"}, id="a code and an error"),
    pytest.param({"code": None}, id="neither a code nor an error"),
]


@pytest.mark.parametrize("changed", STATES)
async def test_a_wrong_callback_redeems_nothing_and_does_not_burn_the_right_one(
    here: Town, ana: Person, browser: PersonWithBrowser, changed: dict[str, str | None]
) -> None:
    callback = await _consented(here, browser, ana)
    before = _redeemed(here)
    assert (await fetched(browser, _with(callback, **changed))).status_code == 400
    assert _redeemed(here) == before
    assert await _states(here, ana) == []
    refused = [record for record in await here.records(ana) if record.kind == "callback.refused"]
    assert [record.details["status"] for record in refused] == [400]
    assert (await fetched(browser, callback)).status_code == 303
    assert _redeemed(here) == before + 1


@pytest.mark.parametrize("name", ["state", "code", "iss"])
async def test_a_parameter_that_comes_twice_is_refused(
    here: Town, ana: Person, browser: PersonWithBrowser, name: str
) -> None:
    """A server and a proxy could each read another one (RFC 6749 section 3.1)."""
    callback = await _consented(here, browser, ana)
    before = _redeemed(here)
    for twice in (f"{callback}&{name}=x", callback.replace("?", f"?{name}=x&")):
        assert (await fetched(browser, twice)).status_code == 400
    assert _redeemed(here) == before
    assert (await fetched(browser, callback)).status_code == 303


async def test_a_callback_is_good_for_ten_minutes(
    here: Town, ana: Person, browser: PersonWithBrowser
) -> None:
    callback = await _consented(here, browser, ana)
    before = _redeemed(here)
    here.clock.advance(10 * MINUTE)
    assert (await fetched(browser, callback)).status_code == 400
    assert _redeemed(here) == before


async def test_a_callback_without_the_browser_that_set_out_redeems_nothing(
    here: Town, ana: Person, browser: PersonWithBrowser, other: PersonWithBrowser
) -> None:
    callback = await _consented(here, browser, ana)
    before = _redeemed(here)
    assert (await fetched(other, callback)).status_code == 403
    await here.sign_in(other, f"{here.url}/mine", (await here.newcomer()).name)
    assert (await fetched(other, callback)).status_code == 403
    assert _redeemed(here) == before
    assert (await fetched(browser, callback)).status_code == 303


async def test_not_even_another_browser_of_the_same_person_can_bring_it_back(
    here: Town, ana: Person, browser: PersonWithBrowser, other: PersonWithBrowser
) -> None:
    callback = await _consented(here, browser, ana)
    before = _redeemed(here)
    await here.sign_in(other, f"{here.url}/mine", ana.name)
    assert (await fetched(other, callback)).status_code == 403
    assert _redeemed(here) == before


async def test_an_account_of_somebody_elses_is_never_connected_to_whoever_is_sent_there(
    here: Town, ana: Person, browser: PersonWithBrowser, other: PersonWithBrowser
) -> None:
    """Ben walks to the provider and hands Ana his callback: her agent would work in his account (O4)."""
    ben = await here.newcomer()
    await here.setting_out(other, ben)
    his = here.sandbox.approve(other.url, "ben@example.com")
    hers = await _consented(here, browser, ana)
    before = _redeemed(here)
    assert (await fetched(browser, his)).status_code == 403
    assert _redeemed(here) == before
    assert await _states(here, ana) == []
    assert (await fetched(browser, hers)).status_code == 303


async def test_a_link_opened_by_somebody_else_leads_nowhere(
    here: Town, ana: Person, browser: PersonWithBrowser, other: PersonWithBrowser
) -> None:
    """The phishing of the specification: a link is for the person whose agent was told it (O3)."""
    async with here.wire(await here.token(ana)) as agent:
        link = (await agent.call("notes.list_notes", {}))["inputRequests"]["valetkey"]["params"]["url"]
    ben = await here.newcomer()
    asked = here.sandbox.strict.counters.requests["authorize"]
    await here.sign_in(other, link, ben.name)
    reply = await fetched(other, link)
    assert reply.status_code == 403
    assert ana.name not in reply.text
    page = other.page
    posted = await other._http.post(
        link,
        data={"decision": "allow", "password": PASSWORD, "stamp": _stamp(page)},
        headers={"Origin": here.url},
    )
    assert posted.status_code == 403
    assert here.sandbox.strict.counters.requests["authorize"] == asked
    assert await _states(here, ana) == await _states(here, ben) == []


def _stamp(page: str) -> str:
    return page.partition('name="stamp" value="')[2].partition('"')[0]


async def test_a_handle_that_was_changed_or_guessed_is_nothing(
    here: Town, ana: Person, browser: PersonWithBrowser
) -> None:
    link = await here.setting_out(browser, ana)
    head, handle = link.rsplit("/", 1)
    bent = [
        handle[::-1],
        handle[:-4] + "AAAA",
        handle.swapcase(),
        handle[:20],
        handle + "A",
        "A" * 43,
        "é",
        "%00",
    ]
    for wrong in bent:
        assert (await fetched(browser, f"{head}/{wrong}")).status_code == 404, wrong
    assert (await fetched(browser, link.replace("/connect/", "/CONNECT/"))).status_code == 404
    assert (await fetched(browser, link)).status_code == 200


async def test_a_session_that_was_planted_before_signing_in_is_worth_nothing_after(
    here: Town, ana: Person, browser: PersonWithBrowser
) -> None:
    """Somebody sets Ana's cookie to one they know; after she signed in it opens nothing of hers (O5)."""
    name = f"vk-{urlsplit(here.url).port}"
    ben = await here.newcomer()
    async with here.house.ground.store.transaction() as tx:
        _, planted = await here.house.sessions.start_browser(tx, ben.principal)
    browser._http.cookies.set(name, planted, domain="localhost.local")
    await browser.open(f"{here.url}/mine")
    stamp = _stamp(browser.page)
    sent = {"stamp": stamp, "return_to": "/mine"}
    await browser._http.post(f"{here.url}/signout", data=sent, headers={"Origin": here.url})
    await here.sign_in(browser, f"{here.url}/mine", ana.name)
    assert ana.name in browser.page
    assert await here.house.sessions.of_cookie(planted) is None


async def test_fifty_callbacks_at_once_redeem_one_code(
    here: Town, ana: Person, browser: PersonWithBrowser
) -> None:
    """A code sent twice ends the grant at many providers (RFC 6749 section 4.1.2)."""
    link = await here.setting_out(browser, ana)
    callback = here.sandbox.approve(browser.url, ACCOUNT)
    before, statuses = _redeemed(here), list[int]()

    async def come_back() -> None:
        statuses.append((await fetched(browser, callback)).status_code)

    with anyio.fail_after(30):
        async with anyio.create_task_group() as tasks:
            for _ in range(50):
                tasks.start_soon(come_back)
    assert _redeemed(here) == before + 1
    assert sorted(statuses) == [303] + [400] * 49
    assert here.sandbox.strict.counters.codes_reused == 0
    await browser.open(f"{link}/confirm")
    await browser.submit(decision="yes")
    async with here.wire(await here.token(ana)) as agent:
        assert not (await agent.call("notes.list_notes", {})).get("isError")


async def test_a_callback_that_was_used_says_so(here: Town, ana: Person, browser: PersonWithBrowser) -> None:
    callback = await _consented(here, browser, ana)
    assert (await fetched(browser, callback)).status_code == 303
    again = await fetched(browser, callback)
    assert again.status_code == 400
    assert await _states(here, ana) == [ConnectionState.CONFIRMING]


async def test_a_code_of_another_trip_fails_at_the_provider_and_burns_the_trip(
    here: Town, ana: Person, browser: PersonWithBrowser, other: PersonWithBrowser
) -> None:
    """The verifier is the trip's own: a stolen code is worth nothing in another (O8, RFC 7636)."""
    theirs = await _consented(here, other, await here.newcomer())
    hers = await _consented(here, browser, ana)
    injected = _with(hers, code=parse_qs(urlsplit(theirs).query)["code"][0])
    assert (await fetched(browser, injected)).status_code == 502
    assert await _states(here, ana) == []
    assert (await fetched(browser, hers)).status_code == 400, "the trip is used up"


async def test_a_new_trip_replaces_the_last(here: Town, ana: Person, browser: PersonWithBrowser) -> None:
    link = await here.setting_out(browser, ana)
    first = here.sandbox.approve(browser.url, ACCOUNT)
    await browser.open(link)
    await browser.submit(password=PASSWORD, decision="allow")
    second = here.sandbox.approve(browser.url, ACCOUNT)
    assert (await fetched(browser, first)).status_code == 400
    assert (await fetched(browser, second)).status_code == 303


async def test_the_answer_of_one_provider_is_not_taken_at_anothers_callback(
    here: Town, ana: Person, browser: PersonWithBrowser
) -> None:
    """Mix-up (RFC 9207): state and code of one provider, delivered where another's come back."""
    callback = await _consented(here, browser, ana)
    before = _redeemed(here)
    mixed = callback.replace("/callback/my-notes", "/callback/my-google")
    assert (await fetched(browser, mixed)).status_code == 400
    assert _redeemed(here) == before
    assert not here.sandbox.google.counters.token_requests
    assert (await fetched(browser, callback)).status_code == 303


@pytest.mark.parametrize(
    "path",
    [
        "/callback/my-notes/",
        "/callback/MY-NOTES",
        "/callback/my-notes%2f",
        "/callback//my-notes",
        "/callback/",
        "/callback/my-notes%00",
        "/callback/my-notes/..",
        "/Callback/my-notes",
        "/callback/my-notes;x",
    ],
)
async def test_only_the_redirect_uri_as_it_was_registered_receives(
    here: Town, ana: Person, browser: PersonWithBrowser, path: str
) -> None:
    callback = await _consented(here, browser, ana)
    before = _redeemed(here)
    reply = await fetched(browser, callback.replace("/callback/my-notes", path))
    assert reply.status_code in {400, 404}
    assert _redeemed(here) == before


async def test_the_redirect_uri_comes_from_the_settings_whatever_headers_say(
    here: Town, ana: Person, browser: PersonWithBrowser
) -> None:
    async with here.wire(await here.token(ana)) as agent:
        link = (await agent.call("notes.list_notes", {}))["inputRequests"]["valetkey"]["params"]["url"]
    await here.sign_in(browser, link, ana.name)
    sent = {"decision": "allow", "password": PASSWORD, "stamp": _stamp(browser.page)}
    sent |= {"tool": "notes.list_notes", "lasts": "1 hour"}
    forwarded = {"X-Forwarded-Host": "evil.test", "X-Forwarded-Proto": "https", "Forwarded": "host=evil.test"}
    reply = await browser._http.post(link, data=sent, headers={"Origin": here.url} | forwarded)
    asked = parse_qs(urlsplit(reply.headers["location"]).query)
    assert asked["redirect_uri"] == [f"{here.url}/callback/my-notes"]


async def test_every_trip_has_a_state_and_a_challenge_of_its_own(
    here: Town, ana: Person, browser: PersonWithBrowser
) -> None:
    link = await here.setting_out(browser, ana)
    seen: set[str] = set()
    for _ in range(3):
        asked = parse_qs(urlsplit(browser.url).query)
        assert asked["code_challenge_method"] == ["S256"]
        assert asked["scope"] == ["notes.read"], "what the ticked tools need and no more"
        seen |= {asked["state"][0], asked["code_challenge"][0]}
        await browser.open(link)
        await browser.submit(password=PASSWORD, decision="allow")
    assert len(seen) == 6


async def test_a_provider_that_says_no_is_told_in_our_own_words(
    here: Town, ana: Person, browser: PersonWithBrowser
) -> None:
    """What it writes beside its error code is written by others (O12)."""
    link = await here.setting_out(browser, ana)
    callback = here.sandbox.approve(browser.url, ACCOUNT, decision="deny")
    evil = urlencode(
        {"error_description": "<img src=x onerror=alert(1)>\x1b[31m\r\ncanary", "error_uri": "javascript:1"}
    )
    reply = await fetched(browser, f"{callback}&{evil}")
    assert reply.status_code == 400
    for told in ("canary", "onerror=alert", "javascript:1", "\x1b"):
        assert told not in reply.text
    (refused,) = [record for record in await here.records(ana) if record.kind == "callback.refused"]
    assert refused.details["error"] == "access_denied"
    assert (await fetched(browser, link)).status_code == 200, "the request is still open: they can try again"


async def test_an_error_code_nobody_knows_is_not_kept(
    here: Town, ana: Person, browser: PersonWithBrowser
) -> None:
    await here.setting_out(browser, ana)
    callback = here.sandbox.approve(browser.url, ACCOUNT, decision="deny")
    assert (await fetched(browser, _with(callback, error="canary <b>"))).status_code == 400
    (refused,) = [record for record in await here.records(ana) if record.kind == "callback.refused"]
    assert refused.details["error"] == "other"


async def test_trips_nobody_came_back_from_are_forgotten(
    here: Town, ana: Person, browser: PersonWithBrowser
) -> None:
    await here.setting_out(browser, ana)
    store = here.house.ground.store
    here.clock.advance(10 * MINUTE)
    await here.house.connections.flows.forget_late()
    assert await store.one("SELECT 1 FROM flows") is None
    assert await store.one("SELECT 1 FROM sealed WHERE purpose = 'flow'") is None


async def test_nothing_of_a_trip_is_readable_in_the_store(
    here: Town, ana: Person, browser: PersonWithBrowser
) -> None:
    await here.setting_out(browser, ana)
    state = parse_qs(urlsplit(browser.url).query)["state"][0]
    dumped = str([dict(row) for row in await here.house.ground.store.all("SELECT * FROM flows")])
    assert state not in dumped
