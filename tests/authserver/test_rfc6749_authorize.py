"""/authorize: a client asks, a person sees what it is, and their yes or no goes back with it."""

from pathlib import Path
from urllib.parse import parse_qsl, urlsplit

import httpx2
import pytest

from tests.authserver.front import AWAY, BACK, Front, told
from tests.pages.browser import Browser
from tests.support.town import PASSWORD, town
from valetkey.authserver.authorizations import LASTS, MOST
from valetkey.model import DAY, MINUTE
from valetkey.people import Agent, Kind


async def test_a_client_that_is_let_in_gets_a_code_for_tokens(front: Front) -> None:
    client = await front.client(client_name="Reader")
    answer = await front.let_in(client)
    assert set(answer) == {"code", "state", "iss"}
    assert answer["state"] == "of the client"
    assert answer["iss"] == front.town.url
    tokens = (await front.redeem(client, answer["code"])).json()
    assert set(tokens) >= {"access_token", "refresh_token", "expires_in", "token_type"}
    found = await front.town.house.identity.of_token(tokens["access_token"], f"{front.town.url}/mcp")
    assert found.caller.principal == front.person.principal
    assert found.caller.actor.client == client


async def test_the_page_says_who_asks_and_what_it_may_do_and_where_it_leads(front: Front) -> None:
    page = await front.ask(await front.client(client_name="Reader"))
    assert page.status == 200
    for text in (
        "Let Reader act for you?",
        "This is what it calls itself. Nobody has checked it.",
        "Which ones, with which account and for how long, you decide each time.",
        "localhost, an application on this computer",
        f"{front.town.url}/mcp",
        "30 days after its last use, 180 days at most",
        "Allow it only if you have just begun this yourself",
    ):
        assert text in page.text
    assert front.person.name in page.response.text


async def test_a_client_elsewhere_is_shown_with_its_host(front: Front) -> None:
    page = await front.ask(await front.client(redirect_uris=[AWAY]), redirect_uri=AWAY)
    assert "app.example" in page.text
    assert "on this computer" not in page.text
    policy = page.response.headers["content-security-policy"]
    assert "form-action 'self' https://app.example" in policy
    assert told(await front.decide(page), AWAY)["code"]


async def test_a_client_of_the_operators_is_said_to_be_one(front: Front) -> None:
    metadata = {"redirect_uris": [BACK], "token_endpoint_auth_method": "none"}
    async with front.town.house.ground.store.transaction() as tx:
        await front.town.house.agents.add(tx, "agt_reporter", "reporter", Kind.NAMED, metadata)
    page = await front.ask("agt_reporter")
    assert "The operator of this server has registered it." in page.text
    assert told(await front.decide(page))["code"]


async def test_claude_code_is_let_in_without_a_network_and_on_any_port(front: Front) -> None:
    known = "https://claude.ai/oauth/claude-code-client-metadata"
    back = "http://localhost:53682/callback"
    page = await front.ask(known, redirect_uri=back)
    assert "Let Claude Code act for you?" in page.text
    assert "claude.ai says that this is its name." in page.text
    assert await front.count("agents", "kind = 'document'") == 0  # nobody has let it in yet
    answer = told(await front.decide(page), back)
    assert (await front.redeem(known, answer["code"], redirect_uri=back)).status_code == 200
    kept = await front.town.house.agents.get(front.town.house.ground.store, known)
    assert kept
    assert (kept.name, kept.kind) == ("Claude Code", Kind.DOCUMENT)


async def test_a_client_that_names_no_endpoint_is_for_the_one_of_all_tools(front: Front) -> None:
    client = await front.client()
    page = await front.ask(client, resource=None)
    assert f"{front.town.url}/mcp" in page.text
    code = told(await front.decide(page))["code"]
    assert (await front.redeem(client, code, resource=f"{front.town.url}/mcp")).status_code == 200


async def test_a_client_for_one_endpoint_is_let_in_there_and_nowhere_else(front: Front) -> None:
    flat, client = f"{front.town.url}/mcp/flat", await front.client()
    page = await front.ask(client, resource=flat)
    assert flat in page.text
    code = told(await front.decide(page))["code"]
    token = (await front.redeem(client, code, resource=flat)).json()["access_token"]
    headers = {"Authorization": f"Bearer {token}"}
    there, other = [
        (await front.http.post(path, headers=headers, json={})).status_code for path in ("/mcp/flat", "/mcp")
    ]
    assert there != 401
    assert other == 401


@pytest.mark.parametrize("scope", [None, "mcp", "mcp offline_access", "operate", "operate audit", "x\ty"])
async def test_scopes_we_do_not_give_are_left_out(front: Front, scope: str | None) -> None:
    client = await front.client()
    code = (await front.let_in(client, scope=scope))["code"]
    assert (await front.redeem(client, code)).json()["scope"] == "mcp"


async def test_somebody_who_says_no_sends_the_client_back_with_that(front: Front) -> None:
    client = await front.client()
    answer = told(await front.decide(await front.ask(client), "deny", password=""))
    assert answer["error"] == "access_denied"
    assert answer["state"] == "of the client"
    assert answer["iss"] == front.town.url
    assert await front.count("sessions", f"actor = '{client}'") == 0
    (event,) = await front.events("client.declined")
    assert event.actor.client == client


async def test_a_wrong_password_lets_nobody_in_and_loses_nothing(front: Front) -> None:
    client = await front.client()
    page = await front.ask(client)
    again = await front.decide(page, password="not this one")
    assert again.status == 403
    assert "This is not your password." in again.text
    assert await front.count("sessions", f"actor = '{client}'") == 0
    assert told(await front.decide(again))["code"]


