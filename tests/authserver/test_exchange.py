"""Token exchange: what an agent gets for a person's token or a standing grant, and when it is over."""

import base64
import json

import pytest

from tests.authserver.exchanging import ana, here, triage
from tests.support.agents import at_night, end_session, exchanged, given, named, opened
from tests.support.town import Town
from valetkey.authserver.rfc8693_asked import ACCESS_TOKEN, JWT
from valetkey.errors import Unauthenticated
from valetkey.model import DAY, HOUR, MINUTE, SECOND, Actor, Json
from valetkey.people import Agent, Person

__all__ = ["ana", "here", "triage"]  # fixtures


def claims(token: str) -> dict[str, Json]:
    part = token.split(".")[1]
    said: dict[str, Json] = json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))
    return said


async def test_a_standing_grant_gives_a_token_that_names_person_and_agent(
    here: Town, ana: Person, triage: Agent
) -> None:
    grant = await given(here, ana, triage)
    answer = await at_night(here, triage, grant.id)
    assert {name: answer[name] for name in ("token_type", "issued_token_type", "expires_in", "scope")} == {
        "token_type": "Bearer",
        "issued_token_type": ACCESS_TOKEN,
        "expires_in": 600,
        "scope": "mcp",
    }
    assert "refresh_token" not in answer
    said = claims(answer["access_token"])
    assert (said["sub"], said["client_id"], said["act"]) == (ana.subject, triage.id, {"sub": triage.id})
    caller = (await opened(here, answer)).caller
    assert (caller.principal, caller.actor, caller.away) == (ana.principal, Actor(triage.id), True)


async def test_a_persons_token_gives_one_whose_chain_says_through_whom(
    here: Town, ana: Person, triage: Agent
) -> None:
    await given(here, ana, triage, offline=False)
    assistant = await here.token(ana, "assistant")
    behind = claims(assistant)["client_id"]
    answer = await exchanged(here, triage, assistant, subject_token_type=JWT)
    assert claims(answer["access_token"])["act"] == {"sub": triage.id, "act": {"sub": behind}}
    caller = (await opened(here, answer)).caller
    assert (caller.principal, caller.actor) == (ana.principal, Actor(triage.id, (behind,)))
    assert not caller.away, "the person was there"


async def test_an_exchange_is_on_record_with_everybody_in_it(here: Town, ana: Person, triage: Agent) -> None:
    grant = await given(here, ana, triage)
    token = await here.token(ana, "assistant")
    await exchanged(here, triage, token)
    (event,) = [one for one in await here.records(ana) if one.kind == "token.exchanged"]
    assert (event.by, event.principal) == ("agent", ana.principal)
    assert event.actor == Actor(triage.id, (claims(token)["client_id"],))
    assert event.details["grant"] == grant.id
    assert event.details["parent"] == claims(token)["sid"]


@pytest.mark.parametrize(
    ("subject", "grant", "lasts"),
    [
        (DAY, DAY, 10 * MINUTE),
        (3 * MINUTE, DAY, 3 * MINUTE),
        (DAY, 2 * MINUTE, 2 * MINUTE),
        (DAY, None, 10 * MINUTE),
    ],
)
async def test_it_ends_with_whatever_ends_first(
    here: Town, ana: Person, triage: Agent, subject: int, grant: int | None, lasts: int
) -> None:
    await given(here, ana, triage, lasts=grant)
    answer = await exchanged(here, triage, await here.token(ana, lasts=subject))
    assert answer["expires_in"] == lasts // SECOND
    here.clock.advance(lasts - SECOND)
    await opened(here, answer)
    here.clock.advance(SECOND)
    with pytest.raises(Unauthenticated):
        await opened(here, answer)


async def test_it_ends_at_once_with_its_grant(here: Town, ana: Person, triage: Agent) -> None:
    grant = await given(here, ana, triage)
    answers = [await at_night(here, triage, grant.id), await exchanged(here, triage, await here.token(ana))]
    await here.house.grants.revoke(ana.principal, grant.id)
    for answer in answers:
        with pytest.raises(Unauthenticated):
            await opened(here, answer)


