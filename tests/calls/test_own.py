"""The server's own tools, with the real client: what a model that knows nothing else needs to get on."""

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import anyio
import pytest

from tests.support.town import NOTES, Town, town
from tests.support.wire import text
from valetkey.demo.person import PersonWithBrowser
from valetkey.model import HOUR, Actor, Caller, Outcome
from valetkey.people import Person

ANA = "ana@example.com"
OWN = {f"valetkey.{name}" for name in ("connect", "connections", "wait", "whoami")}
MAIL, NOTE, WRITE = "gmail.list_unread", "notes.list_notes", "notes.write_note"


@pytest.fixture(scope="module")
async def here(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Town]:
    home = tmp_path_factory.mktemp("home")
    async with town(home, more=NOTES, clients=("google", "notes"), hold=0.02) as opened:
        yield opened


@pytest.fixture
async def ana(here: Town) -> Person:
    return await here.newcomer()


async def _call(
    here: Town, person: Person, name: str, arguments: dict[str, Any] | None = None, agent: str = "triage"
) -> Any:
    """Call a tool with a client that takes no links; return its result, or what a model reads of an error."""
    async with here.client(await here.token(person, agent)) as client:
        result = await client.call_tool(f"valetkey.{name}", arguments or {})
    return text(result) if result.is_error else result.structured_content


async def test_they_are_listed_last_for_everybody_and_read_only(here: Town, ana: Person) -> None:
    async with here.client(await here.token(ana)) as client:
        tools = (await client.list_tools()).tools
    assert {tool.name for tool in tools[-4:]} == OWN
    for tool in tools[-4:]:
        assert tool.annotations is not None
        assert tool.annotations.read_only_hint
        assert tool.description is not None
        assert len(tool.description) < 500


async def test_whoami_says_for_whom_as_which_agent_and_until_when(here: Town, ana: Person) -> None:
    token = await here.token(ana, "triage", HOUR)
    async with here.client(token) as client:
        said = (await client.call_tool("valetkey.whoami", {})).structured_content
    until = datetime.fromtimestamp((here.clock.now() + HOUR) / 1000, UTC).isoformat()
    assert said == {"person": ana.name, "agent": "triage", "until": until}


async def test_connect_brings_one_link_for_all_that_is_missing(here: Town, ana: Person) -> None:
    told = await _call(here, ana, "connect", {"tools": [MAIL, NOTE, WRITE]})
    assert told.startswith("[not_connected]")
    assert "Gmail, Notes" in told
    assert told.count("/connect/") == 1
    link = told.partition(f"{here.url}/connect/")[2].split(" ")[0]
    async with PersonWithBrowser() as browser:
        await here.sign_in(browser, f"{here.url}/connect/{link}", ana.name)
        for tool in (MAIL, NOTE, WRITE):
            assert f'value="{tool}" checked' in browser.page


async def test_a_client_that_takes_links_is_given_it_and_the_same_call_says_ready(
    here: Town, ana: Person
) -> None:
    async with here.client(await here.token(ana), here.approving(ana.name, ANA)) as client:
        result = await client.call_tool("valetkey.connect", {"tools": [NOTE, WRITE]})
        assert result.structured_content is not None
        assert result.structured_content["state"] == "ready"
        assert not (await client.call_tool(NOTE, {})).is_error


async def test_a_connector_stands_for_its_tools_that_only_read(here: Town, ana: Person) -> None:
    await here.connected(ana, NOTE, also=["notes.whose"])
    tools = here.house.ground.catalog.connectors["notes"].tools.values()
    also = {tool.name for tool in tools if tool.effect == "read"}
    assert set((await _call(here, ana, "connect", {"connectors": ["notes"]}))["tools"]) == also


async def test_where_nothing_is_missing_connect_says_ready_and_asks_nobody(here: Town, ana: Person) -> None:
    await here.connected(ana, NOTE)
    said = await _call(here, ana, "connect", {"tools": [NOTE]})
    assert (said["state"], said["tools"]) == ("ready", [NOTE])
    assert (await _call(here, ana, "wait"))["requests"] == []


async def test_another_account_is_asked_for_on_request(here: Town, ana: Person) -> None:
    await here.connected(ana, NOTE)
    told = await _call(here, ana, "connect", {"tools": [NOTE], "another_account": True})
    assert "another Notes account" in told
    both = {"tools": [NOTE, MAIL], "another_account": True}
    assert (await _call(here, ana, "connect", both)).startswith("[invalid]")


@pytest.mark.parametrize(
    ("arguments", "outcome"),
    [
        ({}, "invalid"),
        ({"tools": []}, "invalid"),
        ({"tools": ["gmail.nothing"]}, "not_found"),
        ({"connectors": ["gmial"]}, "not_found"),
        ({"tools": ["valetkey.whoami"]}, "not_found"),
        ({"tool": ["gmail.list_unread"]}, "invalid"),
    ],
)
async def test_what_cannot_be_asked_for_is_explained(
    here: Town, ana: Person, arguments: dict[str, Any], outcome: str
) -> None:
    assert (await _call(here, ana, "connect", arguments)).startswith(f"[{outcome}]")


