import json
from collections.abc import Sequence
from pathlib import Path

import anyio
import pytest

from tests.manifest.demo import HEAD, NO_AUTH, written
from tests.manifest.recorder import Answer, Answers, Received, Recorder, Tokens, upstream
from valetkey.calls.run import MOST_BYTES, MOST_ITEMS, run
from valetkey.egress import Egress, Rules
from valetkey.errors import CallError
from valetkey.manifest import Catalog, Tool
from valetkey.model import Json, Outcome

ORIGIN = "https://api.acme.example"
ERRORS = """
errors = { reconnect = "error == 'token_expired'", not_found = "error == 'gone'" }
"""
ID = '{ type = "string", description = "Which." }'
LIMIT = '{ type = "integer", default = 2, description = "How many." }'


def tool(folder: Path, lines: str, *, effect: str = "read", args: str = "", output: str = "") -> Tool:
    """Load the one tool `acme.go` made of these lines."""
    head = f"""
[tools.go]
description = "Go."
effect      = "{effect}"
labels      = []
sensitive   = []
preview     = "Go"
args        = {{ {args} }}
output      = {{ type = "object"{output} }}
"""
    written(folder, HEAD + ERRORS + NO_AUTH + head + lines)
    return Catalog.load([folder], allow_hooks=[folder]).tool("acme.go")


def plain(folder: Path, effect: str = "read", output: str = "") -> Tool:
    """Load a tool of one request that says nothing more."""
    line = "GET /go" if effect == "read" else "POST /go"
    return tool(folder, f'request = "{line}"', effect=effect, output=output)


def in_turn(answers: Sequence[Answer]) -> Answers:
    waiting = iter(answers)
    return lambda _: next(waiting)


class Nap:
    """Sleeps no time at all, and remembers for how long it should have."""

    def __init__(self) -> None:
        self.seconds: list[float] = []

    async def __call__(self, seconds: float) -> None:
        self.seconds.append(seconds)


async def carried_out(
    tool: Tool, arguments: Json, answers: Answers, *, key: str = "", renewable: bool = False
) -> tuple[Json, Recorder, Nap]:
    """Run a tool against `answers`; the first of the three is its result, or the CallError."""
    nap = Nap()
    with anyio.fail_after(10):
        async with upstream(ORIGIN, answers, renewable=renewable) as (recorder, way):
            try:
                return await run(tool, tool.check(arguments), way, key=key, sleep=nap), recorder, nap
            except CallError as error:
                return error, recorder, nap


async def test_a_request_is_filled_sent_and_shaped(tmp_path: Path) -> None:
    go = tool(tmp_path, 'request = "GET /things/{id}"\nresult = "{name: a.b}"', args=f"id = {ID}")
    result, recorder, _ = await carried_out(go, {"id": "a b"}, lambda _: Answer({"a": {"b": "x\u200b"}}))
    assert result == {"name": "x"}
    assert [(r.method, r.target) for r in recorder.received] == [("GET", "/v1/things/a%20b")]
    assert recorder.received[0].headers["authorization"] == "Bearer secret-1"


async def test_an_argument_that_does_not_fit_its_place_is_invalid_and_nothing_is_sent(tmp_path: Path) -> None:
    go = tool(tmp_path, 'request = "GET /things/{id}"', args=f"id = {ID}")
    error, recorder, _ = await carried_out(go, {"id": "../admin"}, lambda _: Answer())
    assert error.outcome == Outcome.INVALID
    assert error.text == "The argument `id` must not contain a slash or backslash, encoded or not."
    assert recorder.received == []


async def test_a_step_runs_once_for_each_item_eight_at_a_time(tmp_path: Path) -> None:
    go = tool(tmp_path, EACH, args=f"limit = {LIMIT}")
    ids = [f"m{n}" for n in range(20)]
    result, recorder, _ = await carried_out(go, {"limit": 20}, _listing(ids))
    assert result == {"all": [{"id": name} for name in ids]}
    assert recorder.received[0].query == [("n", "20")]
    assert sorted(r.path for r in recorder.received[1:]) == sorted(f"/v1/things/{name}" for name in ids)


