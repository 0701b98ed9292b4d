"""Registration (RFC 7591): a stranger makes itself known. Little of it is believed, and few are kept."""

import json
from collections.abc import AsyncIterator

import pytest

from tests.authserver.front import AWAY, BACK, Front
from valetkey.authserver.dynamic import MOST_A_MINUTE, MOST_UNUSED
from valetkey.model import DAY, HOUR, MINUTE, Json


async def test_a_public_client_is_registered_and_gets_no_secret(front: Front) -> None:
    answer = await front.register(client_name="Reader", token_endpoint_auth_method="none")
    assert answer.status_code == 201
    assert answer.headers["cache-control"] == "no-store"
    given = answer.json()
    assert given.pop("client_id").startswith("agt_")
    assert given.pop("client_id_issued_at") == front.town.clock.now() // 1000
    assert given == {
        "client_name": "Reader",
        "redirect_uris": [BACK],
        "token_endpoint_auth_method": "none",
        "grant_types": ["authorization_code", "refresh_token"],
        "response_types": ["code"],
        "scope": "mcp",
    }


async def test_a_client_that_does_not_say_is_a_public_one(front: Front) -> None:
    assert (await front.register()).json()["token_endpoint_auth_method"] == "none"


@pytest.mark.parametrize("method", ["client_secret_basic", "client_secret_post"])
async def test_a_secret_is_shown_once_and_kept_as_a_digest(front: Front, method: str) -> None:
    given = (await front.register(token_endpoint_auth_method=method)).json()
    assert len(given["client_secret"]) == 43
    assert given["client_secret_expires_at"] == 0
    store, agents = front.town.house.ground.store, front.town.house.agents
    kept = await agents.get(store, given["client_id"])
    assert kept
    assert kept.secret == agents.secret_digest(given["client_secret"])
    assert given["client_secret"] not in str([tuple(row) for row in await store.all("SELECT * FROM agents")])


async def test_what_more_a_client_says_of_itself_is_not_kept(front: Front) -> None:
    more = {
        "client_uri": "https://app.example",
        "logo_uri": "http://evil.example/x.png",
        "jwks": {},
        "x": [1],
    }
    client_id = await front.client(scope="mcp operate audit", software_id="x", **more)
    kept = await front.town.house.agents.get(front.town.house.ground.store, client_id)
    assert kept
    assert set(kept.metadata) == {"redirect_uris", "token_endpoint_auth_method"}


WRONG: dict[str, dict[str, Json]] = {
    "no redirect": {"redirect_uris": []},
    "another scheme": {"redirect_uris": ["javascript:alert(1)"]},
    "one wrong among right ones": {"redirect_uris": [BACK, "http://evil.example/"]},
    "a name and a password": {"redirect_uris": ["https://ana:secret@app.example/"]},
    "too many": {"redirect_uris": [f"https://app.example/{number}" for number in range(11)]},
    "a name that is no text": {"client_name": {"en": "x"}},
    "keys": {"token_endpoint_auth_method": "private_key_jwt"},
    "a method nobody knows": {"token_endpoint_auth_method": "tls_client_auth"},
    "a method that is no text": {"token_endpoint_auth_method": ["none"]},
    "other grants alone": {"grant_types": ["client_credentials"]},
    "the implicit grant": {"grant_types": ["implicit"], "response_types": ["token"]},
    "grants that are no list": {"grant_types": "authorization_code"},
    "other answers alone": {"response_types": ["token"]},
}


@pytest.mark.parametrize("metadata", WRONG.values(), ids=list(WRONG))
async def test_what_cannot_be_registered_is_said_plainly(front: Front, metadata: dict[str, Json]) -> None:
    before = await front.count("agents")
    answer = await front.register(**metadata)
    assert answer.status_code == 400
    assert answer.json()["error"] in {"invalid_redirect_uri", "invalid_client_metadata"}
    assert answer.json()["error_description"]
    assert await front.count("agents") == before


BODIES = {
    "nothing": b"",
    "no object": b"[]",
    "text": b'"x"',
    "no JSON": b"{",
    "not a number": b'{"redirect_uris": NaN}',
    "a huge number": b'{"x": 1' + b"0" * 5000 + b"}",
    "deep": b'{"x":' + b"[" * 30_000,
    "half a character": b'{"client_name": "\xff"}',
}


@pytest.mark.parametrize("body", BODIES.values(), ids=list(BODIES))
async def test_a_body_that_is_no_metadata_is_refused(front: Front, body: bytes) -> None:
    answer = await front.http.post("/register", content=body, headers={"Content-Type": "application/json"})
    assert answer.status_code == 400
    assert answer.json()["error"] in {"invalid_client_metadata", "invalid_redirect_uri"}


async def test_an_endless_body_is_cut_off(front: Front) -> None:
    body = json.dumps({"redirect_uris": [BACK], "client_name": "x" * 70_000}).encode()
    answer = await front.http.post("/register", content=body, headers={"Content-Type": "application/json"})
    assert answer.status_code == 413


