"""Caddy and nginx with the files of deploy/, in front of a real server: what an operator relies on."""

from collections.abc import AsyncIterator
from pathlib import Path

import anyio
import mcp_types as types
import pytest
from mcp.client.session import IncomingMessage

from tests.deploy.conftest import agent, behind, browser
from tests.deploy.proxies import Front, Start
from tests.support.town import PASSWORD, Town
from valetkey.demo.person import PersonWithBrowser
from valetkey.grants import Given
from valetkey.people import Person
from valetkey.server.elicit import PUSHED_HOLDS

FORWARDED = {
    "Forwarded": "for=192.0.2.9;host=evil.test;proto=http",
    "X-Forwarded-For": "192.0.2.9",
    "X-Forwarded-Host": "evil.test",
    "X-Forwarded-Proto": "http",
    "X-Real-IP": "192.0.2.9",
}
UNTIL_REVOKED = Given(frozenset({"gmail.list_unread"}), frozenset({"gmail.send_message"}), None)


@pytest.fixture(scope="module")
async def placed(start: Start, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[tuple[Front, Town]]:
    async with behind(start, tmp_path_factory.mktemp("behind")) as both:
        yield both


@pytest.fixture
def front(placed: tuple[Front, Town]) -> Front:
    return placed[0]


@pytest.fixture
def here(placed: tuple[Front, Town]) -> Town:
    return placed[1]


@pytest.fixture
async def ana(here: Town) -> Person:
    return await here.newcomer()


async def changed(here: Town, person: Person) -> None:
    """Change what a person's agent can call."""
    ground = here.house.ground
    async with ground.store.transaction() as tx:
        triage = await here.house.agents.named(tx, "triage")
        await here.house.grants.give(tx, person.principal, triage.id, ["con_none"], UNTIL_REVOKED)


async def test_every_url_is_the_public_one_whatever_was_forwarded(front: Front) -> None:
    async with browser(front) as http:
        about = await http.get("/.well-known/oauth-protected-resource/mcp", headers=FORWARDED)
        refused = await http.post("/mcp", headers=FORWARDED)
    assert about.json()["resource"] == f"{front.url}/mcp"
    assert refused.status_code == 401
    assert f'resource_metadata="{front.url}/' in refused.headers["www-authenticate"]


async def test_nothing_is_served_under_another_name(front: Front) -> None:
    async with browser(front) as http:
        answer = await http.get("/signin", headers={"Host": "evil.test"})
    assert answer.status_code == 421 or not answer.content, "Caddy answers other names with nothing"
    assert "set-cookie" not in answer.headers


async def test_a_person_signs_in_with_cookies_that_are_bound_to_this_host(
    front: Front, here: Town, ana: Person
) -> None:
    async with browser(front) as http, PersonWithBrowser() as person:
        person._http = http
        await person.open(f"{front.url}/signin")
        await person.submit(name=ana.name, password=PASSWORD)
        assert "Sign out" in await person.open(f"{front.url}/mine")
        cookies = {cookie.name: cookie for cookie in http.cookies.jar}
    assert cookies.keys() == {"__Host-vk"}
    assert cookies["__Host-vk"].secure


async def test_browsers_are_told_to_come_by_tls_alone(front: Front) -> None:
    async with browser(front) as http:
        answer = await http.get("/signin")
    assert answer.headers["strict-transport-security"] == "max-age=63072000"
    assert "content-encoding" not in answer.headers


async def test_a_stream_of_the_modern_era_comes_through_at_once(
    front: Front, here: Town, ana: Person
) -> None:
    with anyio.fail_after(20):
        token = await here.token(ana)
        async with agent(front, token) as client, client.listen(tools_list_changed=True) as changes:
            await changed(here, ana)
            async for _ in changes:
                break


async def test_a_stream_of_the_legacy_era_comes_through_at_once(
    front: Front, here: Town, ana: Person
) -> None:
    told = anyio.Event()

    async def heard(message: IncomingMessage) -> None:
        if isinstance(message, types.ToolListChangedNotification):
            told.set()

    with anyio.fail_after(20):
        async with agent(front, await here.token(ana), mode="legacy", heard=heard) as client:
            await client.list_tools()
            await changed(here, ana)
            await told.wait()


async def test_a_link_is_pushed_while_the_call_is_held(front: Front, here: Town, ana: Person) -> None:
    here.links.clear()
    with anyio.fail_after(20):
        async with agent(front, await here.token(ana), here.answering("accept"), mode="legacy") as client:
            said = await client.call_tool("gmail.list_unread", {"limit": 1})
    assert said.is_error
    assert here.links[0].startswith(f"{front.url}/connect/")


async def test_what_a_provider_sends_back_is_in_no_log(front: Front) -> None:
    async with browser(front) as http:
        assert (await http.get("/callback/my-google?code=c0de&state=st4te")).status_code >= 400
    assert "c0de" not in front.logged()
    assert "st4te" not in front.logged()


async def test_a_held_call_outlives_what_a_client_may_take_to_ask(start: Start, tmp_path: Path) -> None:
    """The proxies' patience with requests, a second here, is none with answers: this one takes two."""
    async with behind(start, tmp_path, hold=2 / PUSHED_HOLDS, hasty=True) as (front, here):
        token, answering = await here.token(await here.newcomer()), here.answering("accept")
        with anyio.fail_after(20):
            async with agent(front, token, answering, mode="legacy") as client:
                said = await client.call_tool("gmail.list_unread", {"limit": 1})
    assert said.meta is not None
    assert said.meta["valetkey/connect_url"] == here.links[0]
