"""The control surface, as a test that runs the sandbox in another process uses it."""

from typing import Any

import anyio
import pytest

from tests.sandbox.visitor import Visitor, google, slack, strict
from tests.support.clock import FakeClock
from valetkey.sandbox import Sandbox

PROFILE = "/gmail/v1/users/me/profile"


async def turn(visitor: Visitor, name: str, /, **body: Any) -> Any:
    answer = await visitor.http.post(f"/_sandbox/{name}", json=body)
    assert answer.status_code == 200, answer.text
    return answer.json()


async def read(visitor: Visitor, name: str) -> Any:
    return (await visitor.http.get(f"/_sandbox/{name}")).json()


async def test_the_counters_say_what_was_seen(visitor: Visitor) -> None:
    tokens = await visitor.connect(google(), "ana@example.com")
    await visitor.refresh(google(), tokens["refresh_token"])
    await visitor.refresh(google(), "unknown")
    await visitor.get(PROFILE)
    await visitor.http.post("/revoke", data={"token": tokens["access_token"]})
    await visitor.get(PROFILE)
    seen = (await read(visitor, "counters"))["google"]
    expected_tokens = {"authorization_code": {"ok": 1}, "refresh_token": {"ok": 1, "invalid_grant": 1}}
    assert seen["token_requests"] == expected_tokens
    assert (seen["refreshes"], seen["api_calls"]) == ({"ana@example.com": 1}, {"ana@example.com": 1})
    assert (seen["api_refused"], seen["revocations"]) == ({"revoked": 1}, 1)
    assert (seen["codes_issued"], seen["codes_reused"]) == (1, 0)


async def test_refreshes_are_counted_by_grant(visitor: Visitor, sandbox: Sandbox) -> None:
    first = await visitor.connect(strict(), "ana@example.com")
    await visitor.connect(strict(), "ana@example.com")
    await visitor.refresh(strict(), first["refresh_token"])
    (grants, seen) = (await read(visitor, "grants"))["strict"], await read(visitor, "counters")
    assert [grant["refreshes"] for grant in grants] == [1, 0]
    assert seen["strict"]["refreshes_by_grant"] == {sandbox.strict.grants()[0].id: 1}


async def test_a_code_that_was_used_twice_is_counted(visitor: Visitor) -> None:
    code = (await visitor.allow(strict(), "ana@example.com"))["code"]
    await visitor.redeem(strict(), code)
    await visitor.redeem(strict(), code)
    assert (await read(visitor, "counters"))["strict"]["codes_reused"] == 1


async def test_the_last_request_shows_header_names_and_whose_token_came(visitor: Visitor) -> None:
    tokens = await visitor.connect(google(), "ana@example.com")
    await visitor.http.get(PROFILE, params={"a": "b"}, headers=visitor.headers | {"X-Extra": "a secret"})
    last = (await read(visitor, "counters"))["google"]["last"]["api"]
    assert (last["method"], last["path"], last["account"]) == ("GET", PROFILE + "?a=b", "ana@example.com")
    assert {"x-extra", "authorization"} <= set(last["headers"])
    await visitor.http.get(PROFILE, headers={"Authorization": "Bearer somebody-elses"})
    assert (await read(visitor, "counters"))["google"]["last"]["api"]["account"] is None
    everything = (await visitor.http.get("/_sandbox/counters")).text
    assert not any(secret in everything for secret in ("a secret", "somebody-elses", tokens["access_token"]))


async def test_faults_are_switched_and_cleared(visitor: Visitor) -> None:
    await visitor.connect(google(), "ana@example.com")
    await turn(visitor, "faults", provider="google", kind="api", name="too_many", retry_after=3)
    assert (await visitor.get(PROFILE)).headers["retry-after"] == "3"
    await turn(visitor, "clear", provider="google")
    assert (await visitor.get(PROFILE)).status_code == 200


async def test_held_requests_are_released(visitor: Visitor, sandbox: Sandbox) -> None:
    fault = sandbox.google.faults.set("api", "hold", 1)
    with anyio.fail_after(10):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(visitor.get, PROFILE)
            await fault.arrived.wait()
            await turn(visitor, "release", provider="google")


