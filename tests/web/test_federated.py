"""Signing in at another issuer: who comes back, with what, and what is refused on the way."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import parse_qs, urlencode, urlsplit

import httpx2
import pytest

from tests.pages.browser import Browser, Seen
from tests.support.town import OPERATOR, PASSWORD, Town, town
from valetkey.model import MINUTE, Secret
from valetkey.sandbox import CORP_CLIENT, Issuer

ANA, BEN = "ana@example.com", "ben@example.com"
ISSUERS = """
[issuers.corp]
url = "https://corp.example/acme"
[issuers.corp.sign_in]
client_id = "valetkey-pages"
[issuers.partner]
url = "https://partner.example/team"
[issuers.partner.sign_in]
client_id = "valetkey-pages"
[issuers.tokens-only]
url = "https://tokens.example"
"""


@dataclass
class Gate:
    """A town where people sign in at corp, or at partner, and the operator has sealed our secrets there."""

    town: Town

    @property
    def corp(self) -> Issuer:
        return self.town.sandbox.corp

    async def set_out(self, browser: Browser, issuer: str = "corp", path: str = "/mine") -> str:
        """Press the button on the sign-in page; return where the issuer's own page is."""
        page = await browser.open(f"/signin?return_to={path}")
        seen = await browser.send(page, {}, to=f"/signin/{issuer}")
        assert seen.status == 200, seen.text
        return onward(seen)

    async def there(self, url: str, email: str = ANA) -> str:
        """Sign in on the issuer's page; return the path that its answer leads to."""
        async with httpx2.AsyncClient(trust_env=False) as elsewhere:
            answer = await elsewhere.post(url, data={"account": email, "decision": "allow"})
        assert answer.status_code == 303, answer.text
        return answer.headers["location"].removeprefix(self.town.url)

    async def sign_in(self, browser: Browser, email: str = ANA, issuer: str = "corp") -> Seen:
        return await browser.open(await self.there(await self.set_out(browser, issuer), email))

    def redeemed(self) -> int:
        return self.corp.books.asked["token"] + self.town.sandbox.partner.books.asked["token"]

    async def people(self) -> list[tuple[str, str, str]]:
        rows = await self.town.house.ground.store.all(
            "SELECT issuer, subject, name FROM people ORDER BY 1, 2"
        )
        return [(row["issuer"], row["subject"], row["name"]) for row in rows]

    async def failures(self) -> list[str]:
        sql = "SELECT core FROM audit WHERE kind = 'person.sign_in_failed' ORDER BY seq"
        return [row["core"].decode() for row in await self.town.house.ground.store.all(sql)]


def onward(seen: Seen) -> str:
    """Where a page sends its browser by itself."""
    _, _, rest = seen.response.text.partition('http-equiv="refresh" content="0; url=')
    return rest.partition('"')[0].replace("&amp;", "&")


def changed(path: str, **parameters: str | list[str] | None) -> str:
    """A callback with some parameters replaced, left out, or twice."""
    parts = urlsplit(path)
    query: dict[str, list[str]] = parse_qs(parts.query)
    for name, value in parameters.items():
        query[name] = [value] if isinstance(value, str) else value or []
    return f"{parts.path}?{urlencode(query, doseq=True)}"


@pytest.fixture
async def gate(tmp_path: Path) -> AsyncIterator[Gate]:
    async with town(tmp_path, more=ISSUERS, clients=()) as here:
        for key in ("corp", "partner"):
            issuer = here.house.trust.issuers.named(key)
            await here.house.trust.secrets.put(issuer, CORP_CLIENT.id, Secret(CORP_CLIENT.secret), OPERATOR)
        yield Gate(here)


@pytest.fixture
async def browser(gate: Gate) -> AsyncIterator[Browser]:
    async with Browser(url=gate.town.url) as opened:
        yield opened


async def test_somebody_who_signs_in_elsewhere_has_a_page_here(gate: Gate, browser: Browser) -> None:
    arrived = await gate.sign_in(browser)
    assert (arrived.status, arrived.location) == (303, "/mine")
    assert (await browser.open("/mine")).status == 200
    assert await gate.people() == [("corp", "corp-ana", "Ana Almeida")]


async def test_where_nobody_of_ours_has_joined_the_page_leads_elsewhere(gate: Gate, browser: Browser) -> None:
    page = await browser.open("/signin")
    assert "Password" not in page.text
    assert "Sign in at Corp" in page.text
    assert "tokens-only" not in page.response.text.lower()
    await gate.town.person("ana")
    both = await browser.open("/signin")
    assert "Password" in both.text
    assert "Sign in at Corp" in both.text


async def test_what_is_asked_there_is_bound_to_this_trip(gate: Gate, browser: Browser) -> None:
    asked = [parse_qs(urlsplit(await gate.set_out(browser)).query) for _ in range(2)]
    for query in asked:
        assert query["redirect_uri"] == [f"{gate.town.url}/signin/corp/callback"]
        assert query["code_challenge_method"] == ["S256"]
        assert query["scope"] == ["openid profile"]
        assert "prompt" not in query
    for name in ("state", "nonce", "code_challenge"):
        assert asked[0][name] != asked[1][name]


