"""What the tests of deploy/ share: a house behind each of the proxies, reached as people reach it."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx2
import pytest
from mcp.client.client import Client
from mcp.client.session import ElicitationFnT, MessageHandlerFnT
from mcp.client.streamable_http import streamable_http_client

from tests.deploy.proxies import Front, Start, caddy, nginx
from tests.support.desk import free_port
from tests.support.town import Town, town
from valetkey.serving import listen

STARTS: dict[str, Start] = {"caddy": caddy, "nginx": nginx}
"""For the tests that hold for each of them."""


@pytest.fixture(
    scope="module", params=[pytest.param(name, marks=getattr(pytest.mark, name)) for name in STARTS]
)
def start(request: pytest.FixtureRequest) -> Start:
    """How a proxy is started: each in turn."""
    return STARTS[request.param]


@asynccontextmanager
async def behind(
    start: Start, folder: Path, *, hold: float = 0.02, hasty: bool = False
) -> AsyncIterator[tuple[Front, Town]]:
    """Open a town that is reached through a proxy alone."""
    port, listener = free_port(), listen("127.0.0.1", 0)
    at, url = f"127.0.0.1:{listener.getsockname()[1]}", f"https://localhost:{port}"
    (folder / "proxy").mkdir()
    (folder / "home").mkdir(mode=0o700)
    async with (
        town(folder / "home", listener=listener, hold=hold, public_url=url) as here,
        start(folder / "proxy", port, [at], hasty=hasty) as front,
    ):
        yield front, here


@asynccontextmanager
async def browser(front: Front, source: str = "127.0.0.1") -> AsyncIterator[httpx2.AsyncClient]:
    """What a browser or an agent is to a proxy, from one address of this machine."""
    way = httpx2.AsyncHTTPTransport(verify=front.trust, local_address=source, trust_env=False)
    async with httpx2.AsyncClient(transport=way, base_url=front.url, timeout=30, trust_env=False) as http:
        yield http


@asynccontextmanager
async def agent(
    front: Front,
    token: str,
    elicited: ElicitationFnT | None = None,
    *,
    mode: str = "auto",
    heard: MessageHandlerFnT | None = None,
    source: str = "127.0.0.1",
) -> AsyncIterator[Client]:
    """The SDK's client, attached through a proxy."""
    async with browser(front, source) as http:
        http.headers["Authorization"] = f"Bearer {token}"
        transport = streamable_http_client(f"{front.url}/mcp", http_client=http)
        async with Client(
            transport, elicitation_callback=elicited, mode=mode, message_handler=heard
        ) as client:
            yield client