@pytest.mark.parametrize(
    "kind", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data", ""]
)
async def test_a_form_of_another_site_cannot_register(front: Front, kind: str) -> None:
    body = json.dumps({"redirect_uris": [BACK]}).encode()
    answer = await front.http.post("/register", content=body, headers={"Content-Type": kind})
    assert answer.status_code == 400
    assert "access-control-allow-origin" not in answer.headers


async def test_no_script_of_another_site_may_ask(front: Front) -> None:
    asked = {"Origin": "https://evil.example", "Access-Control-Request-Method": "POST"}
    answer = await front.http.options("/register", headers=asked)
    assert answer.status_code == 405
    assert "access-control-allow-origin" not in answer.headers


async def test_a_name_is_cleaned_before_anybody_reads_it(front: Front) -> None:
    hostile = "Claude\u202e Code\u200b\n\x1b[31m" + "x" * 500
    shown = (await front.register(client_name=hostile)).json()["client_name"]
    assert shown.startswith("Claude Code [31m")
    assert len(shown) <= 121
    assert shown.isprintable()
    nameless = (await front.register(client_name="\u200b ")).json()["client_name"]
    assert nameless == "A client without a name"


async def test_so_many_may_register_within_a_minute(front: Front) -> None:
    front.town.clock.advance(2 * MINUTE)
    body = {"redirect_uris": [AWAY]}
    answers = [await front.http.post("/register", json=body) for _ in range(MOST_A_MINUTE + 1)]
    assert [one.status_code for one in answers] == [201] * MOST_A_MINUTE + [429]
    assert answers[-1].json()["error"] == "temporarily_unavailable"
    front.town.clock.advance(MINUTE)
    assert (await front.http.post("/register", json=body)).status_code == 201


@pytest.fixture
async def crowded(front: Front) -> AsyncIterator[Front]:
    """A server with as many clients that nobody let in as there may be."""
    old, store = front.town.clock.now() - HOUR, front.town.house.ground.store
    rows = [(f"agt_old{number:05}", old + number) for number in range(MOST_UNUSED)]
    async with store.transaction() as tx:
        await tx.run("DELETE FROM agents WHERE kind = 'dynamic'")
        await tx.many("INSERT INTO agents VALUES ($1, 'old', 'dynamic', '{}', NULL, $2, $2, NULL, '')", rows)
    yield front
    async with store.transaction() as tx:
        await tx.run("DELETE FROM agents WHERE kind = 'dynamic'")


async def test_of_clients_nobody_let_in_the_oldest_makes_way(crowded: Front) -> None:
    await crowded.client()
    assert await crowded.count("agents", "kind = 'dynamic'") == MOST_UNUSED
    assert await crowded.count("agents", "id = 'agt_old00000'") == 0
    assert await crowded.count("agents", "id = 'agt_old00001'") == 1


async def test_a_client_that_was_let_in_makes_way_for_nobody(crowded: Front) -> None:
    store = crowded.town.house.ground.store
    async with store.transaction() as tx:
        await crowded.town.house.sessions.start_client(
            tx, crowded.person.principal, "agt_old00000", MINUTE, scopes=("mcp",), resource=None, label=None
        )
        await tx.run("UPDATE agents SET suspended = 1 WHERE id = 'agt_old00001'")
    await crowded.client()
    await crowded.client()
    assert await crowded.count("agents", "id IN ('agt_old00000', 'agt_old00001')") == 2


async def test_a_client_that_just_registered_is_not_pushed_out_by_a_flood(crowded: Front) -> None:
    mine = await crowded.client()
    for _ in range(20):
        await crowded.client()
    assert await crowded.count("agents", f"id = '{mine}'") == 1


async def test_unused_for_ninety_days_a_client_is_forgotten_with_all_it_had(front: Front) -> None:
    house, clock = front.town.house, front.town.clock
    gone, used = await front.client(), await front.client()
    async with house.ground.store.transaction() as tx:
        session = await house.sessions.start_client(
            tx, front.person.principal, gone, 200 * DAY, scopes=("mcp",), resource=None, label=None
        )
        client = await house.agents.get(tx, used)
    clock.advance(89 * DAY)
    await house.authserver.dynamic.forget_unused()
    assert await front.count("agents", f"id = '{gone}'") == 1
    async with house.ground.store.transaction() as tx:
        assert client
        await house.agents.seen(tx, client)
    clock.advance(DAY)
    await house.authserver.dynamic.forget_unused()
    assert await front.count("agents", f"id = '{gone}'") == 0
    assert await front.count("agents", f"id = '{used}'") == 1
    assert await house.sessions.read(session.id) is None
    row = await house.ground.store.one(f"SELECT kind FROM audit WHERE actor = '{gone}'")
    assert row
    assert row["kind"] == "agent.removed"


async def test_when_a_client_was_here_is_written_once_an_hour(front: Front) -> None:
    house, clock = front.town.house, front.town.clock
    client_id, seen = await front.client(), []
    for _ in range(4):
        async with house.ground.store.transaction() as tx:
            client = await house.agents.get(tx, client_id)
            assert client
            await house.agents.seen(tx, client)
            seen.append(client.used)
        clock.advance(HOUR // 2)
    assert len(set(seen)) == 2
