"""Secrets that people paste: typed on our page alone, tried before they are kept, and not to be guessed."""

from collections.abc import AsyncIterator
from dataclasses import dataclass

import pytest

from tests.support.browsing import fetched
from tests.support.town import PASSWORD, PASTED, Town, town
from tests.support.wire import text
from valetkey.demo.person import PersonWithBrowser
from valetkey.model import ConnectionState
from valetkey.people import Person
from valetkey.sandbox import KEYS, LOGINS, TOKENS

ANA, BEN = "ana@example.com", "ben@example.com"
_NAME, _, _WORD = LOGINS[ANA][0].partition(":")


@dataclass(frozen=True)
class Kind:
    """A connector of one kind, and what its page takes from Ana."""

    name: str
    fields: dict[str, str]

    @property
    def tool(self) -> str:
        return f"{self.name}.list_things"


KEYED = Kind("keyed", {"secret-keyed": KEYS[ANA][0]})
KINDS = [
    KEYED,
    Kind("beared", {"secret-beared": f"  {TOKENS[ANA][0]}\n"}),
    Kind("basic_auth", {"name-basic_auth": _NAME, "secret-basic_auth": _WORD}),
]


@pytest.fixture(scope="module")
async def here(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Town]:
    home = tmp_path_factory.mktemp("home")
    async with town(home, more=PASTED, clients=(), hold=0.02) as opened:
        yield opened


@pytest.fixture
async def ana(here: Town) -> Person:
    return await here.newcomer()


@pytest.fixture
async def browser() -> AsyncIterator[PersonWithBrowser]:
    async with PersonWithBrowser() as opened:
        yield opened


async def _opened(here: Town, browser: PersonWithBrowser, ana: Person, kind: Kind, agent: str = "one") -> str:
    """Let an agent ask, and open its link as Ana; return the link."""
    async with here.wire(await here.token(ana, agent)) as wire:
        leg = await wire.call(kind.tool, {})
    link: str = leg["inputRequests"]["valetkey"]["params"]["url"]
    await here.sign_in(browser, link, ana.name)
    return link


async def _pasted(browser: PersonWithBrowser, fields: dict[str, str]) -> str:
    return await browser.submit(password=PASSWORD, decision="allow", lasts="8 hours", **fields)


async def _called(here: Town, ana: Person, kind: Kind, agent: str = "one") -> str:
    async with here.client(await here.token(ana, agent)) as client:
        return text(await client.call_tool(kind.tool, {}))


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
async def test_a_secret_is_typed_on_the_page_and_then_works_for_its_owner(
    here: Town, ana: Person, browser: PersonWithBrowser, kind: Kind
) -> None:
    await _opened(here, browser, ana, kind)
    where = here.house.ground.catalog.connectors[kind.name].auth.where  # type: ignore[union-attr]  # a pasted kind
    assert f"Where to find it: {where}." in browser.page
    assert "Next you are asked to agree" not in browser.page
    await _pasted(browser, kind.fields)
    assert browser.url.endswith("/confirm"), "the account is named before it counts"
    assert ANA in browser.page
    assert "[not_connected]" in await _called(here, ana, kind)
    await browser.submit(decision="yes")
    assert ANA in await _called(here, ana, kind)
    (made,) = await here.house.connections.rows.of(ana.principal)
    assert (made.state, made.label, made.registration) == (ConnectionState.CONNECTED, ANA, None)


async def test_no_tool_takes_the_secret(here: Town) -> None:
    for tool in here.house.ground.catalog.tools:
        assert not {"secret", "key", "password", "token", "api_key"} & tool.input_schema["properties"].keys()


@pytest.mark.parametrize("wrong", ["keyed-nobody-0", "", "two words", "ключ", "x" * 5000, "a\x00b"])
async def test_what_is_no_secret_shows_the_page_again_and_nothing_is_stored(
    here: Town, ana: Person, browser: PersonWithBrowser, wrong: str
) -> None:
    link = await _opened(here, browser, ana, KEYED)
    await _pasted(browser, {"secret-keyed": wrong})
    assert browser.url == link
    assert 'id="secret-keyed-wrong"' in browser.page
    assert not wrong or wrong not in browser.page
    assert await here.house.connections.rows.of(ana.principal) == []
    assert 'value="keyed.list_things" checked' in browser.page, "what was ticked is kept"
    await _pasted(browser, KEYED.fields)
    assert ANA in browser.page


async def test_our_password_comes_first(here: Town, ana: Person, browser: PersonWithBrowser) -> None:
    await _opened(here, browser, ana, KEYED)
    before = here.sandbox.pasted["keyed"].provider.counters.requests.total()
    await browser.submit(password="wrong", decision="allow", lasts="8 hours", **KEYED.fields)
    assert "This is not your password." in browser.page
    assert KEYS[ANA][0] not in browser.page, "what was typed is typed again"
    assert here.sandbox.pasted["keyed"].provider.counters.requests.total() == before


