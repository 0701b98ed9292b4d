"""Ben with every id of Ana's at every door there is: the answer is that of an id nobody has (T1)."""

import json
import re
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from typing import Any

import pytest

from tests.attacks.doors import ARGUMENTS, ELSEWHERE, FOREIGN, NOBODYS, Place
from tests.attacks.sessions import LISTING, initialized, legacy
from tests.laws.source import named_tests
from tests.pages.browser import Browser
from tests.support.agents import Alone, alone, named
from tests.support.town import PASSWORD, Town, town
from tests.support.wire import Wire
from valetkey.model import Actor, Caller, Outcome
from valetkey.pages.door import Door
from valetkey.people import Person
from valetkey.people.passkeys import TABLE as PASSKEYS
from valetkey.server.changes import Changes
from valetkey.serving.application import application, endpoints_of, pages_application
from valetkey.serving.readiness import Readiness
from valetkey.vault.rows import BoundRows

Answer = tuple[int, str]
EMAIL = "ana@example.com"
PROBES = [(door, place) for door, places in FOREIGN.items() for place in places]


@dataclass(slots=True)
class Hers:
    """Somebody, the ids of what is theirs by kind, and the three ways in which they come to the server."""

    person: Person
    page: Browser
    agent: Alone
    mcp: Wire
    ids: dict[str, str] = field(default_factory=dict)


async def _moved_in(stack: AsyncExitStack, here: Town, client: str = "triage") -> Hers:
    person = await here.newcomer()
    page = await stack.enter_async_context(Browser(url=here.url))
    await page.send(await page.open("/signin"), {"name": person.name, "password": PASSWORD})
    agent = await stack.enter_async_context(alone(here, await named(here)))
    mcp = await stack.enter_async_context(here.wire(await here.token(person, client)))
    return Hers(person, page, agent, mcp)


async def _with_everything(stack: AsyncExitStack, here: Town) -> Hers:
    """Somebody who has one of each kind of thing there is."""
    ana = await _moved_in(stack, here)
    await here.connected(ana.person)
    (connection,) = await here.house.connections.rows.of(ana.person.principal)
    (grant,) = await here.house.grants.of(ana.person.principal)
    await ana.mcp.call("gmail.list_unread", {})
    async with here.house.ground.store.transaction() as tx:
        passkey, who = here.house.ground.ids.new("pky"), ana.person.principal
        named = {"id": passkey, "issuer": who.issuer, "subject": who.subject, "credential": passkey}
        rows = BoundRows(here.house.ground.keys, PASSKEYS)
        await rows.insert(tx, **named, host="localhost", public_key=b"", count=0, name="Her key", created=0)
    caller = Caller(ana.person.principal, Actor(grant.actor), "ses_of_the_agent")
    request = await here.house.requests.find_or_make(caller, ("gmail.get_message",), Outcome.NOT_GRANTED)
    asked = (await ana.agent.ask(ana.person.name)).json()["request"]
    sessions = await here.house.sessions.of(here.house.ground.store, ana.person.principal)
    calls = [one.id for one in await here.records(ana.person) if one.kind == "call"]
    ana.ids |= {"connection": connection.id, "grant": grant.id, "agent": grant.actor, "call": calls[-1]}
    ana.ids |= {"session": sessions[0].id, "passkey": passkey, "request": asked}
    ana.ids |= {"handle": here.house.requests.handle(request), "own request": request.id}
    for at in ("/mcp", "/mcp/flat"):
        ana.mcp.at = at
        ana.ids[f"stream {at}"] = await initialized(ana.mcp)
    return ana


@pytest.fixture(scope="module")
async def here(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Town]:
    async with town(tmp_path_factory.mktemp("home"), hold=0.02) as opened:
        yield opened


@pytest.fixture(scope="module")
async def ana(here: Town) -> AsyncIterator[Hers]:
    async with AsyncExitStack() as stack:
        yield await _with_everything(stack, here)


@pytest.fixture(scope="module")
async def ben(here: Town) -> AsyncIterator[Hers]:
    async with AsyncExitStack() as stack:
        yield await _moved_in(stack, here, "scribe")


async def _everything(here: Town, *but: str) -> dict[str, list[tuple[object, ...]]]:
    """All rows of all tables but those that any request touches."""
    store = here.house.ground.store
    tables = await store.all("SELECT name FROM sqlite_master WHERE type = 'table'")
    names = {one["name"] for one in tables} - {"checkpoints", "leases", *but}
    return {name: [tuple(row) for row in await store.all(f"SELECT * FROM {name}")] for name in names}


def _invented(one: str) -> str:
    """An id of the same form that nobody has."""
    end = "000000" if re.fullmatch(r"[a-z]+_[0-9a-f]{32}", one) else "AAAAAA"
    assert not one.endswith(end)
    return one[:-6] + end


async def _tried(who: Hers, door: str, place: Place, one: str) -> Answer:
    """Try a door with an id; what is answered, without the id itself."""
    method, path = door.split(" ")
    send = {"page": _on_a_page, "agent": _as_an_agent, "mcp": _as_a_client}[place.who]
    status, body = await send(who, method, path, place, one)
    return status, body.replace(one, "").replace(json.dumps(one)[1:-1], "")


async def _on_a_page(who: Hers, method: str, path: str, place: Place, one: str) -> Answer:
    path = re.sub(r"\{\w+\}", one, path)
    if method == "GET":
        reply = await who.page.http.get(path, params={place.field: one} if place.field else None)
        return reply.status_code, reply.text
    stamp = (await who.page.open("/mine")).sheet("/signout").fields
    fields = [*stamp, ("lasts", "1 hour"), ("password", PASSWORD), ("decision", "allow")]
    seen = await who.page.post(path, [*fields, *([(place.field, one)] if place.field else [])])
    return seen.status, seen.response.text


