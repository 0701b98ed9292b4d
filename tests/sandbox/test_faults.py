"""The faults: each goes wrong in its own way, where it was switched on, as often as was said."""

import gzip
import json
from typing import Any

import anyio
import httpx2
import pytest

from tests.sandbox.visitor import Visitor, google, slack, strict
from valetkey.errors import UsageError
from valetkey.sandbox import Sandbox
from valetkey.sandbox.hostile import HOSTILE, STATIC

PROFILE = "/gmail/v1/users/me/profile"


async def status(visitor: Visitor, path: str = PROFILE) -> int:
    return (await visitor.get(path)).status_code


@pytest.mark.parametrize("name", STATIC)
async def test_a_static_answer_comes_as_it_is_in_the_table(
    visitor: Visitor, sandbox: Sandbox, name: str
) -> None:
    sandbox.google.faults.set("api", name, 1)
    answer = await visitor.get(PROFILE)
    code, kind, body = STATIC[name]
    assert (answer.status_code, answer.content) == (code, body)
    assert answer.headers["content-type"].startswith(kind)


async def test_a_fault_is_counted_down_and_stays_at_its_endpoint(visitor: Visitor, sandbox: Sandbox) -> None:
    tokens = await visitor.connect(google(), "ana@example.com")
    sandbox.google.faults.set("api", "server_error", 2)
    sandbox.google.faults.set("api", "unavailable", 1)
    assert (await visitor.refresh(google(), tokens["refresh_token"])).status_code == 200
    assert [await status(visitor) for _ in range(4)] == [500, 500, 503, 200]
    assert sandbox.google.counters.faults == {"server_error": 2, "unavailable": 1}


async def test_a_fault_without_a_number_lasts_until_it_is_cleared(visitor: Visitor, sandbox: Sandbox) -> None:
    await visitor.connect(google(), "ana@example.com")
    sandbox.google.faults.set("api", "empty_400")
    assert [await status(visitor) for _ in range(3)] == [400, 400, 400]
    sandbox.google.faults.clear()
    assert await status(visitor) == 200


async def test_a_fault_of_one_provider_leaves_the_others_alone(visitor: Visitor, sandbox: Sandbox) -> None:
    sandbox.google.faults.set("token", "server_error")
    await visitor.connect(strict(), "ana@example.com")
    assert await status(visitor, "/strict/api/whoami") == 200


def test_a_fault_there_is_not_is_a_usage_error(sandbox: Sandbox) -> None:
    for kind, name in (("api", "explode"), ("kitchen", "drop"), ("api", "")):
        with pytest.raises(UsageError, match="garbage"):
            sandbox.google.faults.set(kind, name)


async def test_too_many_requests_come_in_each_providers_shape(visitor: Visitor, sandbox: Sandbox) -> None:
    for provider in (sandbox.google, sandbox.slack):
        provider.faults.set("api", "too_many", 1, retry_after=7)
    mail = await visitor.get(PROFILE)
    assert (mail.status_code, mail.headers["retry-after"]) == (429, "7")
    assert mail.json()["error"]["status"] == "RESOURCE_EXHAUSTED"
    talk = await visitor.get("/api/auth.test")
    assert (talk.status_code, talk.json()) == (429, {"ok": False, "error": "ratelimited"})


async def test_a_dropped_answer_came_after_the_work_was_done(visitor: Visitor, sandbox: Sandbox) -> None:
    tokens = await visitor.connect(strict(), "ana@example.com")
    sandbox.strict.faults.set("token", "drop", 1)
    with pytest.raises(httpx2.RemoteProtocolError):
        await visitor.refresh(strict(), tokens["refresh_token"])
    assert sandbox.strict.counters.refreshes == {"ana@example.com": 1}
    again = await visitor.refresh(strict(), tokens["refresh_token"])
    assert again.json()["error"] == "invalid_grant"


async def test_in_process_a_dropped_answer_is_a_connection_error(sandbox: Sandbox) -> None:
    sandbox.google.faults.set("api", "drop", 1)
    transport = httpx2.ASGITransport(app=sandbox.app)
    async with httpx2.AsyncClient(transport=transport, base_url="http://sandbox") as http:
        with pytest.raises(ConnectionAbortedError):
            await http.get(PROFILE)


async def test_a_connection_cut_before_leaves_nothing_done(visitor: Visitor, sandbox: Sandbox) -> None:
    tokens = await visitor.connect(strict(), "ana@example.com")
    sandbox.strict.faults.set("token", "drop_before", 1)
    with pytest.raises(httpx2.RemoteProtocolError):
        await visitor.refresh(strict(), tokens["refresh_token"])
    assert (await visitor.refresh(strict(), tokens["refresh_token"])).status_code == 200