EACH = """
result = "{all: things[].{id: id}}"
[[tools.go.steps]]
name    = "page"
request = "GET /things"
query   = { n = "{limit}" }
[[tools.go.steps]]
name    = "things"
each    = "page.ids"
request = "GET /things/{each}"
"""


def _listing(ids: Sequence[Json]) -> Answers:
    def answer(request: Received) -> Answer:
        if request.path == "/v1/things":
            return Answer({"ids": ids})
        return Answer({"id": request.path.rpartition("/")[2]})

    return answer


async def test_at_most_fifty_items_are_fetched_and_the_result_says_so(tmp_path: Path) -> None:
    go = tool(tmp_path, EACH, args=f"limit = {LIMIT}")
    result, recorder, _ = await carried_out(go, {}, _listing([str(n) for n in range(70)]))
    assert len(result["all"]) == MOST_ITEMS
    assert len(recorder.received) == MOST_ITEMS + 1
    assert result["note"] == "Only the first 50 of 70 items were fetched. Ask for fewer."


async def test_one_failing_item_fails_the_call_with_its_own_outcome(tmp_path: Path) -> None:
    def answer(request: Received) -> Answer:
        return Answer({"ids": ["a", "b"]}) if request.path == "/v1/things" else Answer({"error": "gone"})

    error, _, _ = await carried_out(tool(tmp_path, EACH, args=f"limit = {LIMIT}"), {}, answer)
    assert error.outcome == Outcome.NOT_FOUND


@pytest.mark.parametrize("item", ["../admin", "a/b", "", "..", "%2e%2e", "\\"])
async def test_an_item_the_upstream_made_up_never_changes_a_path(tmp_path: Path, item: str) -> None:
    go = tool(tmp_path, EACH, args=f"limit = {LIMIT}")
    error, recorder, _ = await carried_out(go, {}, _listing([item]))
    assert error.outcome == Outcome.FAILED
    assert [r.path for r in recorder.received] == ["/v1/things"]


@pytest.mark.parametrize("effect", ["read", "write", "destroy"])
async def test_an_answer_that_is_lost_may_mean_a_write_happened(tmp_path: Path, effect: str) -> None:
    error, recorder, nap = await carried_out(plain(tmp_path, effect), {}, lambda _: Answer(lost=True))
    assert error.outcome == (Outcome.UNAVAILABLE if effect == "read" else Outcome.UNKNOWN)
    assert ("may have happened" in error.text) is (effect != "read")
    assert nap.seconds == []
    assert effect == "read" or len(recorder.received) == 1


async def test_a_redirect_is_not_followed(tmp_path: Path) -> None:
    answer = Answer({}, 302, {"location": "https://evil.example/"})
    error, recorder, _ = await carried_out(plain(tmp_path), {}, lambda _: answer)
    assert error.outcome == Outcome.FAILED
    assert len(recorder.received) == 1
    assert "evil" not in error.text


@pytest.mark.parametrize("effect", ["read", "write"])
async def test_an_upstream_that_cannot_be_reached_is_unavailable(tmp_path: Path, effect: str) -> None:
    origins, nowhere = frozenset({ORIGIN}), Rules(hosts={ORIGIN: "http://127.0.0.1:1"})
    async with Egress(nowhere) as egress:
        with pytest.raises(CallError) as error:
            await run(plain(tmp_path, effect), {}, egress.to(origins, Tokens(origins)))
    assert error.value.outcome == Outcome.UNAVAILABLE
    assert "127.0.0.1" not in error.value.text


async def test_a_token_that_may_not_go_there_is_never_sent(tmp_path: Path) -> None:
    async with upstream("https://other.example", lambda _: Answer()) as (recorder, way):
        with pytest.raises(CallError) as error:
            await run(plain(tmp_path), {}, way)
    assert error.value.outcome == Outcome.FAILED
    assert recorder.received == []