async def test_connections_shows_accounts_as_this_agent_sees_them(here: Town, ana: Person) -> None:
    await here.connected(ana, NOTE)
    mine = await _call(here, ana, "connections")
    (account,) = mine["accounts"]
    assert (account["account"], account["state"], account["tools"]) == (ANA, "connected", [NOTE])
    assert account["link"] is None
    assert "gmail" in mine["not_connected"]
    (seen,) = (await _call(here, ana, "connections", agent="other"))["accounts"]
    assert (seen["tools"], seen["link"][: len(here.url)]) == ([], here.url), "a link to be allowed something"
    assert (await _call(here, await here.newcomer(), "connections"))["accounts"] == []


async def test_an_account_whose_access_ended_comes_with_a_link_to_renew_it(here: Town, ana: Person) -> None:
    token = await here.connected(ana, NOTE)
    here.sandbox.strict.ledger.revoke(ANA)
    async with here.client(token) as client:
        assert "[reconnect]" in text(await client.call_tool(NOTE, {}))
    (account,) = (await _call(here, ana, "connections"))["accounts"]
    assert (account["state"], account["tools"]) == ("needs_reauth", [])
    await here.approve(account["link"], ana.name, ANA)
    (account,) = (await _call(here, ana, "connections"))["accounts"]
    assert (account["state"], account["tools"]) == ("connected", [NOTE])


async def test_wait_says_how_each_request_stands(here: Town, ana: Person) -> None:
    await _call(here, ana, "connect", {"tools": [NOTE]})
    (open_,) = await here.house.requests.open_of(await _caller(here, ana))
    await here.approve(here.house.requests.link(open_), ana.name, ANA)
    said = await _call(here, ana, "wait", {"request": open_.id})
    assert said["requests"] == [{"request": open_.id, "state": "met", "tools": [NOTE], "link": None}]
    assert "Call the tools" in said["next"]


async def test_nobody_waits_for_what_is_not_theirs(here: Town, ana: Person) -> None:
    await _call(here, ana, "connect", {"tools": [NOTE]})
    (theirs,) = await here.house.requests.open_of(await _caller(here, ana))
    other = await here.newcomer()
    unknown = await _call(here, other, "wait", {"request": "req_" + "0" * 32})
    assert unknown.startswith("[not_found]")
    assert await _call(here, other, "wait", {"request": theirs.id}) == unknown
    assert await _call(here, ana, "wait", {"request": theirs.id}, agent="other") == unknown
    assert (await _call(here, other, "wait"))["requests"] == []


async def test_they_are_recorded_as_any_other_call_and_refused_to_a_suspended_agent(
    here: Town, ana: Person
) -> None:
    token = await here.token(ana, "naughty")
    async with here.client(token) as client:
        await client.call_tool("valetkey.whoami", {})
        async with here.house.ground.store.transaction() as tx:
            await here.house.agents.suspend(tx, await here.house.agents.named(tx, "naughty"))
        assert "[denied]" in text(await client.call_tool("valetkey.whoami", {}))
    calls = [one for one in await here.records(ana) if one.kind == "call"]
    assert [(one.tool, one.outcome) for one in calls] == [
        ("valetkey.whoami", "ok"),
        ("valetkey.whoami", "denied"),
    ]


async def test_both_spellings_are_taken(here: Town, ana: Person) -> None:
    async with here.client(await here.token(ana), at="/mcp/flat") as client:
        names = {tool.name for tool in (await client.list_tools()).tools}
        assert {name.replace(".", "_") for name in OWN} <= names
        assert not (await client.call_tool("valetkey_whoami", {})).is_error


async def test_wait_ends_with_the_answer_and_after_its_time(here: Town, ana: Person) -> None:
    answering, caller = here.house.calls._answering, await _caller(here, ana)
    request = await here.house.requests.find_or_make(caller, (NOTE,), Outcome.NOT_CONNECTED)
    said = await replace(answering, waits=0.05).wait(caller, {})
    assert [one["state"] for one in said["requests"]] == ["open"]
    assert said["requests"][0]["link"] == here.house.requests.link(request)
    answered = []

    async def wait() -> None:
        answered.append((await answering.wait(caller, {}))["requests"][0]["state"])

    with anyio.fail_after(10):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(wait)
            while request.id not in here.house.requests._settled:  # until it waits
                await anyio.lowlevel.checkpoint()
            await here.house.answers.decline(request)
    assert answered == ["declined"]


async def _caller(here: Town, person: Person) -> Caller:
    async with here.house.ground.store.transaction() as tx:
        actor = await here.house.agents.named(tx, "triage")
    return Caller(person.principal, Actor(actor.id), "ses_test")
