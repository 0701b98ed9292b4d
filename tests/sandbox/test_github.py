"""GitHub's sign-in: both kinds of token, form-encoded answers, refusals with 200, and revoking."""

from typing import Any
from urllib.parse import parse_qs

import httpx2
import pytest

from tests.sandbox.visitor import Visitor, github
from tests.support.clock import FakeClock
from valetkey.sandbox import EIGHT_HOURS, GITHUB_CLIENT, Sandbox

ANA, BEN = "ana@example.com", "ben@example.com"
JSON = {"Accept": "application/json"}
GRANT = f"/applications/{GITHUB_CLIENT.id}/grant"
HERE = {"redirect_uri": github().redirect_uri}
BASIC = httpx2.BasicAuth(GITHUB_CLIENT.id, GITHUB_CLIENT.secret)


async def connect(visitor: Visitor, account: str = ANA, **changed: str) -> dict[str, Any]:
    visitor.http.headers.update(JSON)
    return await visitor.connect(github(), account, **changed)


async def status(visitor: Visitor) -> int:
    return (await visitor.get("/user")).status_code


async def test_an_oauth_apps_token_never_ends(visitor: Visitor, turning: FakeClock) -> None:
    tokens = await connect(visitor)
    assert tokens == {
        "access_token": tokens["access_token"],
        "scope": "notifications,repo",
        "token_type": "bearer",
    }
    turning.advance(10 * 365 * 86_400_000)
    assert await status(visitor) == 200


async def test_the_answer_is_a_form_unless_json_is_accepted(visitor: Visitor) -> None:
    code = (await visitor.allow(github(), ANA))["code"]
    answer = await visitor.redeem(github(), code)
    assert answer.headers["content-type"].startswith("application/x-www-form-urlencoded")
    assert parse_qs(answer.text)["scope"] == ["notifications,repo"]


@pytest.mark.parametrize(
    ("changed", "error"),
    [
        ({"code": "unknown"}, "bad_verification_code"),
        ({"client_secret": "wrong"}, "incorrect_client_credentials"),
        ({"grant_type": "password"}, "unsupported_grant_type"),
        ({"grant_type": "refresh_token", "refresh_token": "unknown"}, "bad_refresh_token"),
    ],
)
async def test_a_refusal_comes_with_200(visitor: Visitor, changed: dict[str, str], error: str) -> None:
    visitor.http.headers.update(JSON)
    code = (await visitor.allow(github(), ANA))["code"]
    answer = await visitor.token(
        github(), **{"grant_type": "authorization_code", "code": code} | HERE | changed
    )
    assert (answer.status_code, answer.json()["error"]) == (200, error)


async def test_scopes_come_with_commas_or_spaces_and_are_shown_by_the_api(visitor: Visitor) -> None:
    await connect(visitor, scope="repo,read:user")
    assert (await visitor.get("/user")).headers["x-oauth-scopes"] == "read:user, repo"
    await connect(visitor, scope="repo read:user")
    assert (await visitor.get("/user")).headers["x-oauth-scopes"] == "read:user, repo"


async def test_an_apps_token_ends_after_eight_hours_and_names_no_scopes(
    visitor: Visitor, sandbox: Sandbox, turning: FakeClock
) -> None:
    sandbox.github.change(lifetime=EIGHT_HOURS)
    tokens = await connect(visitor)
    assert (tokens["expires_in"], tokens["scope"], tokens["refresh_token_expires_in"]) == (
        28_800,
        "",
        15_897_600,
    )
    assert "x-oauth-scopes" not in (await visitor.get("/user")).headers
    turning.advance(28_800_000)
    assert await status(visitor) == 401


async def test_a_refresh_ends_the_access_token_before_it(visitor: Visitor, sandbox: Sandbox) -> None:
    sandbox.github.change(lifetime=EIGHT_HOURS)
    tokens = await connect(visitor)
    fresh = (await visitor.refresh(github(), tokens["refresh_token"])).json()
    assert await status(visitor) == 401
    visitor.headers = {"Authorization": f"Bearer {fresh['access_token']}"}
    assert await status(visitor) == 200


async def test_a_refresh_token_is_good_once_and_a_second_use_ends_nothing(
    visitor: Visitor, sandbox: Sandbox
) -> None:
    sandbox.github.change(lifetime=EIGHT_HOURS)
    tokens = await connect(visitor)
    fresh = (await visitor.refresh(github(), tokens["refresh_token"])).json()
    assert (await visitor.refresh(github(), tokens["refresh_token"])).json()["error"] == "bad_refresh_token"
    visitor.headers = {"Authorization": f"Bearer {fresh['access_token']}"}
    assert await status(visitor) == 200


async def test_a_revoked_grant_ends_every_token_of_the_account_and_no_others(
    visitor: Visitor, sandbox: Sandbox
) -> None:
    await connect(visitor, account=BEN)
    first = await connect(visitor)
    await connect(visitor)
    named = {"access_token": first["access_token"]}
    assert (await visitor.http.request("DELETE", GRANT, json=named, auth=BASIC)).status_code == 204
    assert await status(visitor) == 401
    assert {grant.account: grant.revoked for grant in sandbox.github.grants()} == {BEN: False, ANA: True}
    assert (await visitor.http.request("DELETE", GRANT, json=named, auth=BASIC)).status_code == 422


async def test_revoking_needs_the_clients_secret_and_its_own_path(visitor: Visitor) -> None:
    named = {"access_token": (await connect(visitor))["access_token"]}
    wrong = httpx2.BasicAuth(GITHUB_CLIENT.id, "wrong")
    assert (await visitor.http.request("DELETE", GRANT, json=named, auth=wrong)).status_code == 401
    assert (await visitor.http.request("DELETE", GRANT, json=named)).status_code == 401
    elsewhere = "/applications/another/grant"
    assert (await visitor.http.request("DELETE", elsewhere, json=named, auth=BASIC)).status_code == 404
    assert await status(visitor) == 200


async def test_a_scope_there_is_not_goes_back_to_the_client(visitor: Visitor) -> None:
    answer = await visitor.page(github(), scope="repo,everything")
    assert "error=invalid_scope" in answer.headers["location"]
