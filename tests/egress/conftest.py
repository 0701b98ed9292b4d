"""What every egress test stands on: both event loops, a hostile upstream, another origin, a way out."""

from collections.abc import AsyncIterator, Callable, Coroutine
from typing import Any

import pytest

from tests.egress.hostile import Hostile, hostile
from valetkey.egress import Egress, Incoming, Limits, Outgoing, Rules

API = "https://api.example"
ELSEWHERE = "https://elsewhere.example"

Send = Callable[[str], Coroutine[Any, Any, Incoming]]


@pytest.fixture(params=[False, True], ids=["asyncio", "uvloop"])
def anyio_backend(request: pytest.FixtureRequest) -> tuple[str, dict[str, bool]]:
    return "asyncio", {"use_uvloop": request.param}


@pytest.fixture
async def upstream(anyio_backend: object) -> AsyncIterator[Hostile]:
    async with hostile() as server:
        yield server


@pytest.fixture
async def elsewhere(anyio_backend: object) -> AsyncIterator[Hostile]:
    async with hostile() as server:
        yield server


@pytest.fixture
async def egress(upstream: Hostile, elsewhere: Hostile) -> AsyncIterator[Egress]:
    async with Egress(Rules(hosts={API: upstream.origin, ELSEWHERE: elsewhere.origin})) as way_out:
        yield way_out


ENDLESS = {"/hang", "/drip-body", "/drip-head"}


@pytest.fixture
def send(egress: Egress) -> Send:
    """POST to a path of the hostile upstream: a write, never to be repeated.

    What never ends by itself has a third of a second; all else as long as a busy machine may take.
    """

    async def post(path: str) -> Incoming:
        limits = Limits(0.3 if path in ENDLESS else 10, 64 * 1024)
        request = Outgoing("POST", API + path, body=b"{}")
        return await egress.send(request, origins=frozenset({API, ELSEWHERE}), limits=limits)

    return post