async def test_tokens_expire_and_grants_are_revoked_on_command(visitor: Visitor) -> None:
    await visitor.connect(google(), "ben@example.com")
    tokens = await visitor.connect(google(), "ana@example.com")
    assert await turn(visitor, "expire", provider="google", account="ana@example.com") == {"expired": 1}
    assert (await visitor.get(PROFILE)).status_code == 401
    assert (await visitor.refresh(google(), tokens["refresh_token"])).status_code == 200
    (grant,) = [g for g in (await read(visitor, "grants"))["google"] if g["account"] == "ana@example.com"]
    assert await turn(visitor, "revoke", provider="google", grant=grant["id"]) == {"revoked": 1}
    assert (await visitor.refresh(google(), tokens["refresh_token"])).json()["error"] == "invalid_grant"
    assert await turn(visitor, "revoke", provider="google") == {"revoked": 1}
    assert await turn(visitor, "revoke", provider="google") == {"revoked": 0}


async def test_a_code_dies_with_its_grant(visitor: Visitor) -> None:
    code = (await visitor.allow(google(), "ana@example.com"))["code"]
    await turn(visitor, "revoke", provider="google")
    assert (await visitor.redeem(google(), code)).json()["error"] == "invalid_grant"


async def test_rules_and_redirects_are_switched(visitor: Visitor) -> None:
    await turn(
        visitor, "rules", provider="slack", http_redirects=False, lifetime=60, grants_exactly=["chat:write"]
    )
    assert (await visitor.page(slack())).status_code == 400
    uri = "https://valetkey.example/callback/slack"
    await turn(visitor, "redirects", provider="slack", uri=uri)
    code = (await visitor.allow(slack(), "ana@example.com", redirect_uri=uri))["code"]
    tokens = (await visitor.redeem(slack(), code, redirect_uri=uri)).json()["authed_user"]
    assert (tokens["expires_in"], tokens["scope"]) == (60, "chat:write")


async def test_a_reset_brings_everything_back_to_the_start(visitor: Visitor, sandbox: Sandbox) -> None:
    before = await read(visitor, "counters")
    await visitor.connect(google(), "ana@example.com", scope="https://mail.google.com/")
    raw = {"raw": "VG86IGJlbkBleGFtcGxlLmNvbQoKaGk="}
    assert (await visitor.post("/gmail/v1/users/me/messages/send", raw)).status_code == 200
    sandbox.google.change(lifetime=1)
    sandbox.google.redirects.add("https://valetkey.example/callback/google")
    sandbox.google.faults.set("token", "server_error")
    await turn(visitor, "reset")
    assert await read(visitor, "counters") == before
    grants = await read(visitor, "grants")
    assert [grants[name] for name in ("google", "github", "slack", "strict")] == [[], [], [], []]
    tokens = await visitor.connect(google(), "ana@example.com")
    assert (tokens["expires_in"], sandbox.google.redirects) == (3599, set())
    assert not any("SENT" in mail.labels for mail in sandbox.mailboxes.of("ana@example.com"))


@pytest.mark.parametrize(
    ("name", "body"),
    [
        ("faults", {"provider": "google", "kind": "api", "name": "explode"}),
        ("faults", {"provider": "google"}),
        ("faults", {"provider": "elsewhere", "kind": "api", "name": "drop"}),
        ("rules", {"provider": "google", "no_such_rule": 1}),
        ("rules", {"provider": "google", "lifetime": "long"}),
        ("rules", {"provider": "google", "code_lifetime": None}),
        ("expire", {}),
        ("reset", {"provider": "google"}),
        ("reset", []),
    ],
)
async def test_a_switch_there_is_not_says_so(visitor: Visitor, name: str, body: Any) -> None:
    answer = await visitor.http.post(f"/_sandbox/{name}", json=body)
    assert (answer.status_code, "error" in answer.json()) == (400, True)


async def test_the_people_are_listed(visitor: Visitor) -> None:
    assert [person["email"] for person in await read(visitor, "people")] == [
        "ana@example.com",
        "ben@example.com",
        "carol@example.com",
    ]


async def test_expiring_counts_only_what_was_alive(
    visitor: Visitor, sandbox: Sandbox, turning: FakeClock
) -> None:
    await visitor.connect(google(), "ana@example.com")
    turning.advance(3_599_000)
    assert sandbox.google.expire() == 0
