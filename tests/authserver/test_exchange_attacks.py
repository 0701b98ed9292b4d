"""Token exchange under attack: the ways to get more than a person has given, or to learn what others have."""

from dataclasses import replace

import httpx2
import pytest

from tests.authserver.exchanging import ana, here, triage
from tests.support.agents import alone, assertion, at_night, end_session, exchanged, given, keyed, named
from tests.support.town import Town
from valetkey.authserver.asking import Client, Form
from valetkey.authserver.authentication import ASSERTION_TYPE
from valetkey.authserver.rfc6749_client_credentials import CLIENT_CREDENTIALS
from valetkey.authserver.rfc8693_asked import ACCESS_TOKEN, EXCHANGE, GRANT, JWT, asked
from valetkey.authserver.rfc8693_exchange import MOST
from valetkey.errors import OAuthError
from valetkey.identity.subjects import Subject
from valetkey.model import DAY, HOUR, Actor
from valetkey.people import Agent, Person
from valetkey.serving.acting import grant_types

__all__ = ["ana", "here", "triage"]  # fixtures


async def test_another_agents_grant_is_as_unknown_as_one_that_never_was_or_has_ended(
    here: Town, ana: Person, triage: Agent
) -> None:
    other = await named(here)
    theirs, ended = await given(here, ana, other), await given(here, ana, triage)
    await here.house.grants.revoke(ana.principal, ended.id)
    answers = []
    for guess in (theirs.id, ended.id, here.house.ground.ids.new("grt"), "x", "' OR 1=1 --", "\x00", "%"):
        with pytest.raises(OAuthError) as refused:
            await at_night(here, triage, guess)
        answers.append((refused.value.error, refused.value.description, refused.value.status))
    assert len(set(answers)) == 1


async def test_a_grant_for_the_day_is_none_for_the_night(here: Town, ana: Person, triage: Agent) -> None:
    grant = await given(here, ana, triage, offline=False)
    with pytest.raises(OAuthError, match="access_denied"):
        await at_night(here, triage, grant.id)


async def test_a_used_up_grant_gives_no_token(here: Town, ana: Person, triage: Agent) -> None:
    grant = await given(here, ana, triage, uses=1)
    claim = here.house.grants.claim(grant)
    assert claim
    async with here.house.ground.store.transaction() as tx:
        await claim(tx)
    with pytest.raises(OAuthError, match="no such grant"):
        await at_night(here, triage, grant.id)


async def test_a_client_that_has_not_authenticated_gets_nothing(
    here: Town, ana: Person, triage: Agent
) -> None:
    grant = await given(here, ana, triage)
    form = Form({"subject_token": grant.id, "subject_token_type": GRANT})
    with pytest.raises(OAuthError, match="unauthorized_client"):
        await grant_types(here.house)[EXCHANGE].answer(Client(triage, proven=False), form)


@pytest.mark.parametrize("proven", [True, False])
async def test_an_agent_alone_can_act_for_nobody(here: Town, triage: Agent, proven: bool) -> None:
    with pytest.raises(OAuthError, match="unauthorized_client") as refused:
        await grant_types(here.house)[CLIENT_CREDENTIALS].answer(Client(triage, proven), Form({}))
    assert EXCHANGE in refused.value.description
    noted = await here.house.ground.store.all("SELECT kind FROM audit WHERE actor = $1", triage.id)
    assert [row["kind"] for row in noted] == (["token.refused"] if proven else [])


@pytest.mark.parametrize("kind", [ACCESS_TOKEN, JWT])
@pytest.mark.parametrize("token", ["x", "a.b.c", "", "x" * 10_000])
async def test_what_is_no_token_of_ours_is_refused(here: Town, triage: Agent, token: str, kind: str) -> None:
    with pytest.raises(OAuthError, match="invalid_request"):
        await exchanged(here, triage, token, subject_token_type=kind)


