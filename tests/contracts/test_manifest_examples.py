"""Every example beside a shipped manifest replays: exactly those requests, exactly that result.

An example is `{"tool", "args", "exchanges", "result"}`, or `"outcome"` in place of `"result"`. An exchange
is `{"request": "GET /path", "query"?, "json"?, "status"?, "headers"?, "response"?}`; repeated query names
are written as a list.
"""

import json
from typing import Any

import anyio
import pytest

from tests.manifest.recorder import Answer, Received, upstream
from valetkey.calls.run import run
from valetkey.egress import Upstream
from valetkey.errors import CallError
from valetkey.manifest import Catalog, Tool, check, shipped
from valetkey.model import Json

CATALOG = Catalog.load([shipped()])
EXAMPLES = {
    f"{path.parts[-3]}/{path.stem}": json.loads(path.read_text("utf-8"))
    for path in sorted(shipped().glob("*/examples/*.json"))
}


@pytest.mark.parametrize("name", EXAMPLES)
async def test_an_example_replays(name: str) -> None:
    example = EXAMPLES[name]
    tool = CATALOG.tool(f"{name.partition('/')[0]}.{example['tool']}")
    waiting = list(example["exchanges"])

    def answer(request: Received) -> Answer:
        exchange = next((e for e in waiting if _fits(request, e, tool.connector.base_url)), None)
        assert exchange is not None, f"unexpected {request.method} {request.target} {request.body!r}"
        waiting.remove(exchange)
        return Answer(exchange.get("response", b""), exchange.get("status", 200), exchange.get("headers", {}))

    origin = "/".join(tool.connector.base_url.split("/")[:3])
    with anyio.fail_after(10):
        async with upstream(origin, answer) as (recorder, way):
            outcome = await _carried_out(tool, tool.check(example["args"]), way)
    assert outcome == {key: example[key] for key in ("result", "outcome") if key in example}
    assert not waiting, "not every exchange took place"
    assert all(r.headers["authorization"] == "Bearer secret-1" for r in recorder.received)


async def _carried_out(tool: Tool, arguments: Json, way: Upstream) -> dict[str, Any]:
    try:
        return {"result": await run(tool, arguments, way)}
    except CallError as error:
        return {"outcome": error.outcome}


def _fits(request: Received, exchange: dict[str, Any], base_url: str) -> bool:
    method, path = exchange["request"].split(" ")
    below = "".join(f"/{part}" for part in base_url.split("/")[3:])
    same_place = request.method == method and request.path == below + path
    same_body = request.json == exchange["json"] if "json" in exchange else not request.body
    return same_place and sorted(request.query) == sorted(_pairs(exchange.get("query", {}))) and same_body


def _pairs(query: dict[str, Any]) -> list[tuple[str, str]]:
    return [
        (name, item)
        for name, value in query.items()
        for item in (value if isinstance(value, list) else [value])
    ]


def test_nothing_is_wrong_with_the_shipped_manifests() -> None:
    assert [str(problem) for problem in check(shipped())] == []


@pytest.mark.parametrize("name", sorted(CATALOG.connectors))
def test_a_connector_shows_a_missing_scope_and_an_error(name: str) -> None:
    examples = [example for where, example in EXAMPLES.items() if where.startswith(f"{name}/")]
    outcomes = {example.get("outcome") for example in examples}
    assert "insufficient_scope" in outcomes
    assert outcomes - {None, "insufficient_scope"}, "no example of another error"
    assert {e["tool"] for e in examples if "result" in e} == set(CATALOG.connectors[name].tools)