async def test_a_local_person_of_the_same_name_and_subject_is_somebody_else(
    gate: Gate, browser: Browser
) -> None:
    """M3, and no account is ever found by an address."""
    local = await gate.town.person("ana")
    gate.corp.books.subjects[ANA] = local.subject
    await gate.sign_in(browser)
    assert await gate.people() == [("corp", local.subject, "Ana Almeida"), ("local", local.subject, "ana")]


async def test_a_browser_gets_a_new_session_and_its_old_one_ends(gate: Gate, browser: Browser) -> None:
    """O5: what somebody planted before is worth nothing after."""
    await gate.sign_in(browser)
    first = dict(browser.http.cookies)
    page = await browser.open("/mine")
    await browser.send(page, {}, to="/signout")
    await gate.sign_in(browser)
    assert dict(browser.http.cookies) != first


@pytest.mark.parametrize(
    "wrong",
    [
        {"state": None},
        {"state": "made-up"},
        {"state": ["a", "b"]},
        {"code": None},
        {"code": ["a", "b"]},
        {"iss": None},
        {"iss": "https://evil.example"},
        {"iss": "https://corp.example/acme/"},
        {"iss": ["https://corp.example/acme", "https://corp.example/acme"]},
        {"error": "access_denied"},
    ],
)
async def test_a_wrong_answer_is_refused_and_does_not_burn_the_right_one(
    gate: Gate, browser: Browser, wrong: dict[str, str | list[str] | None]
) -> None:
    """O1, O9: nothing is redeemed, the audit says so, and the genuine answer still works."""
    good = await gate.there(await gate.set_out(browser))
    refused = await browser.open(changed(good, **wrong))
    assert refused.status == 400
    assert gate.redeemed() == 0
    assert "callback_refused" in (await gate.failures())[0]
    assert (await browser.open(good)).status == 303


async def test_an_answer_counts_once(gate: Gate, browser: Browser) -> None:
    good = await gate.there(await gate.set_out(browser))
    assert (await browser.open(good)).status == 303
    assert (await browser.open(good)).status == 400
    assert gate.redeemed() == 1


async def test_an_answer_counts_in_the_browser_that_asked_and_in_no_other(
    gate: Gate, browser: Browser
) -> None:
    """O2, O4: neither a stolen answer nor a planted one signs anybody in."""
    good = await gate.there(await gate.set_out(browser))
    async with Browser(url=gate.town.url) as other:
        assert (await other.open(good)).status == 403
        await other.open("/signin")
        assert (await other.open(good)).status == 403
    assert gate.redeemed() == 0
    assert (await browser.open(good)).status == 303


async def test_an_answer_of_one_issuer_is_none_of_another(gate: Gate, browser: Browser) -> None:
    """O9, mix-up: the state of a trip to corp with a code of partner, at either callback."""
    at_partner = await gate.there(await gate.set_out(browser, "partner"))
    at_corp = await gate.there(await gate.set_out(browser, "corp"))
    code, iss = (parse_qs(urlsplit(at_partner).query)[name][0] for name in ("code", "iss"))
    for callback in (
        changed(at_corp, code=code, iss=iss),
        changed(at_corp, code=code, iss=None),
        changed(at_corp.replace("/signin/corp/", "/signin/partner/"), code=code, iss=iss),
    ):
        assert (await browser.open(callback)).status == 400
    assert gate.redeemed() == 0


async def test_a_code_of_somebody_elses_trip_is_worth_nothing(gate: Gate, browser: Browser) -> None:
    """O8: the verifier does not fit."""
    async with Browser(url=gate.town.url) as evil:
        theirs = await gate.there(await gate.set_out(evil), BEN)
    mine = await gate.there(await gate.set_out(browser))
    code = parse_qs(urlsplit(theirs).query)["code"][0]
    assert (await browser.open(changed(mine, code=code))).status == 502
    assert await gate.people() == []


async def test_an_answer_after_ten_minutes_is_too_late(gate: Gate, browser: Browser) -> None:
    good = await gate.there(await gate.set_out(browser))
    gate.town.clock.advance(10 * MINUTE)
    assert (await browser.open(good)).status == 400


@pytest.mark.parametrize(
    "twist",
    [
        "alg_none",
        "alg_hs256",
        "unknown_kid",
        "kid_traversal",
        "wrong_iss",
        "iss_with_slash",
        "wrong_aud",
        "two_audiences",
        "wrong_azp",
        "wrong_nonce",
        "no_nonce",
        "no_exp",
        "no_sub",
        "expired",
        "not_yet",
    ],
)
async def test_an_id_token_that_is_not_for_this_very_trip_is_refused(
    gate: Gate, browser: Browser, twist: str
) -> None:
    """O14."""
    gate.corp.twist(twist)
    assert (await gate.sign_in(browser)).status == 403
    assert await gate.people() == []
    assert "not_believed" in (await gate.failures())[0]


