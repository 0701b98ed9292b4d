"""A code becomes tokens once, for whoever began; every other way ends with nothing."""

import anyio
import pytest

from tests.authserver.issuing import REDIRECT, RESOURCE, URL, VERIFIER, Issuing
from valetkey.model import DAY, MINUTE


async def test_a_code_gives_an_access_token_for_ten_minutes_and_a_refresh_token(desk: Issuing) -> None:
    claude = await desk.client()
    answer = await desk.redeem(await desk.code(claude), client_id=claude.id)
    body = answer.json()
    assert answer.status_code == 200
    assert answer.headers["cache-control"] == "no-store"
    assert (body["token_type"], body["expires_in"], body["scope"]) == ("Bearer", 600, "mcp")
    claims = desk.tokens.verified(body["access_token"])
    assert (claims.client, claims.resource, claims.until) == (
        claude.id,
        RESOURCE,
        (desk.clock.now() + 10 * MINUTE) // 1000,
    )
    assert len(body["refresh_token"]) > 100
    session = await desk.sessions.read(claims.sid)
    assert session is not None
    assert session.until == desk.clock.now() + 30 * DAY


async def test_a_replayed_code_gives_nothing_and_ends_what_it_gave(desk: Issuing) -> None:
    claude = await desk.client()
    code = await desk.code(claude)
    first = (await desk.redeem(code, client_id=claude.id)).json()
    replayed = await desk.redeem(code, client_id=claude.id)
    assert (replayed.status_code, replayed.json()["error"]) == (400, "invalid_grant")
    assert not await desk.lives(first["access_token"])
    refused = await desk.refresh(first["refresh_token"], claude)
    assert refused.json()["error"] == "invalid_grant"


async def test_of_fifty_redemptions_at_once_at_most_one_gives_tokens_and_none_of_them_lasts(
    desk: Issuing,
) -> None:
    claude = await desk.client()
    code = await desk.code(claude)
    given: list[str] = []

    async def redeem() -> None:
        answer = await desk.redeem(code, client_id=claude.id)
        assert answer.status_code in {200, 400}
        given.extend([answer.json()["access_token"]] if answer.status_code == 200 else [])

    with anyio.fail_after(60):
        async with anyio.create_task_group() as tasks:
            for _ in range(50):
                tasks.start_soon(redeem)
    assert len(given) <= 1
    assert not [token for token in given if await desk.lives(token)]


@pytest.mark.parametrize(
    ("changed", "error"),
    [
        ({"code_verifier": "w" * 43}, "invalid_grant"),
        ({"code_verifier": ""}, "invalid_request"),
        ({"code_verifier": "v"}, "invalid_grant"),
        ({"code_challenge_method": "plain", "code_verifier": "plain" * 9}, "invalid_grant"),
        ({"redirect_uri": f"{REDIRECT}/"}, "invalid_grant"),
        ({"redirect_uri": ""}, "invalid_request"),
        ({"code": ""}, "invalid_request"),
        ({"code": "made-up"}, "invalid_grant"),
        ({"resource": f"{URL}/mcp/flat"}, "invalid_target"),
        ({"resource": "https://elsewhere.test/mcp"}, "invalid_target"),
    ],
)
async def test_a_code_with_anything_else_changed_gives_nothing_and_stays_good(
    desk: Issuing, changed: dict[str, str], error: str
) -> None:
    claude = await desk.client()
    code = await desk.code(claude)
    asked = {"code": code, "redirect_uri": REDIRECT, "code_verifier": VERIFIER, **changed}
    refused = await desk.token("authorization_code", client_id=claude.id, **asked)
    assert (refused.status_code, refused.json()["error"]) == (400, error)
    assert code not in refused.text
    assert (await desk.redeem(code, client_id=claude.id)).status_code == 200


async def test_a_code_of_one_client_is_nothing_to_another(desk: Issuing) -> None:
    claude, thief = await desk.client("claude"), await desk.client("thief")
    code = await desk.code(claude)
    refused = await desk.redeem(code, client_id=thief.id)
    assert (refused.status_code, refused.json()["error"]) == (400, "invalid_grant")
    assert (await desk.redeem(code, client_id=claude.id)).status_code == 200


async def test_a_code_is_over_after_a_minute(desk: Issuing) -> None:
    claude = await desk.client()
    code = await desk.code(claude)
    desk.clock.advance(MINUTE)
    assert (await desk.redeem(code, client_id=claude.id)).json()["error"] == "invalid_grant"


async def test_a_code_for_one_endpoint_gives_a_token_for_that_one(desk: Issuing) -> None:
    claude = await desk.client()
    code = await desk.code(claude, resource=f"{RESOURCE}/flat")
    body = (await desk.redeem(code, client_id=claude.id, resource=f"{RESOURCE}/flat")).json()
    assert desk.tokens.verified(body["access_token"]).resource == f"{RESOURCE}/flat"
