"""Every tool that ships, under values of every kind: what the upstream receives has the shape it is to have.

Paths are looked at as they were received, as they stand and decoded twice; a second origin looks on.
"""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from urllib.parse import unquote, urlsplit

import anyio
import pytest

from tests.contracts.test_manifest_examples import CATALOG, EXAMPLES
from tests.manifest.recorder import Answer, Recorder, Tokens
from tests.manifest.test_paths import PAYLOADS
from valetkey.calls.run import run
from valetkey.egress import Egress, Outgoing, Rules, Upstream
from valetkey.errors import CallError, EgressRefused
from valetkey.manifest import Tool
from valetkey.manifest.connector import Step
from valetkey.manifest.contexts import Unfit
from valetkey.model import Json

EVIL = "https://evil.example"
TEMPLATED = [
    (tool, step)
    for tool in CATALOG.tools
    for step in tool.steps
    if any(True for _ in step.request.line.slots())
]
ELSEWHERE = [
    *(
        "https://evil.example/x",
        "//evil.example/x",
        "https://evil.example",
        "\\\\evil.example",
        "@evil.example",
    ),
    *(
        "x\r\nHost: evil.example",
        "x\r\n\r\nGET / HTTP/1.1\r\nHost: evil.example",
        "x\nAuthorization: Bearer y",
    ),
    *("{base_url}", "${HOME}", "{{7*7}}", "../../../admin", "x&key=y#z", 'x", "admin": true, "y": "'),
]


@dataclass(slots=True)
class Watched:
    """The upstream of a tool, and another origin that nothing should ever reach."""

    upstream: Recorder
    elsewhere: Recorder
    egress: Egress

    def way(self, tool: Tool) -> Upstream:
        return self.egress.to(tool.connector.origins, Tokens(tool.connector.origins))


@asynccontextmanager
async def _serving(recorder: Recorder) -> AsyncIterator[str]:
    server = await asyncio.start_server(recorder.serve, "127.0.0.1", 0)
    async with server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"


@pytest.fixture(scope="module")
async def watched() -> AsyncIterator[Watched]:
    upstream, elsewhere = Recorder(lambda _: Answer({})), Recorder(lambda _: Answer({}))
    async with _serving(upstream) as here, _serving(elsewhere) as there:
        origins = {origin: here for one in CATALOG.connectors.values() for origin in one.origins}
        async with Egress(Rules(hosts={**origins, EVIL: there})) as egress:
            yield Watched(upstream, elsewhere, egress)


def _paths(tool: Tool, step: Step) -> Iterator[tuple[str, str]]:
    """The URL for each payload in each place of a path that takes it, and the template of that path."""
    slots = [slot.name for slot in step.request.line.slots()]
    for name in slots:
        for payload in PAYLOADS:
            with suppress(Unfit):
                values: dict[str, Json] = dict.fromkeys(slots, "1") | {name: payload}
                yield tool.connector.base_url + step.request.line.path(values), payload


def _same_shape(seen: str, base_path: str, step: Step) -> bool:
    segments = step.request.line.segments
    parts = seen.removeprefix(base_path + "/").split("/")
    if not seen.startswith(base_path + "/") or len(parts) != len(segments):
        return False
    if {"", ".", ".."} & set(parts):
        return False
    literal = [all(isinstance(part, str) for part in segment) for segment in segments]
    return all(
        not fixed or part == "".join(str(one) for one in segment)
        for fixed, part, segment in zip(literal, parts, segments, strict=True)
    )


@pytest.mark.parametrize(
    ("tool", "step"), TEMPLATED, ids=[f"{tool.name} {step.name}" for tool, step in TEMPLATED]
)
async def test_no_value_in_a_path_leads_to_another_path(watched: Watched, tool: Tool, step: Step) -> None:
    base = urlsplit(tool.connector.base_url).path
    sent = 0
    with anyio.fail_after(30):
        for url, payload in _paths(tool, step):
            watched.upstream.received.clear()
            with suppress(EgressRefused):
                await watched.way(tool).send(Outgoing(step.request.line.method, url))
            for request in watched.upstream.received:
                for seen in (request.target, unquote(request.target), unquote(unquote(request.target))):
                    assert _same_shape(seen, base, step), (payload, request.target)
                sent += 1
    assert sent > 10, "harmless values are sent"
    assert watched.elsewhere.received == []


def test_there_are_many_paths_with_a_place_in_them() -> None:
    assert len(TEMPLATED) >= 15
    assert len(PAYLOADS) >= 40


def _calls(tool: Tool) -> Iterator[dict[str, Json]]:
    """An example's arguments, with each text of them replaced by each payload in turn."""
    of_the_tool = (
        one for name, one in EXAMPLES.items() if f"{name.partition('/')[0]}.{one['tool']}" == tool.name
    )
    arguments = max((one["args"] for one in of_the_tool), key=len)
    for name, value in arguments.items():
        for payload in ELSEWHERE:
            if isinstance(value, str):
                yield {**arguments, name: payload}
            if isinstance(value, list):
                yield {**arguments, name: [payload]}


@pytest.mark.parametrize("tool", CATALOG.tools, ids=lambda tool: tool.name)
async def test_no_argument_names_another_origin_or_adds_a_header(watched: Watched, tool: Tool) -> None:
    headers = {
        "host",
        "authorization",
        "accept",
        "accept-encoding",
        "user-agent",
        "content-type",
        "content-length",
    }
    headers |= {name.lower() for name in tool.connector.headers}
    headers |= {tool.idempotency.lower()} if tool.idempotency else set()
    watched.upstream.received.clear()
    refused = set[str]()
    with anyio.fail_after(30):
        for arguments in _calls(tool):
            try:
                await run(tool, tool.check(arguments), watched.way(tool), sleep=_at_once)
            except CallError as error:
                refused.add(error.outcome)
    assert watched.upstream.received or refused <= {"invalid"}, "what is not sent is refused in words"
    for request in watched.upstream.received:
        assert set(request.headers) <= headers, request.headers
        assert request.headers["authorization"] == "Bearer secret-1"
        assert "evil.example" not in request.headers["host"]
    assert watched.elsewhere.received == []


async def _at_once(_: float) -> None:
    """Waits for nothing."""