@pytest.mark.parametrize(
    "twist", ["metadata_of_another", "keys_over_http", "tokens_over_http", "keys_in_a_file"]
)
async def test_an_issuer_that_says_it_is_another_is_not_visited(
    gate: Gate, browser: Browser, twist: str
) -> None:
    """O16."""
    gate.corp.twist(twist)
    page = await browser.open("/signin")
    assert (await browser.send(page, {}, to="/signin/corp")).status == 502


async def test_an_issuer_that_says_it_cannot_bind_a_code_to_its_trip_is_not_visited(
    gate: Gate, browser: Browser
) -> None:
    """O7: PKCE with S256 is not negotiated down."""
    gate.corp.twist("plain_challenges")
    page = await browser.open("/signin")
    assert (await browser.send(page, {}, to="/signin/corp")).status == 502


async def test_a_missing_iss_counts_where_it_was_promised(gate: Gate, browser: Browser) -> None:
    gate.corp.twist("no_iss")
    assert (await gate.sign_in(browser)).status == 400


async def test_an_issuer_that_is_down_is_a_page_and_leaves_our_own_sign_in_alone(
    gate: Gate, browser: Browser
) -> None:
    await gate.town.person("ana")
    good = await gate.there(await gate.set_out(browser))
    gate.corp.provider.faults.set("token", "status", status=500)
    assert (await browser.open(good)).status == 502
    page = await browser.open("/signin")
    assert (await browser.send(page, {"name": "ana", "password": PASSWORD}, to="/signin")).status == 303


async def test_nobody_signs_in_at_an_issuer_without_sign_in(gate: Gate, browser: Browser) -> None:
    page = await browser.open("/signin")
    stamp = dict(page.sheet("/signin/corp").fields)["stamp"]
    for key in ("tokens-only", "nobody", "callback"):
        assert (await browser.post(f"/signin/{key}", [("stamp", stamp)])).status == 404


async def test_a_form_of_another_site_sends_nobody_anywhere(gate: Gate, browser: Browser) -> None:
    await browser.open("/signin")
    assert (await browser.post("/signin/corp", [("stamp", "made-up")])).status == 403


async def test_only_where_it_is_ours_does_the_sign_in_lead_on(gate: Gate, browser: Browser) -> None:
    """O11."""
    page = await browser.open("/signin")
    for evil in ("//evil.example", "https://evil.example", "/\\evil.example", "javascript:alert(1)"):
        seen = await browser.send(page, {"return_to": evil}, to="/signin/corp")
        arrived = await browser.open(await gate.there(onward(seen)))
        assert arrived.location == "/"
        signed_in = await browser.open("/mine")
        await browser.send(signed_in, {}, to="/signout")
        page = await browser.open("/signin")


async def test_many_who_set_out_and_never_come_back_leave_nothing(gate: Gate, browser: Browser) -> None:
    for _ in range(3):
        await gate.set_out(browser)
    rows = await gate.town.house.ground.store.all("SELECT id FROM sign_ins")
    sealed = await gate.town.house.ground.store.all("SELECT id FROM sealed WHERE purpose = 'sign_in'")
    assert len(rows) == len(sealed) == 1
    gate.town.clock.advance(10 * MINUTE)
    await gate.town.house.trust.sign_ins.forget_late()
    for table in ("sign_ins", "sealed WHERE purpose = 'sign_in'"):
        assert await gate.town.house.ground.store.all(f"SELECT id FROM {table}") == []


async def test_an_older_sign_in_proves_nothing(gate: Gate, browser: Browser) -> None:
    """The issuer ignores that it was asked to let them sign in anew, or does not say when they did."""
    await gate.sign_in(browser)
    page = await browser.open("/mine/sessions")
    for twist in ("old_login", "no_auth_time"):
        gate.corp.twist(twist)
        seen = await again(browser, page)
        assert (await browser.open(await gate.there(onward(seen)))).status == 403
    assert not await proved(gate)


async def test_somebody_else_proves_nothing(gate: Gate, browser: Browser) -> None:
    await gate.sign_in(browser)
    page = await browser.open("/mine/sessions")
    seen = await again(browser, page)
    query = parse_qs(urlsplit(onward(seen)).query)
    assert (query["prompt"], query["max_age"]) == (["login"], ["0"])
    assert (await browser.open(await gate.there(onward(seen), BEN))).status == 403
    assert not await proved(gate)


async def again(browser: Browser, page: Seen) -> Seen:
    """Press the button with which somebody shows that they are there."""
    stamp = dict(page.sheets[0].fields)["stamp"]
    return await browser.post("/signin/corp", [("stamp", stamp), ("about", "sessions")])


async def proved(gate: Gate) -> bool:
    rows = await gate.town.house.ground.store.all("SELECT about FROM seen")
    return any("proved" in row["about"] for row in rows)