@pytest.mark.parametrize("status", [502, 503, 504])
async def test_a_read_is_repeated_once_after_a_gateway_s_error(tmp_path: Path, status: int) -> None:
    result, recorder, nap = await carried_out(
        plain(tmp_path), {}, in_turn([Answer({}, status), Answer({"a": 1})])
    )
    assert result == {"a": 1}
    assert nap.seconds == [0.5]
    assert len(recorder.received) == 2


async def test_a_read_is_repeated_once_and_no_more(tmp_path: Path) -> None:
    error, recorder, _ = await carried_out(plain(tmp_path), {}, lambda _: Answer({}, 503))
    assert error.outcome == Outcome.UNAVAILABLE
    assert len(recorder.received) == 2


@pytest.mark.parametrize("status", [500, 502, 503, 504])
async def test_a_write_is_never_repeated_after_a_server_s_error(tmp_path: Path, status: int) -> None:
    go = plain(tmp_path, "write")
    _, recorder, nap = await carried_out(go, {}, lambda _: Answer({}, status, {"retry-after": "1"}))
    assert len(recorder.received) == 1
    assert nap.seconds == []


async def test_an_idempotent_write_may_be_repeated(tmp_path: Path) -> None:
    go = tool(tmp_path, 'request = "PUT /go"\nidempotent = true', effect="write")
    result, _, _ = await carried_out(go, {}, in_turn([Answer({}, 502), Answer({"a": 1})]))
    assert result == {"a": 1}


@pytest.mark.parametrize("effect", ["read", "write"])
async def test_whoever_says_when_to_come_back_is_asked_again_then(tmp_path: Path, effect: str) -> None:
    answers = in_turn([Answer({}, 429, {"retry-after": "2"}), Answer({"a": 1})])
    result, _, nap = await carried_out(plain(tmp_path, effect), {}, answers)
    assert result == {"a": 1}
    assert nap.seconds == [2.0]


@pytest.mark.parametrize(
    "headers", [{}, {"retry-after": "6"}, {"retry-after": "100000000"}, {"retry-after": "soon"}]
)
async def test_nobody_waits_long_or_unasked(tmp_path: Path, headers: dict[str, str]) -> None:
    error, recorder, nap = await carried_out(plain(tmp_path), {}, lambda _: Answer({}, 429, headers))
    assert error.outcome == Outcome.RATE_LIMITED
    assert len(recorder.received) == 1
    assert nap.seconds == []


@pytest.mark.parametrize("refusal", [Answer({}, 401), Answer({"error": "token_expired"})])
async def test_an_expired_token_is_renewed_once_even_for_a_write(tmp_path: Path, refusal: Answer) -> None:
    go = plain(tmp_path, "write")
    result, recorder, _ = await carried_out(go, {}, in_turn([refusal, Answer({"a": 1})]), renewable=True)
    assert result == {"a": 1}
    assert [r.headers["authorization"] for r in recorder.received] == ["Bearer secret-1", "Bearer secret-2"]
    error, _, _ = await carried_out(go, {}, lambda _: refusal, renewable=True)
    assert error.outcome == Outcome.RECONNECT


async def test_a_result_that_does_not_fit_the_published_schema_is_never_sent(tmp_path: Path) -> None:
    go = plain(tmp_path, output=', required = ["id"]')
    error, _, _ = await carried_out(go, {}, lambda _: Answer({"secret": "canary"}))
    assert error.outcome == Outcome.FAILED
    assert "canary" not in error.text
    error, _, _ = await carried_out(go, {}, lambda _: Answer([1]))
    assert error.outcome == Outcome.FAILED


async def test_a_result_is_capped(tmp_path: Path) -> None:
    result, _, _ = await carried_out(plain(tmp_path), {}, lambda _: Answer({"text": "x" * 300_000}))
    assert len(json.dumps(result)) < 100_500
    assert "note" in result
    error, _, _ = await carried_out(plain(tmp_path), {}, lambda _: Answer({"n": list(range(60_000))}))
    assert (error.outcome, error.text) == ("failed", "The result is too large. Ask for something narrower.")