async def test_a_token_for_another_audience_is_refused(here: Town, ana: Person, triage: Agent) -> None:
    await given(here, ana, triage)
    async with here.house.ground.store.transaction() as tx:
        session = await here.house.sessions.start_token(tx, ana.principal, triage.id, HOUR)
    await exchanged(here, triage, here.house.tokens.mint(session))
    for resource in ("https://elsewhere.example/mcp", here.url, f"{here.url}/mcp/", f"{here.url}/mcp/x/y"):
        with pytest.raises(OAuthError, match="invalid_request"):
            await exchanged(here, triage, here.house.tokens.mint(replace(session, resource=resource)))


async def test_a_token_whose_session_has_ended_is_refused(here: Town, ana: Person, triage: Agent) -> None:
    await given(here, ana, triage)
    async with here.house.ground.store.transaction() as tx:
        session = await here.house.sessions.start_token(tx, ana.principal, triage.id, DAY)
    token = here.house.tokens.mint(session)
    await end_session(here, session.id)
    with pytest.raises(OAuthError, match="invalid_request"):
        await exchanged(here, triage, token)


async def test_a_token_passes_through_three_agents_and_no_fourth(here: Town, ana: Person) -> None:
    token = await here.token(ana, "assistant")
    for _ in range(2):
        agent = await named(here)
        await given(here, ana, agent)
        token = (await exchanged(here, agent, token))["access_token"]
    fourth = await named(here)
    await given(here, ana, fourth)
    with pytest.raises(OAuthError, match="3 agents at most"):
        await exchanged(here, fourth, token)


@pytest.mark.parametrize("scope", ["mcp operate", "operate", "audit", "openid", "mcp mcp:all"])
async def test_a_scope_can_only_narrow(here: Town, ana: Person, triage: Agent, scope: str) -> None:
    grant = await given(here, ana, triage)
    with pytest.raises(OAuthError, match="invalid_scope"):
        await at_night(here, triage, grant.id, scope=scope)


def _subject(ana: Person, **more: object) -> Subject:
    values = {"until": 2**50, "scopes": ("mcp",), "resource": "https://ours.example/mcp", **more}
    return Subject(principal=ana.principal, **values)  # type: ignore[arg-type]  # the cases' values are right


async def test_what_an_operator_may_do_is_never_passed_on(ana: Person) -> None:
    assert asked(Form({}), _subject(ana, scopes=("operate", "mcp")), "agt_x").scopes == ("mcp",)
    with pytest.raises(OAuthError, match="invalid_scope"):
        asked(Form({}), _subject(ana, scopes=("operate",)), "agt_x")


async def test_may_act_names_the_only_agent_that_may(ana: Person) -> None:
    subject = _subject(ana, may_act="agt_theirs")
    assert asked(Form({}), subject, "agt_theirs").chain == ()
    with pytest.raises(OAuthError, match="another agent"):
        asked(Form({}), subject, "agt_other")


@pytest.mark.parametrize(
    "resource",
    [
        "https://elsewhere.example/mcp",
        "https://ours.example",
        "https://ours.example/mcp/",
        "https://ours.example/mcp/../x",
        "https://ours.example/mcpx",
        "https://ours.example/mcp#x",
        "https://ours.example/mcp\n",
        "HTTPS://ours.example/mcp",
    ],
)
@pytest.mark.parametrize("name", ["resource", "audience"])
async def test_a_token_for_elsewhere_is_not_issued(ana: Person, name: str, resource: str) -> None:
    with pytest.raises(OAuthError, match="invalid_target"):
        asked(Form({name: resource}), _subject(ana), "agt_x")


async def test_a_token_for_one_endpoint_opens_no_more_of_them_by_exchange(ana: Person) -> None:
    narrow = _subject(ana, resource="https://ours.example/mcp/flat")
    assert asked(Form({}), narrow, "agt_x").resource == narrow.resource
    for wider in ("https://ours.example/mcp", "https://ours.example/mcp/other"):
        with pytest.raises(OAuthError, match="invalid_target"):
            asked(Form({"resource": wider}), narrow, "agt_x")


async def test_two_names_for_two_places_are_refused(ana: Person) -> None:
    both = {"resource": "https://ours.example/mcp", "audience": "https://ours.example/mcp/flat"}
    with pytest.raises(OAuthError, match="invalid_target"):
        asked(Form(both), _subject(ana), "agt_x")


