"""The token endpoints: what is exchanged for what, and everything that is refused."""

import base64
from urllib.parse import quote

import anyio
import pytest

from tests.sandbox.visitor import READ, SEND, Site, Visitor, bearer, challenge, google, slack, strict
from tests.support.clock import FakeClock
from valetkey.model import SECOND
from valetkey.sandbox import GOOGLE_CLIENT, Sandbox

PROFILE = "/gmail/v1/users/me/profile"
WHOAMI = "/strict/api/whoami"


async def code_for(visitor: Visitor, site: Site, **changed: str | None) -> str:
    return (await visitor.allow(site, "ana@example.com", **changed))["code"]


async def test_google_answers_with_what_google_answers(visitor: Visitor) -> None:
    tokens = await visitor.connect(google(), "ana@example.com")
    assert set(tokens) == {"access_token", "refresh_token", "expires_in", "scope", "token_type"}
    assert (tokens["expires_in"], tokens["token_type"]) == (3599, "Bearer")
    assert tokens["access_token"].startswith("ya29.")


@pytest.mark.parametrize("site", [google(), strict()], ids=["google", "strict"])
async def test_a_code_that_comes_twice_is_refused_and_revokes_the_grant(visitor: Visitor, site: Site) -> None:
    code = await code_for(visitor, site)
    tokens = (await visitor.redeem(site, code)).json()
    second = await visitor.redeem(site, code)
    assert (second.status_code, second.json()["error"]) == (400, "invalid_grant")
    assert (await visitor.refresh(site, tokens["refresh_token"])).json()["error"] == "invalid_grant"
    path = PROFILE if site.token == "/token" else WHOAMI
    assert (await visitor.http.get(path, headers=bearer(tokens))).status_code == 401


async def test_of_many_redemptions_at_once_one_succeeds_and_the_grant_is_gone(
    visitor: Visitor, sandbox: Sandbox
) -> None:
    code = await code_for(visitor, strict())
    statuses: list[int] = []

    async def redeem() -> None:
        statuses.append((await visitor.redeem(strict(), code)).status_code)

    with anyio.fail_after(30):
        async with anyio.create_task_group() as tasks:
            for _ in range(50):
                tasks.start_soon(redeem)
    assert sorted(statuses) == [200, *[400] * 49]
    assert [grant.revoked for grant in sandbox.strict.grants()] == [True]


async def test_a_code_has_an_end(visitor: Visitor, turning: FakeClock) -> None:
    code = await code_for(visitor, strict())
    turning.advance(60 * SECOND)
    assert (await visitor.redeem(strict(), code)).json()["error"] == "invalid_grant"


@pytest.mark.parametrize(
    ("changed", "status", "error"),
    [
        ({"code": "another"}, 400, "invalid_grant"),
        ({"code": None}, 400, "invalid_request"),
        ({"redirect_uri": "http://localhost:8917/callback/other"}, 400, "invalid_grant"),
        ({"redirect_uri": None}, 400, "invalid_request"),
        ({"client_secret": "wrong"}, 401, "invalid_client"),
        ({"client_secret": None}, 401, "invalid_client"),
        ({"client_id": "somebody-else"}, 401, "invalid_client"),
        ({"grant_type": "password"}, 400, "unsupported_grant_type"),
        ({"grant_type": None}, 400, "unsupported_grant_type"),
        ({"code_verifier": "w" * 43}, 400, "invalid_grant"),
        ({"code_verifier": None}, 400, "invalid_grant"),
        ({"code_verifier": "short"}, 400, "invalid_grant"),
    ],
)
async def test_one_wrong_thing_is_refused_and_the_right_request_still_works(
    visitor: Visitor, changed: dict[str, str | None], status: int, error: str
) -> None:
    code = await code_for(visitor, strict())
    refused = await visitor.redeem(strict(), code, **changed)
    assert (refused.status_code, refused.json()["error"]) == (status, error)
    assert (await visitor.redeem(strict(), code)).status_code == 200


async def test_a_verifier_must_match_when_a_challenge_was_sent(visitor: Visitor) -> None:
    sent = {"code_challenge": challenge("v" * 43), "code_challenge_method": "S256"}
    code = await code_for(visitor, google(), **sent)
    assert (await visitor.redeem(google(), code)).json()["error"] == "invalid_grant"
    assert (await visitor.redeem(google(), code, code_verifier="w" * 43)).json()["error"] == "invalid_grant"
    assert (await visitor.redeem(google(), code, code_verifier="v" * 43)).status_code == 200


