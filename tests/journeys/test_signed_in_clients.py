"""Clients that people signed in, at two processes on one store: what ends in one has ended in the other."""

from collections.abc import AsyncIterator
from typing import Any

import httpx2
import pytest

from tests.authserver.issuing import REDIRECT, VERIFIER, basic, challenge
from tests.support.town import Town, town
from valetkey.model import DAY, MINUTE, Json
from valetkey.people import Agent, Kind, Person
from valetkey.vault import Purpose

SECRET = "a secret of the resource server"


@pytest.fixture(scope="module")
async def both(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[tuple[Town, Town]]:
    async with town(tmp_path_factory.mktemp("home")) as here, here.another() as there:
        yield here, there


@pytest.fixture
async def http() -> AsyncIterator[httpx2.AsyncClient]:
    async with httpx2.AsyncClient(timeout=20, trust_env=False) as client:
        yield client


@pytest.fixture
async def ana(both: tuple[Town, Town]) -> Person:
    return await both[0].newcomer()


async def client_of(here: Town, method: str = "none", secret: str | None = None) -> Agent:
    """Keep a client that nobody has met before."""
    ground, agents = here.house.ground, here.house.agents
    digest = agents.secret_digest(secret) if secret else None
    metadata: dict[str, Json] = {"token_endpoint_auth_method": method}
    async with ground.store.transaction() as tx:
        return await agents.add(tx, ground.ids.new("cli"), "Claude Code", Kind.DYNAMIC, metadata, digest)


async def signed_in(here: Town, ana: Person, client: Agent, http: httpx2.AsyncClient) -> dict[str, Any]:
    """Return the first tokens of a client, once its person has said yes."""
    more: dict[str, Any] = {"scopes": ("mcp",), "resource": f"{here.house.tokens.issuer}/mcp", "label": None}
    async with here.house.ground.store.transaction() as tx:
        session = await here.house.sessions.start_client(tx, ana.principal, client.id, MINUTE, **more)
        code = await here.house.authserver.codes.make(tx, session, REDIRECT, challenge(VERIFIER))
    form = {
        "grant_type": "authorization_code",
        "client_id": client.id,
        "code": code,
        "redirect_uri": REDIRECT,
        "code_verifier": VERIFIER,
    }
    answer = await http.post(f"{here.url}/token", data=form)
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


async def refreshed(at: Town, token: str, client: Agent, http: httpx2.AsyncClient) -> dict[str, Any]:
    form = {"grant_type": "refresh_token", "client_id": client.id, "refresh_token": token}
    return dict((await http.post(f"{at.url}/token", data=form)).json())


async def let_in(at: Town, token: str) -> int:
    """The status that a listing of tools gets with a token."""
    async with at.wire(token) as agent:
        body, headers = agent.body("tools/list", {}), agent.headers("tools/list")
        return (await agent.post(body, headers)).status_code


async def test_a_client_that_gives_its_token_back_here_is_refused_there(
    both: tuple[Town, Town], ana: Person, http: httpx2.AsyncClient
) -> None:
    here, there = both
    client = await client_of(here)
    pair = await signed_in(here, ana, client, http)
    assert [await let_in(at, pair["access_token"]) for at in both] == [200, 200]
    form = {"client_id": client.id, "token": pair["refresh_token"]}
    assert (await http.post(f"{here.url}/revoke", data=form)).status_code == 200
    assert [await let_in(at, pair["access_token"]) for at in both] == [401, 401]
    assert (await refreshed(there, pair["refresh_token"], client, http))["error"] == "invalid_grant"


async def test_a_refresh_here_and_the_same_one_there_give_the_same_successor(
    both: tuple[Town, Town], ana: Person, http: httpx2.AsyncClient
) -> None:
    here, there = both
    client = await client_of(here)
    pair = await signed_in(here, ana, client, http)
    first = await refreshed(here, pair["refresh_token"], client, http)
    again = await refreshed(there, pair["refresh_token"], client, http)
    assert first["refresh_token"] == again["refresh_token"]
    assert [await let_in(at, first["access_token"]) for at in both] == [200, 200]
    assert [await let_in(at, again["access_token"]) for at in both] == [200, 200]


async def test_reuse_there_ends_what_was_refreshed_here(
    both: tuple[Town, Town], ana: Person, http: httpx2.AsyncClient
) -> None:
    here, there = both
    client = await client_of(here)
    stolen = (await signed_in(here, ana, client, http))["refresh_token"]
    pair = await refreshed(here, stolen, client, http)
    here.clock.advance(MINUTE)
    assert await here.house.jobs.once() or await there.house.jobs.once()
    assert (await refreshed(there, stolen, client, http))["error"] == "invalid_grant"
    assert await let_in(here, pair["access_token"]) == 401
    assert "client.refresh_reused" in [record.kind for record in await here.records(ana)]


async def test_an_agent_suspended_here_gets_nothing_there_and_its_token_is_good_no_more(
    both: tuple[Town, Town], ana: Person, http: httpx2.AsyncClient
) -> None:
    here, there = both
    client, server = await client_of(here), await client_of(here, "client_secret_basic", SECRET)
    pair = await signed_in(here, ana, client, http)

    async def active() -> bool:
        form, headers = {"token": pair["access_token"]}, basic(server.id, SECRET)
        return bool((await http.post(f"{there.url}/introspect", data=form, headers=headers)).json()["active"])

    assert await active()
    async with here.house.ground.store.transaction() as tx:
        await here.house.agents.suspend(tx, client)
    assert not await active()
    assert (await refreshed(there, pair["refresh_token"], client, http))["error"] == "unauthorized_client"


async def test_a_key_that_is_rotated_here_signs_there_and_the_old_ones_tokens_stay_good(
    both: tuple[Town, Town], ana: Person, http: httpx2.AsyncClient
) -> None:
    here, there = both
    client, ground = await client_of(here), here.house.ground
    pair = await signed_in(there, ana, client, http)
    async with ground.store.transaction() as tx:
        kid = await ground.keys.rotate_server_key(
            tx, Purpose.TOKEN_SIGNING, ground.ids, ground.clock, accepted_for=DAY
        )
    here.clock.advance(MINUTE)
    after = await refreshed(there, pair["refresh_token"], client, http)
    for token in (pair["access_token"], after["access_token"]):
        assert [await let_in(at, token) for at in both] == [200, 200]
    for at in both:
        answer = await http.get(f"{at.url}/.well-known/jwks.json")
        newest, _ = (key["kid"] for key in answer.json()["keys"])
        assert newest == kid
        assert "max-age" in answer.headers["cache-control"]