async def test_it_ends_at_once_with_the_session_of_its_subject(
    here: Town, ana: Person, triage: Agent
) -> None:
    await given(here, ana, triage)
    token = await here.token(ana)
    answer = await exchanged(here, triage, token)
    await end_session(here, claims(token)["sid"])
    with pytest.raises(Unauthenticated):
        await opened(here, answer)


async def test_what_was_got_for_it_ends_with_the_grant_in_the_middle(here: Town, ana: Person) -> None:
    first, second = await named(here), await named(here)
    grant = await given(here, ana, first)
    await given(here, ana, second)
    derived = await exchanged(here, second, (await at_night(here, first, grant.id))["access_token"])
    assert (await opened(here, derived)).caller.away
    await here.house.grants.revoke(ana.principal, grant.id)
    with pytest.raises(Unauthenticated):
        await opened(here, derived)


async def test_what_was_got_for_it_ends_when_the_grant_in_the_middle_is_used_up(
    here: Town, ana: Person
) -> None:
    first, second = await named(here), await named(here)
    grant = await given(here, ana, first, uses=1)
    await given(here, ana, second)
    derived = await exchanged(here, second, (await at_night(here, first, grant.id))["access_token"])
    claim = here.house.grants.claim(grant)
    assert claim
    async with here.house.ground.store.transaction() as tx:
        assert await claim(tx)
    with pytest.raises(Unauthenticated):
        await opened(here, derived)


async def test_of_several_grants_the_one_that_lasts_longest_is_behind_it(
    here: Town, ana: Person, triage: Agent
) -> None:
    for lasts in (HOUR, None, MINUTE):
        await given(here, ana, triage, lasts=lasts, offline=False)
    await given(here, await here.newcomer(), triage, lasts=None)
    endless = next(one for one in await here.house.grants.of(ana.principal) if one.until is None)
    await exchanged(here, triage, await here.token(ana))
    (event,) = [one for one in await here.records(ana) if one.kind == "token.exchanged"]
    assert event.details["grant"] == endless.id


async def test_a_token_got_at_night_leads_only_to_grants_for_the_night(here: Town, ana: Person) -> None:
    first, second = await named(here), await named(here)
    grant = await given(here, ana, first, lasts=None)
    await given(here, ana, second, lasts=None, offline=False)
    standing = await given(here, ana, second)
    answer = await at_night(here, first, grant.id)
    await exchanged(here, second, answer["access_token"])
    event = [one for one in await here.records(ana) if one.kind == "token.exchanged"][-1]
    assert event.details["grant"] == standing.id


async def test_an_agent_that_renews_its_own_token_does_not_stand_behind_itself(
    here: Town, ana: Person, triage: Agent
) -> None:
    await given(here, ana, triage)
    answer = await exchanged(here, triage, await here.token(ana))
    chain = (await opened(here, answer)).caller.actor.chain
    for _ in range(3):
        answer = await exchanged(here, triage, answer["access_token"])
    assert (await opened(here, answer)).caller.actor.chain == chain


async def test_the_new_token_can_be_for_one_endpoint_alone(here: Town, ana: Person, triage: Agent) -> None:
    grant, flat = await given(here, ana, triage), f"{here.url}/mcp/flat"
    for name in ("resource", "audience"):
        answer = await at_night(here, triage, grant.id, **{name: flat})
        await opened(here, answer, flat)
        with pytest.raises(Unauthenticated):
            await opened(here, answer, f"{here.url}/mcp")


async def test_an_actor_token_can_say_once_more_who_authenticated(
    here: Town, ana: Person, triage: Agent
) -> None:
    grant = await given(here, ana, triage)
    own = (await at_night(here, triage, grant.id))["access_token"]
    token = await here.token(ana)
    answer = await exchanged(here, triage, token, actor_token=own, actor_token_type=ACCESS_TOKEN)
    assert (await opened(here, answer)).caller.actor.client == triage.id
