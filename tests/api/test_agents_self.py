"""/agents/self: an agent learns its grants, asks ahead for its first, and learns nothing about people."""

import base64
from collections.abc import AsyncIterator

import httpx2
import pytest
from joserfc.jwk import OKPKey

from tests.support.agents import Alone, alone, assertion, given, keyed, named
from tests.support.town import Town, town
from valetkey.model import DAY, HOUR, MINUTE, Json
from valetkey.needs.requests import MOST_AHEAD
from valetkey.people import Kind, Person


@pytest.fixture(scope="module")
async def here(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Town]:
    async with town(tmp_path_factory.mktemp("home")) as opened_town:
        yield opened_town


@pytest.fixture
async def ana(here: Town) -> Person:
    return await here.newcomer()


@pytest.fixture
async def triage(here: Town) -> AsyncIterator[Alone]:
    async with alone(here) as agent:
        yield agent


async def test_an_agent_sees_its_live_grants_and_whose_they_are(
    here: Town, ana: Person, triage: Alone
) -> None:
    standing = await given(here, ana, triage.agent, uses=3)
    ended = await given(here, ana, triage.agent)
    await given(here, ana, await named(here))
    await here.house.grants.revoke(ana.principal, ended.id)
    assert await triage.grants() == [
        {
            "id": standing.id,
            "person": ana.name,
            "principal": f"local:{ana.subject}",
            "tools": ["gmail.list_unread"],
            "until": standing.until,
            "uses_left": 3,
            "offline": True,
        }
    ]


async def test_a_grant_without_an_end_or_a_count_says_null(here: Town, ana: Person, triage: Alone) -> None:
    await given(here, ana, triage.agent, lasts=None, offline=False)
    (grant,) = await triage.grants()
    assert (grant["until"], grant["uses_left"], grant["offline"]) == (None, None, False)


async def test_what_it_asks_ahead_waits_seven_days_before_that_person(
    here: Town, ana: Person, triage: Alone
) -> None:
    answer = await triage.ask(ana.name, "gmail.list_unread", "gmail.search_messages", offline=True)
    assert answer.status_code == 202
    assert answer.json().keys() == {"request", "state"}, "no link: it is on the person's own page"
    request = await here.house.requests.get(answer.json()["request"])
    assert (request.principal, request.actor) == (ana.principal, triage.agent.id)
    assert request.tools == ("gmail.list_unread", "gmail.search_messages")
    assert request.offline
    assert request.until == here.clock.now() + 7 * DAY


async def test_a_person_can_be_named_by_issuer_and_subject(here: Town, ana: Person, triage: Alone) -> None:
    by_name = (await triage.ask(ana.name)).json()
    by_subject = (await triage.ask(f"local:{ana.subject}")).json()
    assert by_name == by_subject


async def test_how_a_request_stands_is_told_to_the_agent_that_made_it(
    here: Town, ana: Person, triage: Alone
) -> None:
    made = (await triage.ask(ana.name)).json()["request"]
    assert (await triage.stands(made)).json()["state"] == "open"
    await here.house.answers.decline(await here.house.requests.get(made))
    assert (await triage.stands(made)).json()["state"] == "declined"
    async with alone(here) as other:
        theirs, never = await other.stands(made), await other.stands(here.house.ground.ids.new("req"))
    assert theirs.status_code == 404
    assert theirs.json() == never.json()


async def _probed(triage: Alone, name: str) -> list[tuple[int, Json]]:
    """Everything an agent can find out by asking for a name, again and again, ids aside."""
    told = []
    for tools in (
        ("gmail.list_unread",),
        ("gmail.list_unread",),
        ("gmail.get_message",),
        ("slack.post_message",),
    ):
        answer = await triage.ask(name, *tools, offline=True)
        stands = await triage.stands(answer.json()["request"])
        told.append((answer.status_code, answer.json() | {"request": ""}))
        told.append((stands.status_code, stands.json() | {"request": ""}))
    return told


@pytest.mark.parametrize("name", ["nobody", "local:per_nobody", "corp:ana", ":", "a:b:c", "Ana\n", "é" * 100])
async def test_a_name_that_nobody_has_answers_as_one_that_somebody_has(
    here: Town, ana: Person, name: str
) -> None:
    async with alone(here) as first, alone(here) as second:
        assert await _probed(first, name) == await _probed(second, ana.name)


async def test_asking_for_nobody_counts_as_asking_for_somebody(here: Town, triage: Alone) -> None:
    told = [(await triage.ask(f"nobody{number}")).status_code for number in range(MOST_AHEAD + 1)]
    assert told == [202] * MOST_AHEAD + [429]


async def test_five_requests_of_one_agent_are_open_over_all_people(here: Town, triage: Alone) -> None:
    people = [await here.newcomer() for _ in range(MOST_AHEAD + 1)]
    answers = [await triage.ask(person.name) for person in people]
    assert [answer.status_code for answer in answers] == [202] * MOST_AHEAD + [429]
    assert int(answers[-1].headers["retry-after"]) > 0
    assert answers[-1].json()["error"] == "rate_limited"
    assert (await triage.ask(people[0].name)).status_code == 202, "the same request is no new one"
    await here.house.answers.decline(await here.house.requests.get(answers[0].json()["request"]))
    assert (await triage.ask(people[-1].name)).status_code == 202