@pytest.mark.parametrize("reply", [{"items": "no list"}, {"items": 7}, {"items": {"a": 1}}])
async def test_a_list_that_is_none_is_an_error(tmp_path: Path, reply: Json) -> None:
    go = tool(tmp_path, f'request = "GET /go"\nresult = "items"\n{PAGED}')
    error, _, _ = await carried_out(go, {}, lambda _: Answer(reply))
    assert error.outcome == Outcome.FAILED


PAGED = 'paged = true\npaging = { style = "link", send = "page" }\n'


async def test_a_list_goes_on_from_its_cursor(tmp_path: Path) -> None:
    go = tool(tmp_path, f'request = "GET /go"\nresult = "items"\n{PAGED}')
    link = {"link": f'<{ORIGIN}/v1/go?page=2>; rel="next"'}
    result, _, _ = await carried_out(go, {}, lambda _: Answer({"items": [{"a": 1}]}, 200, link))
    assert result == {"items": [{"a": 1}], "next_cursor": "2"}
    result, recorder, _ = await carried_out(go, {"cursor": "2"}, lambda _: Answer({}))
    assert result == {"items": [], "next_cursor": None}
    assert recorder.received[0].target == "/v1/go?page=2"


async def test_a_next_page_at_another_origin_is_an_error(tmp_path: Path) -> None:
    go = tool(tmp_path, f'request = "GET /go"\nresult = "items"\n{PAGED}')
    link = {"link": '<https://evil.example/v1/go?page=2>; rel="next"'}
    error, _, _ = await carried_out(go, {}, lambda _: Answer({"items": []}, 200, link))
    assert error.outcome == Outcome.FAILED
    assert "evil" not in error.text


@pytest.mark.parametrize(
    ("response", "result", "expected"),
    [
        ("text", "{text: @}", {"text": "a,b"}),
        ("bytes", "@", {"media_type": "text/csv", "size": 3, "data": "YSxi"}),
        ("empty", "@", {}),
    ],
)
async def test_a_reply_need_not_be_json(tmp_path: Path, response: str, result: str, expected: Json) -> None:
    go = tool(tmp_path, f'request = "GET /go"\nresponse = "{response}"\nresult = "{result}"')
    answer = Answer(b"a,b", 200, {"content-type": "text/csv; charset=utf-8"})
    assert (await carried_out(go, {}, lambda _: answer))[0] == expected


async def test_a_file_is_handed_on_whole_or_not_at_all(tmp_path: Path) -> None:
    go = tool(tmp_path, 'request = "GET /go"\nresponse = "bytes"')
    result, _, _ = await carried_out(go, {}, lambda _: Answer(b"x" * MOST_BYTES))
    assert result["size"] == MOST_BYTES
    assert "note" not in result
    error, _, _ = await carried_out(go, {}, lambda _: Answer(b"x" * (MOST_BYTES + 1)))
    assert (error.outcome, error.text) == ("failed", "The file is too large: more than 70000 bytes.")


@pytest.mark.parametrize("ids", ["abc", {"a": 1}, 7, True])
async def test_what_is_no_list_is_not_gone_through(tmp_path: Path, ids: Json) -> None:
    error, recorder, _ = await carried_out(
        tool(tmp_path, EACH, args=f"limit = {LIMIT}"), {}, lambda _: Answer({"ids": ids})
    )
    assert error.outcome == Outcome.FAILED
    assert len(recorder.received) == 1


async def test_a_call_has_one_idempotency_key_where_the_api_takes_one(tmp_path: Path) -> None:
    lines = 'request = "POST /go"\njson = {}\nidempotency = { header = "Idempotency-Key" }\nidempotent = true'
    go = tool(tmp_path, lines, effect="write")
    _, recorder, _ = await carried_out(go, {}, in_turn([Answer({}, 503), Answer()]), key="cal_1")
    assert [r.headers["idempotency-key"] for r in recorder.received] == ["cal_1", "cal_1"]
    _, recorder, _ = await carried_out(go, {}, lambda _: Answer())
    assert "idempotency-key" not in recorder.received[0].headers