async def _as_an_agent(who: Hers, method: str, path: str, place: Place, one: str) -> Answer:
    reply = await who.agent.http.request(method, who.agent.url + path.replace("{id}", one))
    return reply.status_code, reply.text


async def _as_a_client(who: Hers, method: str, path: str, place: Place, one: str) -> Answer:
    headers = legacy(who.mcp) | {"Mcp-Session-Id": one, "Last-Event-ID": "1"}
    sent = LISTING if method == "POST" else None
    async with who.mcp.http.stream(method, who.mcp.url + path, headers=headers, json=sent) as reply:
        opened = reply.headers.get("content-type", "").startswith("text/event-stream")
        return reply.status_code, "" if opened else (await reply.aread()).decode()


def _id(hers: Hers, door: str, place: Place) -> str:
    kind = f"stream {door.split(' ')[1]}" if place.kind == "stream" else place.kind
    return hers.ids[kind]


@pytest.mark.parametrize(("door", "place"), PROBES, ids=[f"{door} {place.field}" for door, place in PROBES])
async def test_nothing_of_hers_can_be_seen_or_changed_or_told_from_nothing(
    here: Town, ana: Hers, ben: Hers, door: str, place: Place
) -> None:
    one = _id(ana, door, place)
    before = await _everything(here, "failures", "agents")
    foreign = await _tried(ben, door, place, one)
    invented = await _tried(ben, door, place, _invented(one))
    assert foreign[0] == place.status
    assert invented[0] == 404
    assert foreign == invented or place.status == 403
    assert not [told for told in (ana.person.name, EMAIL, *ana.ids.values()) if told in foreign[1]]
    assert await _everything(here, "failures", "agents") == before


async def test_the_same_ids_are_something_to_whose_they_are(here: Town) -> None:
    """So that the answers above are about whose they are. What ends something else comes last."""
    order = ["GET", "POST /connect", "POST /mine/grants", "POST /mcp", "POST /mine/pass", "POST", "DELETE"]
    probes = [one for one in PROBES if one[1].field != "ended"]
    probes.sort(key=lambda probe: next(i for i, start in enumerate(order) if probe[0].startswith(start)))
    probes.sort(key=lambda probe: probe[0].endswith(("/revoke", "/sessions", "/stop")))
    async with AsyncExitStack() as stack:
        cleo = await _with_everything(stack, here)
        for door, place in probes:
            if (
                door.endswith("confirm") or door == "POST /mine/sessions"
            ):  # needs a trip, or is a test of its own
                continue
            status, _ = await _tried(cleo, door, place, _id(cleo, door, place))
            assert status not in {403, 404}, door


@pytest.mark.parametrize("tool", ARGUMENTS)
async def test_an_argument_with_hers_is_answered_as_one_with_nobodys(
    here: Town, ana: Hers, ben: Hers, tool: str
) -> None:
    kinds = {argument: kind for argument, kind in ARGUMENTS[tool].items() if kind}
    one = ana.ids["own request"]
    for argument in kinds:
        told = [await ben.mcp.call(tool, {argument: each}) for each in (one, _invented(one))]
        assert told[0] == told[1]
        assert told[0]["_meta"]["valetkey/outcome"] == "not_found"
    if not kinds:
        wanted = {"connectors": ["gmail"]} if "connectors" in ARGUMENTS[tool] else {}
        said = json.dumps(await ben.mcp.call(tool, wanted))
        assert not [one for one in (ana.person.name, EMAIL, *ana.ids.values()) if one in said]


async def test_her_account_is_as_unknown_to_his_agent_as_any(here: Town, ana: Hers, ben: Hers) -> None:
    one = ana.ids["connection"]
    told = [
        await ben.mcp.call("gmail.list_unread", {"account": each}) for each in (one, _invented(one), EMAIL)
    ]
    assert told[0]["inputRequests"] == told[1]["inputRequests"] == told[2]["inputRequests"], (
        "it is Ben's link"
    )


def _doors(house: Any) -> Iterator[str]:
    endpoints = endpoints_of(house, Changes(house.ground.store, house.ground.clock))
    routes: list[Any] = [
        *application(house, endpoints, Readiness(house)).routes,
        *pages_application(house).routes,
    ]
    for route in routes:
        yield from (f"{method} {route.path}" for method in _methods(route))


def _methods(route: Any) -> set[str]:
    if isinstance(route.endpoint, Door):
        handled = {"GET": route.endpoint._get, "POST": route.endpoint._post}
        return {method for method, handler in handled.items() if handler}
    return set(route.methods or {"GET", "POST", "DELETE"}) - {"HEAD"}  # an endpoint of MCP takes these three


async def test_every_door_is_in_one_of_the_tables(here: Town) -> None:
    tables = [*FOREIGN, *ELSEWHERE, *NOBODYS]
    assert len(tables) == len(set(tables))
    assert set(_doors(here.house)) == set(tables)


async def test_every_argument_of_the_servers_own_tools_is_in_the_table(here: Town) -> None:
    known = {tool.name: set(tool.input_schema["properties"]) for tool in here.house.calls.own}
    assert known == {tool: set(arguments) for tool, arguments in ARGUMENTS.items()}


def test_the_tests_that_stand_elsewhere_are_there() -> None:
    assert {one for tests in ELSEWHERE.values() for one in tests} <= named_tests()
