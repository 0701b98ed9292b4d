"""Several servers behind Caddy and nginx: who gets which request, and what happens when one is gone."""

from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import anyio
import httpx2
import pytest

from tests.deploy.conftest import agent, browser
from tests.deploy.proxies import Front, Start
from tests.support.desk import free_port, until
from tests.support.town import town
from tests.support.wire import VERSION
from valetkey.serving import listen

MODERN = {"MCP-Protocol-Version": VERSION}
ADDRESSES = [f"127.0.0.{last}" for last in range(2, 26)]


class Server(ThreadingHTTPServer):
    """A server that says its name and does nothing else. `taken`: the bodies' sizes, as far as they came."""

    daemon_threads = True

    def __init__(self, name: str) -> None:
        super().__init__(("127.0.0.1", 0), Answer)
        self.name, self.taken = name.encode(), list[int]()
        Thread(target=self.serve_forever, args=[0.01]).start()

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.server_port}"

    def stop(self) -> None:
        self.shutdown()
        self.server_close()


class Answer(BaseHTTPRequestHandler):
    """One request: HTTP/1.0, so that no connection outlives it."""

    server: Server

    def do_GET(self) -> None:
        self.server.taken.append(len(self.rfile.read(int(self.headers.get("Content-Length", 0)))))
        self.send_response(200)
        self.send_header("Content-Length", "1")
        self.end_headers()
        self.wfile.write(self.server.name)

    def do_POST(self) -> None:
        self.do_GET()

    def log_message(self, *_: object) -> None:
        """Nothing."""


@contextmanager
def pair() -> Iterator[tuple[Server, Server]]:
    two = Server("a"), Server("b")
    try:
        yield two
    finally:
        for server in two:
            server.stop()


@asynccontextmanager
async def fronted(start: Start, folder: Path) -> AsyncIterator[tuple[Front, tuple[Server, Server]]]:
    (folder / "proxy").mkdir()
    with pair() as two:
        async with start(folder / "proxy", free_port(), [server.address for server in two]) as front:
            yield front, two


async def asked(http: httpx2.AsyncClient, times: int, method: str = "POST", **headers: str) -> Counter[str]:
    """Who answered how often."""
    body = b"{}" if method == "POST" else None
    answers = [await http.request(method, "/mcp", content=body, headers=headers) for _ in range(times)]
    assert {answer.status_code for answer in answers} == {200}
    return Counter(answer.text for answer in answers)


async def test_requests_of_the_modern_era_go_to_any_server(start: Start, tmp_path: Path) -> None:
    with anyio.fail_after(30):
        async with fronted(start, tmp_path) as (front, _), browser(front) as http:
            assert (await asked(http, 30, **MODERN)).keys() == {"a", "b"}


async def test_what_came_from_one_address_goes_on_to_one_server(start: Start, tmp_path: Path) -> None:
    """The first request of a legacy session has no session yet, so no header could tell where it belongs."""
    whole: Counter[str] = Counter()
    with anyio.fail_after(30):
        async with fronted(start, tmp_path) as (front, _):
            for address in ADDRESSES:
                async with browser(front, address) as http:
                    found = await asked(http, 3)
                assert len(found) == 1, found
                whole += found
    assert whole.keys() == {"a", "b"}


async def test_a_server_that_is_gone_is_nobody_s_trouble(start: Start, tmp_path: Path) -> None:
    """Once that was noticed: Caddy up to 2.11.1 cannot send a body a second time."""
    with anyio.fail_after(30):
        async with fronted(start, tmp_path) as (front, two), browser(front) as http:
            two[0].stop()
            assert (await asked(http, 10, "GET", **MODERN)).keys() == {"b"}
            assert (await asked(http, 10, **MODERN)).keys() == {"b"}
            for address in ADDRESSES[:6]:
                async with browser(front, address) as other:
                    assert (await asked(other, 1)).keys() == {"b"}


async def test_no_code_is_logged_where_nobody_could_answer(start: Start, tmp_path: Path) -> None:
    with anyio.fail_after(30):
        async with fronted(start, tmp_path) as (front, two), browser(front) as http:
            two[0].stop()
            two[1].stop()
            answer = await http.get("/callback/my-google?code=c0de&state=st4te")
            assert answer.status_code in {502, 503}
            await until(lambda: "/callback/my-google" in front.logged())
            assert "c0de" not in front.logged()
            assert "st4te" not in front.logged()


@pytest.mark.parametrize("mode", ["legacy", "auto"])
async def test_clients_of_both_eras_are_at_home_on_two_servers(
    start: Start, tmp_path: Path, mode: str
) -> None:
    port, listener = free_port(), listen("127.0.0.1", 0)
    for name in ("home", "proxy"):
        (tmp_path / name).mkdir(mode=0o700)
    url = f"https://localhost:{port}"
    async with town(tmp_path / "home", listener=listener, public_url=url) as one, one.another() as other:
        servers = [f"127.0.0.1:{listener.getsockname()[1]}", other.url.removeprefix("http://")]
        token = await one.token(await one.newcomer())
        with anyio.fail_after(30):
            async with start(tmp_path / "proxy", port, servers) as front:
                for address in ADDRESSES[:6]:
                    async with agent(front, token, mode=mode, source=address) as client:
                        assert (await client.list_tools()).tools
                        assert (await client.call_tool("valetkey.connections", {})).content


async def test_a_body_that_is_too_large_does_not_arrive(start: Start, tmp_path: Path) -> None:
    with anyio.fail_after(30):
        async with fronted(start, tmp_path) as (front, two), browser(front) as http:
            answer = await http.post("/mcp", content=b" " * (5 << 20))
            assert answer.status_code in {413, 502}, "Caddy 2.6 says it of its way to the server"
    assert max((size for server in two for size in server.taken), default=0) <= 4 << 20