async def test_a_verifier_without_a_challenge_is_a_downgrade(visitor: Visitor) -> None:
    code = await code_for(visitor, google())
    assert (await visitor.redeem(google(), code, code_verifier="v" * 43)).json()["error"] == "invalid_grant"


@pytest.mark.parametrize(
    "changed",
    [{"access_type": None}, {"prompt": None}, {"prompt": "select_account"}, {"access_type": "online"}],
)
async def test_google_gives_a_refresh_token_only_for_offline_access_with_consent(
    visitor: Visitor, changed: dict[str, str | None]
) -> None:
    assert "refresh_token" not in await visitor.connect(google(), "ana@example.com", **changed)


async def test_google_keeps_the_refresh_token_and_does_not_send_it_again(visitor: Visitor) -> None:
    tokens = await visitor.connect(google(), "ana@example.com")
    first = (await visitor.refresh(google(), tokens["refresh_token"])).json()
    second = (await visitor.refresh(google(), tokens["refresh_token"])).json()
    assert len({tokens["access_token"], first["access_token"], second["access_token"]}) == 3
    assert "refresh_token" not in first | second


async def test_a_refresh_may_ask_for_less_and_not_for_more(visitor: Visitor) -> None:
    tokens = await visitor.connect(google(), "ana@example.com")
    less = await visitor.refresh(google(), tokens["refresh_token"], scope=SEND)
    assert less.json()["scope"] == SEND
    assert (await visitor.http.get(PROFILE, headers=bearer(less.json()))).status_code == 403
    more = await visitor.refresh(google(), tokens["refresh_token"], scope=f"{READ} openid")
    assert more.json()["error"] == "invalid_scope"


async def test_google_silently_drops_the_oldest_of_too_many_refresh_tokens(
    visitor: Visitor, sandbox: Sandbox
) -> None:
    other = await visitor.connect(google(), "ben@example.com")
    tokens = [await visitor.connect(google(), "ana@example.com") for _ in range(101)]
    answers = [
        (await visitor.refresh(google(), known["refresh_token"])).status_code
        for known in (*tokens[:2], other)
    ]
    assert answers == [400, 200, 200]
    assert not any(grant.revoked for grant in sandbox.google.grants())


async def test_an_access_token_ends_when_it_said(visitor: Visitor, turning: FakeClock) -> None:
    await visitor.connect(google(), "ana@example.com")
    turning.advance(3598 * SECOND)
    assert (await visitor.get(PROFILE)).status_code == 200
    turning.advance(1 * SECOND)
    assert (await visitor.get(PROFILE)).status_code == 401


async def test_the_lifetime_can_be_chosen(visitor: Visitor, sandbox: Sandbox, turning: FakeClock) -> None:
    sandbox.google.change(lifetime=5)
    assert (await visitor.connect(google(), "ana@example.com"))["expires_in"] == 5
    turning.advance(5 * SECOND)
    assert (await visitor.get(PROFILE)).status_code == 401


async def test_a_consent_can_have_an_end_which_its_tokens_are_told(
    visitor: Visitor, sandbox: Sandbox, turning: FakeClock
) -> None:
    sandbox.google.change(consent_lasts=3600, lifetime=7200)
    first = await visitor.connect(google(), "ana@example.com")
    turning.advance(1800 * SECOND)
    renewed = (await visitor.refresh(google(), first["refresh_token"])).json()
    assert (first["refresh_token_expires_in"], renewed["refresh_token_expires_in"]) == (3600, 1800)
    assert (await visitor.get(PROFILE)).status_code == 200
    turning.advance(1800 * SECOND)
    assert (await visitor.get(PROFILE)).status_code == 401
    late = await visitor.refresh(google(), first["refresh_token"])
    assert late.json()["error"] == "invalid_grant"


def basic(client_id: str, secret: str) -> dict[str, str]:
    pair = f"{quote(client_id, safe='')}:{quote(secret, safe='')}"
    return {"Authorization": "Basic " + base64.b64encode(pair.encode()).decode()}