async def test_a_truncated_answer_is_half_of_the_real_one(visitor: Visitor, sandbox: Sandbox) -> None:
    tokens = await visitor.connect(strict(), "ana@example.com")
    sandbox.strict.faults.set("token", "truncated", 1)
    answer = await visitor.refresh(strict(), tokens["refresh_token"])
    assert (answer.status_code, answer.content[:1]) == (200, b"{")
    with pytest.raises(json.JSONDecodeError):
        answer.json()
    assert sandbox.strict.counters.refreshes["ana@example.com"] == 1


async def test_a_redirect_leads_elsewhere(visitor: Visitor, sandbox: Sandbox) -> None:
    sandbox.google.faults.set("api", "redirect", 1, to="https://evil.example/x", status=307)
    answer = await visitor.get(PROFILE)
    assert (answer.status_code, answer.headers["location"]) == (307, "https://evil.example/x")


async def test_a_bomb_is_small_until_it_is_unpacked(visitor: Visitor, sandbox: Sandbox) -> None:
    sandbox.google.faults.set("api", "bomb", 1, bytes=1 << 20)
    async with visitor.http.stream("GET", PROFILE) as answer:
        packed = b"".join([part async for part in answer.aiter_raw()])
    assert len(packed) < 1 << 14
    assert len(gzip.decompress(packed)) == 1 << 20


async def test_an_oversized_body_is_as_large_as_was_said(visitor: Visitor, sandbox: Sandbox) -> None:
    sandbox.google.faults.set("api", "oversized", 1, bytes=1 << 20)
    answer = await visitor.get(PROFILE)
    assert (len(answer.json()["x"]), "content-length" in answer.headers) == (1 << 20, False)


async def test_a_drip_comes_byte_by_byte(visitor: Visitor, sandbox: Sandbox) -> None:
    sandbox.google.faults.set("api", "drip", 1, bytes=3, seconds=0)
    assert (await visitor.get(PROFILE)).content == b"   "


async def test_any_status_and_body_can_be_asked_for(visitor: Visitor, sandbox: Sandbox) -> None:
    options: dict[str, Any] = {"status": 418, "body": {"error": "teapot"}, "headers": {"X-Pot": "full"}}
    sandbox.slack.faults.set("token", "status", 1, **options)
    answer = await visitor.token(slack())
    assert (answer.status_code, answer.json(), answer.headers["x-pot"]) == (418, {"error": "teapot"}, "full")


async def test_a_cookie_trap_is_set_beside_the_real_answer(visitor: Visitor, sandbox: Sandbox) -> None:
    await visitor.connect(google(), "ana@example.com")
    sandbox.google.faults.set("api", "set_cookie", 1)
    answer = await visitor.get(PROFILE)
    assert (answer.status_code, "sandbox_trap" in answer.headers["set-cookie"]) == (200, True)


async def test_a_slow_answer_comes_in_the_end(visitor: Visitor, sandbox: Sandbox) -> None:
    await visitor.connect(google(), "ana@example.com")
    sandbox.google.faults.set("api", "slow", 1, seconds=0.001)
    assert await status(visitor) == 200


@pytest.mark.parametrize(("after", "done_while_held"), [(False, 0), (True, 1)])
async def test_a_held_request_waits_before_or_after_its_work(
    visitor: Visitor, sandbox: Sandbox, *, after: bool, done_while_held: int
) -> None:
    tokens = await visitor.connect(strict(), "ana@example.com")
    fault = sandbox.strict.faults.set("token", "hold", 1, after=after)
    with anyio.fail_after(10):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(visitor.refresh, strict(), tokens["refresh_token"])
            await fault.arrived.wait()
            assert sandbox.strict.counters.refreshes.total() == done_while_held
            fault.released.set()
    assert sandbox.strict.counters.refreshes.total() == 1


async def test_clearing_lets_held_requests_go(visitor: Visitor, sandbox: Sandbox) -> None:
    await visitor.connect(google(), "ana@example.com")
    fault = sandbox.google.faults.set("api", "hold")
    with anyio.fail_after(10):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(status, visitor)
            await fault.arrived.wait()
            sandbox.google.faults.clear()
    assert await status(visitor) == 200


async def test_the_consent_page_and_revocation_can_fail_too(visitor: Visitor, sandbox: Sandbox) -> None:
    sandbox.google.faults.set("authorize", "server_error", 1)
    sandbox.google.faults.set("revoke", "unavailable", 1)
    assert (await visitor.page(google())).status_code == 500
    assert (await visitor.http.post("/revoke", data={"token": "x"})).status_code == 503


def test_every_fault_that_was_promised_is_there() -> None:
    promised = {"too_many", "server_error", "slow", "drop", "garbage", "html", "truncated", "empty_400"}
    assert promised | {"oversized", "redirect", "bomb"} <= set(HOSTILE)