async def test_an_actor_token_of_somebody_else_is_refused(here: Town, ana: Person, triage: Agent) -> None:
    other = await named(here)
    grant, theirs = await given(here, ana, triage), await given(here, ana, other)
    stolen = (await at_night(here, other, theirs.id))["access_token"]
    with pytest.raises(OAuthError, match="another agent's"):
        await at_night(here, triage, grant.id, actor_token=stolen, actor_token_type=ACCESS_TOKEN)


@pytest.mark.parametrize(
    "form",
    [
        {"requested_token_type": "urn:ietf:params:oauth:token-type:refresh_token"},
        {"requested_token_type": JWT},
        {"subject_token_type": "urn:ietf:params:oauth:token-type:id_token"},
        {"subject_token_type": "urn:ietf:params:oauth:token-type:saml2"},
        {"subject_token_type": ""},
        {"actor_token": "x"},
        {"actor_token_type": ACCESS_TOKEN},
        {"actor_token": "x", "actor_token_type": ACCESS_TOKEN},
    ],
)
async def test_other_kinds_of_tokens_are_neither_taken_nor_given(
    here: Town, ana: Person, triage: Agent, form: dict[str, str]
) -> None:
    await given(here, ana, triage)
    with pytest.raises(OAuthError, match="invalid_request"):
        await exchanged(here, triage, await here.token(ana), **form)


async def test_a_refusal_is_on_record_with_what_was_known(here: Town, ana: Person, triage: Agent) -> None:
    grant = await given(here, ana, triage)
    with pytest.raises(OAuthError):
        await at_night(here, triage, grant.id, scope="operate")
    event = (await here.records(ana))[-1]
    assert (event.kind, event.by, event.actor) == ("token.refused", "agent", Actor(triage.id))
    assert (event.details["grant"], event.details["error"]) == (grant.id, "invalid_scope")


async def test_a_replayed_assertion_exchanges_nothing(here: Town, ana: Person) -> None:
    agent, key = await keyed(here)
    grant = await given(here, ana, agent)
    form = {
        "grant_type": EXCHANGE,
        "subject_token": grant.id,
        "subject_token_type": GRANT,
        "client_assertion": assertion(here, agent, key, jti="once"),
        "client_assertion_type": ASSERTION_TYPE,
    }
    async with httpx2.AsyncClient(timeout=20, trust_env=False) as http:
        first, replayed = [await http.post(f"{here.url}/token", data=form) for _ in range(2)]
    assert "access_token" in first.json()
    assert (replayed.status_code, replayed.json()["error"]) == (401, "invalid_client")


async def test_a_suspended_agent_exchanges_nothing(here: Town, ana: Person) -> None:
    async with alone(here) as agent:
        grant = await given(here, ana, agent.agent)
        assert (await agent.exchange(grant.id)).status_code == 200
        async with here.house.ground.store.transaction() as tx:
            await here.house.agents.suspend(tx, agent.agent)
        assert (await agent.exchange(grant.id)).json()["error"] == "unauthorized_client"
        async with here.house.ground.store.transaction() as tx:
            await here.house.agents.resume(tx, agent.agent)
        assert (await agent.exchange(grant.id)).status_code == 200


async def test_the_old_secret_exchanges_nothing_once_there_is_a_new_one(here: Town, ana: Person) -> None:
    async with alone(here) as old:
        grant = await given(here, ana, old.agent)
        async with alone(here, old.agent) as new:
            assert (await old.exchange(grant.id)).json()["error"] == "invalid_client"
            assert (await new.exchange(grant.id)).status_code == 200


async def test_an_agent_that_exchanges_without_end_has_to_wait_and_no_other_does(
    here: Town, ana: Person, triage: Agent
) -> None:
    exchange, client = grant_types(here.house)[EXCHANGE], Client(triage, proven=True)
    for _ in range(MOST):
        with pytest.raises(OAuthError, match="subject_token_type"):
            await exchange.answer(client, Form({}))
    with pytest.raises(OAuthError, match="try again in 1 seconds") as refused:
        await exchange.answer(client, Form({}))
    assert refused.value.status == 429
    with pytest.raises(OAuthError, match="subject_token_type"):
        await exchange.answer(Client(await named(here), proven=True), Form({}))