async def test_the_client_may_authenticate_in_the_header(visitor: Visitor) -> None:
    form = {"grant_type": "refresh_token", "refresh_token": "unknown"}
    right, wrong = basic(GOOGLE_CLIENT.id, GOOGLE_CLIENT.secret), basic(GOOGLE_CLIENT.id, "wrong")
    assert (await visitor.http.post("/token", data=form, headers=right)).json()["error"] == "invalid_grant"
    refused = await visitor.http.post("/token", data=form, headers=wrong)
    assert (refused.status_code, refused.headers["www-authenticate"]) == (401, "Basic")


@pytest.mark.parametrize("header", ["Basic", "Basic !!", "Basic /////w==", "Bearer abc", ""])
async def test_a_header_that_authenticates_nobody_is_refused(visitor: Visitor, header: str) -> None:
    answer = await visitor.http.post("/token", data={"grant_type": "x"}, headers={"Authorization": header})
    assert answer.json()["error"] == "invalid_client"


async def test_authenticating_in_two_ways_is_refused(visitor: Visitor) -> None:
    headers = basic(GOOGLE_CLIENT.id, GOOGLE_CLIENT.secret)
    answer = await visitor.http.post("/token", data=google().secret, headers=headers)
    assert answer.json()["error"] == "invalid_request"


async def test_a_secret_in_the_url_is_refused(visitor: Visitor) -> None:
    answer = await visitor.http.post("/token", params=google().secret, data={"grant_type": "refresh_token"})
    assert answer.json()["error"] == "invalid_request"


@pytest.mark.parametrize(
    ("kind", "body"),
    [
        ("application/json", '{"grant_type": "refresh_token"}'),
        ("application/x-www-form-urlencoded", "grant_type=a&grant_type=b"),
        ("application/x-www-form-urlencoded", "grant_type"),
        ("application/x-www-form-urlencoded", "grant_type=\xff"),
    ],
)
async def test_a_body_that_is_no_proper_form_is_refused(visitor: Visitor, kind: str, body: str) -> None:
    answer = await visitor.http.post("/token", content=body.encode("latin-1"), headers={"Content-Type": kind})
    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_request")


async def test_tokens_are_never_given_for_a_get(visitor: Visitor) -> None:
    assert (await visitor.http.get("/token", params=google().secret)).status_code == 405


async def test_googles_revocation_needs_only_the_token_and_ends_all_of_the_grant(visitor: Visitor) -> None:
    tokens = await visitor.connect(google(), "ana@example.com")
    again = await visitor.http.post("/revoke", data={"token": tokens["refresh_token"]})
    assert (again.status_code, again.json()) == (200, {})
    assert (await visitor.get(PROFILE)).status_code == 401
    assert (await visitor.refresh(google(), tokens["refresh_token"])).json()["error"] == "invalid_grant"
    repeated = await visitor.http.post("/revoke", params={"token": tokens["access_token"]})
    assert (repeated.status_code, repeated.json()["error"]) == (400, "invalid_token")


async def test_googles_revocation_ends_all_that_the_account_gave_the_client_and_nobody_elses(
    visitor: Visitor,
) -> None:
    first = await visitor.connect(google(), "ana@example.com")
    second = await visitor.connect(google(), "ana@example.com")
    bens = await visitor.connect(google(), "ben@example.com")
    await visitor.http.post("/revoke", data={"token": first["access_token"]})
    assert (await visitor.http.get(PROFILE, headers=bearer(second))).status_code == 401
    assert (await visitor.http.get(PROFILE, headers=bearer(bens))).status_code == 200


async def test_strict_revocation_needs_the_client_and_does_not_mind_an_unknown_token(
    visitor: Visitor,
) -> None:
    tokens = await visitor.connect(strict(), "ana@example.com")
    unauthenticated = await visitor.http.post("/strict/revoke", data={"token": tokens["refresh_token"]})
    assert unauthenticated.json()["error"] == "invalid_client"
    assert (await visitor.get(WHOAMI)).status_code == 200
    for token in ("unknown", tokens["refresh_token"]):
        answer = await visitor.http.post("/strict/revoke", data=strict().secret | {"token": token})
        assert (answer.status_code, answer.content) == (200, b"")
    assert (await visitor.get(WHOAMI)).status_code == 401