def hooked(folder: Path, code: str, *, effect: str = "write") -> Tool:
    (folder / "acme").mkdir(exist_ok=True)
    (folder / "acme" / "hooks.py").write_text(code)
    return tool(folder, 'hook = "go"', effect=effect, args=f"id = {ID}")


async def test_a_hook_sends_through_the_same_way(tmp_path: Path) -> None:
    go = hooked(
        tmp_path,
        """
async def go(call):
    one = await call.request("POST /things/{id}", path=call.args, json={"a": "{id}"}, query={"b": [1, 2]})
    more = await call.each(["x", "y"], lambda n: call.request("GET /more/{n}", path={"n": n}))
    return {"one": one, "more": more}
""",
    )
    result, recorder, _ = await carried_out(go, {"id": "7"}, lambda r: Answer({"at": r.path + "\u200b"}))
    assert result == {"one": {"at": "/v1/things/7"}, "more": [{"at": "/v1/more/x"}, {"at": "/v1/more/y"}]}
    assert recorder.received[0].json == {"a": "{id}"}  # an argument's braces are text
    assert recorder.received[0].query == [("b", "1"), ("b", "2")]
    assert {r.headers["authorization"] for r in recorder.received} == {"Bearer secret-1"}


async def test_a_hook_cannot_leave_the_connector_s_base_url(tmp_path: Path) -> None:
    for line in ("GET https://evil.example/x", "GET //evil.example/x", "GET /../x", "GET /a/{id}"):
        go = hooked(
            tmp_path, f"async def go(call):\n    return await call.request({line!r}, path=call.args)\n"
        )
        error, recorder, _ = await carried_out(go, {"id": "../x"}, lambda _: Answer())
        assert error.outcome in (Outcome.FAILED, Outcome.INVALID)
        assert recorder.received == []


async def test_a_hook_holds_no_credential(tmp_path: Path) -> None:
    go = hooked(
        tmp_path, "async def go(call):\n    return {'names': [n for n in dir(call) if n[0] != '_']}\n"
    )
    assert (await carried_out(go, {"id": "1"}, lambda _: Answer()))[0] == {
        "names": ["args", "each", "request"]
    }


@pytest.mark.parametrize(
    "body",
    ["raise KeyError('canary')", "return 1 / 0", "return {}['canary']", "return 'canary'", "return None"],
)
async def test_a_hook_that_breaks_says_nothing_of_its_inside(tmp_path: Path, body: str) -> None:
    error, _, _ = await carried_out(
        hooked(tmp_path, f"async def go(call):\n    {body}\n"), {"id": "1"}, in_turn([])
    )
    assert error.outcome == Outcome.FAILED
    assert "canary" not in error.text


@pytest.mark.parametrize(("effect", "outcome"), [("read", Outcome.UNAVAILABLE), ("write", Outcome.UNKNOWN)])
async def test_a_hook_s_time_ends(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, effect: str, outcome: Outcome
) -> None:
    monkeypatch.setattr("valetkey.calls.run.HOOK_SECONDS", 0.01)
    go = hooked(
        tmp_path, "import anyio\nasync def go(call):\n    await anyio.sleep_forever()\n", effect=effect
    )
    error, _, _ = await carried_out(go, {"id": "1"}, lambda _: Answer())
    assert error.outcome == outcome


async def test_a_hook_s_request_keeps_its_own_outcome(tmp_path: Path) -> None:
    go = hooked(tmp_path, "async def go(call):\n    return await call.request('GET /x')\n")
    error, _, _ = await carried_out(go, {"id": "1"}, lambda _: Answer({"error": "gone"}))
    assert error.outcome == Outcome.NOT_FOUND
    error, _, _ = await carried_out(go, {"id": "1"}, lambda _: Answer(lost=True))
    assert error.outcome == Outcome.UNKNOWN
