"""What is said of a token: to whoever has authenticated, and never more than that it is good now."""

import pytest

from tests.authserver.issuing import ANA, RESOURCE, URL, Issuing, basic
from valetkey.model import MINUTE, Json
from valetkey.people import Agent

SECRET = "a secret of the resource server"
NOT_GOOD = {"active": False}


@pytest.fixture
async def asker(desk: Issuing) -> Agent:
    return await desk.client("asker", secret=SECRET, token_endpoint_auth_method="client_secret_basic")


async def said(desk: Issuing, asker: Agent, token: str) -> Json:
    answer = await desk.post("/introspect", {"token": token}, basic(asker.id, SECRET))
    assert answer.status_code == 200
    assert answer.headers["cache-control"] == "no-store"
    assert token not in answer.text
    return answer.json()


async def test_a_good_access_token_is_what_it_says(desk: Issuing, asker: Agent) -> None:
    claude = await desk.client()
    token = (await desk.signed_in(claude))["access_token"]
    claims = desk.tokens.verified(token)
    assert await said(desk, asker, token) == {
        "active": True,
        "token_type": "Bearer",
        "scope": "mcp",
        "iss": URL,
        "aud": RESOURCE,
        "exp": claims.until,
        "sid": claims.sid,
        "sub": ANA.subject,
        "client_id": claude.id,
    }


async def test_a_token_for_one_endpoint_says_for_which(desk: Issuing, asker: Agent) -> None:
    session = await desk.session(await desk.client(), f"{RESOURCE}/flat")
    assert (await said(desk, asker, desk.tokens.mint(session)))["aud"] == f"{RESOURCE}/flat"


async def test_nothing_is_said_to_a_client_that_proves_nothing(desk: Issuing, asker: Agent) -> None:
    claude = await desk.client()
    token = (await desk.signed_in(claude))["access_token"]
    for form, headers in (
        ({"client_id": claude.id}, {}),
        ({"client_id": asker.id}, {}),
        ({}, basic(asker.id, "wrong")),
    ):
        refused = await desk.post("/introspect", {"token": token, **form}, headers)
        assert (refused.status_code, refused.json()["error"]) == (401, "invalid_client")
    assert (await desk.post("/introspect", {"token": token})).status_code == 400


async def test_whatever_is_not_good_now_is_only_not_good(desk: Issuing, asker: Agent) -> None:
    claude = await desk.client()
    pair, suspended = await desk.signed_in(claude), await desk.client("suspended")
    of_suspended = await desk.signed_in(suspended)
    ended = await desk.signed_in(claude)
    async with desk.store.transaction() as tx:
        await desk.agents.suspend(tx, suspended)
        await desk.sessions.end(tx, desk.tokens.verified(ended["access_token"]).sid)
    for token in (
        "made-up",
        "a.b.c",
        f"{pair['access_token'][:-4]}AAAA",
        f"{pair['refresh_token'][:-1]}x",
        of_suspended["access_token"],
        of_suspended["refresh_token"],
        ended["access_token"],
        ended["refresh_token"],
    ):
        assert await said(desk, asker, token) == NOT_GOOD
    desk.clock.advance(10 * MINUTE + 6_000)
    assert await said(desk, asker, pair["access_token"]) == NOT_GOOD


async def test_a_token_is_not_good_once_its_grant_has_ended(desk: Issuing, asker: Agent) -> None:
    async with desk.store.transaction() as tx:
        session = await desk.sessions.start_exchanged(
            tx,
            ANA,
            asker.id,
            MINUTE,
            chain=(),
            scopes=("mcp",),
            away=False,
            resource=None,
            parent=None,
            under="grt_that_is_not_there",
        )
    assert await said(desk, asker, desk.tokens.mint(session)) == NOT_GOOD


async def test_a_refresh_token_is_its_own_clients_business_and_good_until_it_is_used(
    desk: Issuing, asker: Agent
) -> None:
    session = await desk.session(asker)
    session, token = await desk.refresh_tokens.first(session)
    other = await desk.client("other", secret=SECRET, token_endpoint_auth_method="client_secret_basic")
    assert await said(desk, other, token) == NOT_GOOD
    about = {"active": True, "client_id": asker.id, "scope": "mcp", "exp": session.until // 1000}
    assert await said(desk, asker, token) == about
    _, successor = await desk.refresh_tokens.rotate(session, token)
    assert await said(desk, asker, token) == NOT_GOOD
    assert await said(desk, asker, successor) == about