@pytest.mark.parametrize("decision", ["", "yes", "Allow", "deny"])
async def test_only_the_word_allow_allows(front: Front, decision: str) -> None:
    assert (
        told(await front.decide(await front.ask(await front.client()), decision))["error"] == "access_denied"
    )


async def test_an_answer_is_given_once(front: Front) -> None:
    client = await front.client()
    page = await front.ask(client)
    await front.decide(page)
    assert (await front.decide(page)).status == 410
    assert (await front.decide(page, "deny")).status == 410
    assert await front.count("sessions", f"actor = '{client}'") == 1


async def test_a_request_waits_for_ten_minutes(front: Front) -> None:
    assert LASTS == 10 * MINUTE
    client = await front.client()
    page = await front.ask(client)
    front.town.clock.advance(LASTS - 1)
    assert (await front.browser.open(page.response.request.url.path)).status == 200
    front.town.clock.advance(1)
    assert (await front.browser.open(page.response.request.url.path)).status == 410
    assert (await front.decide(page)).status == 410
    assert await front.town.house.jobs.once()
    assert await front.count("authorizations") == 0


@pytest.mark.parametrize("made_up", ["x", "agt_1", "%00", "a" * 500, "' OR 1=1 --"])
async def test_a_request_nobody_made_is_not_open(front: Front, made_up: str) -> None:
    assert (await front.browser.open(f"/authorize/{made_up}")).status == 410


async def test_somebody_who_is_not_signed_in_signs_in_first_and_then_sees_it(front: Front) -> None:
    client = await front.client(client_name="Reader")
    async with Browser(url=front.town.url) as browser:
        asked = await browser.open(front.path(client, state="s" * 4_000))
        page = await browser.follow(asked)
        assert page.response.request.url.path == "/signin"
        signed_in = await browser.send(page, {"name": front.person.name, "password": PASSWORD})
        consent = await browser.follow(signed_in)
        assert "Let Reader act for you?" in consent.text
        answer = told(await browser.send(consent, {"password": PASSWORD, "decision": "allow"}))
        assert answer["state"] == "s" * 4_000


async def test_having_signed_in_is_not_having_said_yes(front: Front) -> None:
    """Whoever drives the browser has its cookie: every consent takes the proof anew."""
    client = await front.client()
    await front.let_in(client)
    page = await front.ask(client)
    assert "Your password" in page.text
    assert (await front.decide(page, password="")).status == 403


async def test_what_is_signed_in_lives_as_long_as_the_code_until_that_is_redeemed(front: Front) -> None:
    client, sessions = await front.client(), front.town.house.sessions
    answer = await front.let_in(client)
    (session,) = await sessions.of_actor(front.town.house.ground.store, client)
    assert session.until == front.town.clock.now() + MINUTE
    assert session.label == "localhost"
    await front.redeem(client, answer["code"])
    (session,) = await sessions.of_actor(front.town.house.ground.store, client)
    assert session.until == front.town.clock.now() + 30 * DAY


async def test_the_audit_says_who_let_what_in_and_where_it_led(front: Front) -> None:
    client = await front.client()
    await front.let_in(client)
    (event,) = await front.events("client.signed_in")
    assert event.by == "person"
    assert event.actor.client == client
    (session,) = await front.town.house.sessions.of_actor(front.town.house.ground.store, client)
    assert event.details == {
        "session": session.id,
        "redirect": "localhost",
        "resource": f"{front.town.url}/mcp",
    }


async def test_a_client_that_was_suspended_meanwhile_is_let_in_no_more(front: Front) -> None:
    client = await front.client()
    page = await front.ask(client)
    async with front.town.house.ground.store.transaction() as tx:
        await front.town.house.agents.suspend(tx, Agent(client, ""))
    assert (await front.decide(page)).status == 400
    answer = told(await front.browser.open(front.path(client)))
    assert answer["error"] == "unauthorized_client"


async def test_of_many_that_wait_the_oldest_makes_way(front: Front) -> None:
    store, now = front.town.house.ground.store, front.town.clock.now()
    first = await front.ask(await front.client())
    rows = [(f"old{number}", "{}", now + LASTS - MINUTE + number) for number in range(MOST)]
    async with store.transaction() as tx:
        await tx.many("INSERT INTO authorizations VALUES ($1, $2, $3, '')", rows)
    second = await front.ask(await front.client())
    assert second.status == 200
    assert await front.count("authorizations") == MOST
    assert await front.count("authorizations", "id = 'old0'") == 0
    assert (await front.browser.open(first.response.request.url.path)).status == 200
    async with store.transaction() as tx:
        await tx.run("DELETE FROM authorizations")


async def test_with_more_clients_than_anybody_may_have_the_oldest_ends(tmp_path: Path) -> None:
    async with (
        town(tmp_path, more="[limits]\nclients = 2") as here,
        Browser(url=here.url) as browser,
        httpx2.AsyncClient(base_url=here.url, trust_env=False) as http,
    ):
        front = Front(here, await here.person("ana"), browser, http)
        await front.sign_in(browser)
        client = await front.client()
        for _ in range(3):
            here.clock.advance(1)
            assert (await front.redeem(client, (await front.let_in(client))["code"])).status_code == 200
        live = await here.house.sessions.of_actor(here.house.ground.store, client)
        assert [session.created for session in live] == [here.clock.now(), here.clock.now() - 1]
        assert (await browser.open("/mine")).status == 200  # a browser is no client


async def test_a_redirect_uri_with_a_query_keeps_it(front: Front) -> None:
    back = f"{AWAY}?tenant=7"
    client = await front.client(redirect_uris=[back])
    answer = await front.decide(await front.ask(client, redirect_uri=back))
    query = dict(parse_qsl(urlsplit(answer.location).query))
    assert query["tenant"] == "7"
    assert query["code"]