async def test_requests_ahead_leave_a_persons_calls_room_to_ask(here: Town, ana: Person) -> None:
    for _ in range(11):
        async with alone(here) as agent:
            for tool in ("list_unread", "get_message", "search_messages", "send_message"):
                assert (await agent.ask(ana.name, f"gmail.{tool}")).status_code == 202
    async with here.wire(await here.token(ana)) as wire:
        assert "inputRequests" in await wire.call("gmail.list_unread", {})


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b"null",
        b"{",
        b"\xff",
        b'{"principal": "ana"}',
        b'{"principal": "ana", "tools": []}',
        b'{"principal": "ana", "tools": "gmail.list_unread"}',
        b'{"principal": "ana", "tools": ["gmail.no_such_tool"]}',
        b'{"principal": "", "tools": ["gmail.list_unread"]}',
        b'{"principal": 7, "tools": ["gmail.list_unread"]}',
        b'{"principal": "ana", "tools": ["gmail.list_unread"], "offline": "yes"}',
        b'{"principal": "ana", "tools": ["gmail.list_unread"], "until": 1}',
        b"[" * 100_000,
        b" " * 70_000,
    ],
)
async def test_a_body_that_cannot_be_meant_is_refused_and_asks_nobody(triage: Alone, body: bytes) -> None:
    answer = await triage.http.post(f"{triage.url}/agents/self/requests", content=body)
    assert answer.status_code in {400, 413}
    assert answer.json()["error"] == "invalid_request"
    assert answer.headers["cache-control"] == "no-store"


async def test_an_agent_that_named_itself_cannot_put_itself_before_people(here: Town, ana: Person) -> None:
    async with here.house.ground.store.transaction() as tx:
        dynamic = await here.house.agents.add(tx, here.house.ground.ids.new("agt"), "triage", Kind.DYNAMIC)
    async with alone(here, dynamic) as agent:
        assert await agent.grants() == []
        assert (await agent.ask(ana.name)).status_code == 403


async def _shown(here: Town, authorization: str) -> httpx2.Response:
    async with httpx2.AsyncClient(timeout=20, trust_env=False) as http:
        return await http.get(f"{here.url}/agents/self/grants", headers={"Authorization": authorization})


async def test_an_agent_with_a_key_shows_an_assertion_once(here: Town, ana: Person) -> None:
    agent, key = await keyed(here)
    grant = await given(here, ana, agent)
    first = assertion(here, agent, key, jti="first")
    shown = await _shown(here, f"Bearer {first}")
    assert [one["id"] for one in shown.json()["grants"]] == [grant.id]
    assert (await _shown(here, f"Bearer {first}")).status_code == 401, "a replay"


async def test_whoever_is_not_the_agent_is_not_let_in(here: Town, triage: Alone) -> None:
    agent, key = await keyed(here)
    stranger = OKPKey.generate_key("Ed25519")
    basic = base64.b64encode(f"{triage.agent.id}:wrong".encode()).decode()
    for shown in (
        "",
        "Basic",
        f"Basic {basic}",
        "Bearer x",
        f"Bearer {assertion(here, agent, stranger, jti='stranger')}",
        f"Bearer {assertion(here, agent, key, jti='elsewhere', aud='https://elsewhere.example')}",
        f"Bearer {assertion(here, agent, key, jti='late', exp=here.clock.now() // 1000 - 3600)}",
        f"Digest {assertion(here, agent, key, jti='digest')}",
    ):
        refused = await _shown(here, shown)
        assert (refused.status_code, refused.json()["error"]) == (401, "invalid_client"), shown
        assert "www-authenticate" in refused.headers


async def test_a_token_to_act_for_somebody_is_no_way_in(here: Town, ana: Person) -> None:
    assert (await _shown(here, f"Bearer {await here.token(ana)}")).status_code == 401


async def test_a_suspended_agent_learns_nothing(here: Town, ana: Person, triage: Alone) -> None:
    await given(here, ana, triage.agent)
    async with here.house.ground.store.transaction() as tx:
        await here.house.agents.suspend(tx, triage.agent)
    for refused in (await triage.http.get(f"{triage.url}/agents/self/grants"), await triage.ask(ana.name)):
        assert refused.json().keys() == {"error", "error_description"}
        assert refused.status_code in {400, 403}


async def test_under_another_name_there_is_nothing(triage: Alone) -> None:
    answer = await triage.http.get(f"{triage.url}/agents/self/grants", headers={"Host": "elsewhere.example"})
    assert answer.status_code == 421


async def test_an_open_request_expires(here: Town, triage: Alone) -> None:
    made = (await triage.ask("nobody")).json()["request"]
    here.clock.advance(7 * DAY - MINUTE)
    assert (await triage.stands(made)).json()["state"] == "open"
    here.clock.advance(HOUR)
    assert (await triage.stands(made)).json()["state"] == "expired"
