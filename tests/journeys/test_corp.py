"""A company's own sign-in: Ana comes to the pages from corp, her client brings its token: they are one."""

from collections.abc import AsyncIterator
from pathlib import Path

import anyio
import mcp_types as types
import pytest

from tests.support.town import OPERATOR, Town, town
from valetkey.demo.person import PersonWithBrowser
from valetkey.model import HOUR, SECOND, Principal, Secret
from valetkey.people.accounts import PEOPLE
from valetkey.sandbox import CORP_CLIENT
from valetkey.vault.rows import BoundRows

ANA, BEN = "ana@example.com", "ben@example.com"
CORP = """
[issuers.corp]
url = "https://corp.example/acme"
subject_claims = ["tid", "oid"]
[issuers.corp.sign_in]
client_id = "valetkey-pages"
"""
HER = Principal("corp", '["corp", "oid-ana"]')


@pytest.fixture
async def here(tmp_path: Path) -> AsyncIterator[Town]:
    with anyio.fail_after(60):
        async with town(tmp_path, more=CORP) as made:
            made.sandbox.corp.books.pairwise = True
            issuer = made.house.trust.issuers.named("corp")
            await made.house.trust.secrets.put(issuer, CORP_CLIENT.id, Secret(CORP_CLIENT.secret), OPERATOR)
            yield made


def token(here: Town, email: str = ANA) -> str:
    """The access token that corp gives somebody's client for our endpoint."""
    return here.sandbox.corp.access_token(email, f"{here.url}/mcp")


async def approve(here: Town, browser: PersonWithBrowser, link: str, account: str = ANA) -> None:
    """Open a link, sign in at corp on the way, and once more to say yes; then connect."""
    await browser.open(link)
    if "/signin" in browser.url:
        await browser.press("/signin/corp")
        await browser.submit(account=account, decision="allow")
    await browser.press("/signin/corp")
    await browser.submit(account=account, decision="allow")
    await browser.submit(decision="allow", lasts="8 hours")
    if not browser.url.startswith(here.url):
        await browser.submit(account=account, decision="allow")
        await browser.submit(decision="yes")


async def link_of(here: Town, access: str) -> str:
    async with here.wire(access) as wire:
        leg = await wire.call("gmail.list_unread", {"limit": 1})
    link: str = leg["inputRequests"]["valetkey"]["params"]["url"]
    return link


async def mails(here: Town, access: str) -> int:
    """How many mails a call brings, made by a client with this token and nothing more to ask."""
    async with here.client(access) as agent:
        result = await agent.call_tool("gmail.list_unread", {"limit": 2})
        assert not result.is_error, result.content
        assert result.structured_content is not None
        return len(result.structured_content["items"])


async def test_the_person_on_the_pages_and_the_person_of_the_token_are_one(here: Town) -> None:
    """Pairwise subjects: corp calls Ana something else at each client, and `tid` and `oid` never change."""
    corp = here.sandbox.corp
    async with PersonWithBrowser() as browser:

        async def elicited(context: object, params: types.ElicitRequestParams) -> types.ElicitResult:
            assert isinstance(params, types.ElicitRequestURLParams)
            await approve(here, browser, params.url)
            return types.ElicitResult(action="accept")

        async with here.client(token(here), elicited) as agent:
            mail = await agent.call_tool("gmail.list_unread", {"limit": 2})
            assert not mail.is_error, mail.content
        assert "assistant" in await browser.open(f"{here.url}/mine/agents")
    assert await mails(here, token(here)) == 2

    corp.keys.rotate()
    here.clock.advance(11 * SECOND)
    assert await mails(here, token(here)) == 2, "a key that was rotated in the middle stops nobody"

    corp.provider.faults.set("api", "status", status=500)
    here.clock.advance(2 * HOUR)
    assert await mails(here, token(here)) == 2, "corp is down, and its keys are known"
    records = await here.house.ground.store.all(
        "SELECT DISTINCT issuer, subject, actor FROM audit WHERE call IS NOT NULL"
    )
    assert [tuple(row) for row in records] == [(HER.issuer, HER.subject, "corp/assistant")]


async def test_nobody_else_sees_what_is_hers(here: Town) -> None:
    """A local person with the same subject, her namesake at corp, and her own other issuer are others."""
    async with PersonWithBrowser() as browser:
        await approve(here, browser, await link_of(here, token(here)))
    assert await mails(here, token(here)) == 2
    ours = await here.person("ana")
    async with here.house.ground.store.transaction() as tx:
        keys = here.house.ground.keys
        await BoundRows(keys, PEOPLE).insert(
            tx, issuer="local", subject=HER.subject, name="namesake", owner=0, created=0
        )
        actor = await here.house.agents.named(tx, "triage")
        session = await here.house.sessions.start_token(tx, Principal("local", HER.subject), actor.id, HOUR)
    for other in (here.house.tokens.mint(session), token(here, BEN)):
        await link_of(here, other)  # asks, instead of bringing her mail
    assert ours.name == "ana"


async def test_her_link_is_hers_alone(here: Town) -> None:
    link = await link_of(here, token(here))
    async with PersonWithBrowser() as browser:
        await browser.open(link)
        await browser.press("/signin/corp")
        await browser.submit(account=BEN, decision="allow")
        assert "not for you" in browser.page.lower() or "somebody else" in browser.page.lower()


async def test_a_cookie_alone_allows_nothing(here: Town) -> None:
    link = await link_of(here, token(here))
    async with PersonWithBrowser() as browser:
        await browser.open(link)
        await browser.press("/signin/corp")
        await browser.submit(account=ANA, decision="allow")
        await browser.submit(decision="allow", lasts="8 hours")
        assert "once more" in browser.page
        assert browser.url.startswith(here.url)
    assert await here.house.connections.rows.of(HER) == []


async def test_a_suspended_client_of_corp_is_refused_on_its_next_call(here: Town) -> None:
    async with PersonWithBrowser() as browser:
        await approve(here, browser, await link_of(here, token(here)))
    store, agents = here.house.ground.store, here.house.agents
    async with store.transaction() as tx:
        await agents.suspend(tx, await agents.find(tx, "corp/assistant"))
    async with here.client(token(here)) as agent:
        refused = await agent.call_tool("gmail.list_unread", {"limit": 1})
    assert "[denied]" in str(refused.content)


async def test_what_is_not_for_us_gets_no_further_than_the_door(here: Town) -> None:
    """M2, M5."""
    corp = here.sandbox.corp
    async with here.wire("") as wire:
        for access, status in (
            (corp.access_token(ANA, "https://other.example/mcp"), 401),
            (corp.access_token(ANA, f"{here.url}/mcp", tid=None), 403),
            (here.sandbox.partner.access_token(ANA, f"{here.url}/mcp"), 401),
        ):
            answer = await wire.http.post(
                f"{here.url}/mcp", json={}, headers={"Authorization": f"Bearer {access}"}
            )
            assert answer.status_code == status