async def test_secrets_cannot_be_guessed_here(here: Town, ana: Person, browser: PersonWithBrowser) -> None:
    await _opened(here, browser, ana, KEYED)
    for number in range(5):
        await _pasted(browser, {"secret-keyed": f"keyed-ana-{number}"})
    before = here.sandbox.pasted["keyed"].provider.counters.requests.total()
    for fields in ({"secret-keyed": "keyed-ana-6"}, KEYED.fields):
        await _pasted(browser, fields)
        assert "This was tried too often. Try again in" in browser.page
    await _opened(here, browser, ana, KEYED, agent="two")
    await _pasted(browser, KEYED.fields)
    assert "This was tried too often." in browser.page, "another link is no way around it"
    assert here.sandbox.pasted["keyed"].provider.counters.requests.total() == before
    here.clock.advance(2_000)
    await _pasted(browser, KEYED.fields)
    assert ANA in browser.page


async def test_an_account_that_was_not_meant_is_erased_again(
    here: Town, ana: Person, browser: PersonWithBrowser
) -> None:
    link = await _opened(here, browser, ana, KEYED)
    await _pasted(browser, {"secret-keyed": KEYS[BEN][0]})
    assert BEN in browser.page
    await browser.submit(decision="no")
    assert browser.url == link
    (one,) = await here.house.connections.rows.of(ana.principal)
    assert one.state is ConnectionState.REVOKED
    assert await here.house.ground.store.all("SELECT 1 AS n FROM sealed WHERE id = $1", one.token_set) == []


async def test_a_second_agent_needs_no_second_secret(
    here: Town, ana: Person, browser: PersonWithBrowser
) -> None:
    await _opened(here, browser, ana, KEYED)
    await _pasted(browser, KEYED.fields)
    await browser.submit(decision="yes")
    await _opened(here, browser, ana, KEYED, agent="two")
    assert "secret-keyed" not in browser.page
    await _pasted(browser, {})
    assert ANA in await _called(here, ana, KEYED, agent="two")


async def test_another_account_has_a_secret_of_its_own(
    here: Town, ana: Person, browser: PersonWithBrowser
) -> None:
    await _opened(here, browser, ana, KEYED)
    await _pasted(browser, KEYED.fields)
    await browser.submit(decision="yes")
    await _opened(here, browser, ana, KEYED, agent="two")
    await _pasted(browser, {"account-keyed": "another"})
    assert "Paste the whole secret" in browser.page
    await _pasted(browser, {"account-keyed": "another", "secret-keyed": KEYS[BEN][0]})
    assert BEN in browser.page
    await browser.submit(decision="yes")
    assert BEN in await _called(here, ana, KEYED, agent="two")
    assert ANA in await _called(here, ana, KEYED)


async def test_a_secret_that_stopped_working_is_asked_for_again_and_the_same_connection_goes_on(
    here: Town, ana: Person, browser: PersonWithBrowser
) -> None:
    await _opened(here, browser, ana, KEYED)
    await _pasted(browser, KEYED.fields)
    await browser.submit(decision="yes")
    provider = here.sandbox.pasted["keyed"].provider
    provider.ledger.revoke_token(KEYS[ANA][0])
    assert "[reconnect]" in await _called(here, ana, KEYED)
    await _opened(here, browser, ana, KEYED)
    assert "Again with your account" in browser.page
    await _pasted(browser, {"secret-keyed": KEYS[ANA][1]})
    await browser.submit(decision="yes")
    assert ANA in await _called(here, ana, KEYED)
    states = [one.state for one in await here.house.connections.rows.of(ana.principal)]
    assert sorted(states) == [ConnectionState.CONNECTED, ConnectionState.REVOKED]
    here.sandbox.pasted["keyed"].hand_out()


async def test_who_disconnects_is_told_that_the_secret_still_works_there(
    here: Town, ana: Person, browser: PersonWithBrowser
) -> None:
    await _opened(here, browser, ana, KEYED)
    await _pasted(browser, KEYED.fields)
    await browser.submit(decision="yes")
    (one,) = await here.house.connections.rows.of(ana.principal)
    await browser.open(f"{here.url}/mine")
    assert "is told that it no longer counts" not in browser.page
    await browser.press(f"/connections/{one.id}/revoke")
    assert "works until you remove it there: keyed.example" in browser.page
    assert "[not_connected]" in await _called(here, ana, KEYED)


async def test_a_secret_is_never_in_the_audit_nor_plain_in_the_store(
    here: Town, ana: Person, browser: PersonWithBrowser
) -> None:
    await _opened(here, browser, ana, KEYED)
    await _pasted(browser, {"secret-keyed": "keyed-ana-canary"})
    await _pasted(browser, KEYED.fields)
    await browser.submit(decision="yes")
    await _called(here, ana, KEYED)
    told = str(await here.records(ana))
    raw = b"".join(path.read_bytes() for path in here.house.ground.settings.home.glob("*.db*"))
    for secret in ("keyed-ana-canary", KEYS[ANA][0]):
        assert secret not in told
        assert secret.encode() not in raw
    assert "secret.refused" in told
    assert (await fetched(browser, f"{here.url}/mine")).text.count(KEYS[ANA][0]) == 0