async def test_a_rotated_token_that_comes_again_ends_the_whole_grant(visitor: Visitor) -> None:
    tokens = await visitor.connect(strict(), "ana@example.com")
    successor = (await visitor.refresh(strict(), tokens["refresh_token"])).json()
    assert successor["refresh_token"] != tokens["refresh_token"]
    assert (await visitor.refresh(strict(), tokens["refresh_token"])).json()["error"] == "invalid_grant"
    assert (await visitor.refresh(strict(), successor["refresh_token"])).json()["error"] == "invalid_grant"
    assert (await visitor.http.get(WHOAMI, headers=bearer(successor))).status_code == 401


async def test_within_the_grace_the_old_token_brings_the_same_new_pair(
    visitor: Visitor, sandbox: Sandbox, turning: FakeClock
) -> None:
    sandbox.strict.change(reuse_grace=30)
    tokens = await visitor.connect(strict(), "ana@example.com")
    first = (await visitor.refresh(strict(), tokens["refresh_token"])).json()
    turning.advance(30 * SECOND - 1)
    assert (await visitor.refresh(strict(), tokens["refresh_token"])).json() == first
    turning.advance(1)
    assert (await visitor.refresh(strict(), tokens["refresh_token"])).json()["error"] == "invalid_grant"
    assert (await visitor.refresh(strict(), first["refresh_token"])).json()["error"] == "invalid_grant"


async def test_slack_nests_a_new_token_and_not_a_refreshed_one(visitor: Visitor) -> None:
    code = await code_for(visitor, slack())
    answer = (await visitor.redeem(slack(), code, grant_type=None)).json()
    assert (answer["ok"], "access_token" in answer) == (True, False)
    tokens = answer["authed_user"]
    assert (tokens["id"], tokens["token_type"], tokens["expires_in"]) == ("U0ANA00001", "user", 43_200)
    refreshed = (await visitor.refresh(slack(), tokens["refresh_token"])).json()
    assert (refreshed["ok"], refreshed["token_type"], "authed_user" in refreshed) == (True, "user", False)
    assert refreshed["access_token"] != tokens["access_token"]


async def test_slacks_refresh_tokens_work_once_and_a_second_use_hurts_nobody(visitor: Visitor) -> None:
    tokens = await visitor.connect(slack(), "ana@example.com")
    successor = (await visitor.refresh(slack(), tokens["refresh_token"])).json()
    again = await visitor.refresh(slack(), tokens["refresh_token"])
    assert (again.status_code, again.json()) == (200, {"ok": False, "error": "invalid_refresh_token"})
    assert (await visitor.refresh(slack(), successor["refresh_token"])).json()["ok"] is True


@pytest.mark.parametrize(
    ("changed", "error"),
    [
        ({"code": "another"}, "invalid_code"),
        ({"client_secret": "wrong"}, "bad_client_secret"),
        ({"code": None}, "invalid_arguments"),
        ({"grant_type": "password"}, "unsupported_grant_type"),
    ],
)
async def test_slack_refuses_with_200_and_its_own_words(
    visitor: Visitor, changed: dict[str, str | None], error: str
) -> None:
    code = await code_for(visitor, slack())
    answer = await visitor.redeem(slack(), code, **changed)
    assert (answer.status_code, answer.json()) == (200, {"ok": False, "error": error})


async def test_slacks_revocation_takes_the_token_that_is_sent(visitor: Visitor) -> None:
    tokens = await visitor.connect(slack(), "ana@example.com")
    assert (await visitor.post("/api/auth.revoke", {})).json() == {"ok": True, "revoked": True}
    assert (await visitor.get("/api/auth.test")).json()["error"] == "token_revoked"
    assert (await visitor.refresh(slack(), tokens["refresh_token"])).json()[
        "error"
    ] == "invalid_refresh_token"
    assert (await visitor.post("/api/auth.revoke", {})).json()["ok"] is False


async def test_a_token_of_one_provider_is_nothing_at_another(visitor: Visitor) -> None:
    await visitor.connect(google(), "ana@example.com")
    assert (await visitor.get(WHOAMI)).status_code == 401
    assert (await visitor.get("/api/auth.test")).json()["error"] == "invalid_auth"
