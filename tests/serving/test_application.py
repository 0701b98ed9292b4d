"""Every address of the server: where nothing is there is a page that says so, under a name of ours alone."""

from collections.abc import AsyncIterator

import httpx2
import pytest

from tests.support.town import Town, town


@pytest.fixture(scope="module")
async def here(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Town]:
    async with town(tmp_path_factory.mktemp("home")) as opened:
        yield opened


@pytest.fixture
async def http(here: Town) -> AsyncIterator[httpx2.AsyncClient]:
    async with httpx2.AsyncClient(base_url=here.url, trust_env=False) as client:
        yield client


@pytest.mark.parametrize(
    "path",
    ["/nothing", "/mcp/", "/mcp/nothing", "/MCP", "/connect", "/.well-known/nothing", "/mcp%2f", "/signin/"],
)
@pytest.mark.parametrize("method", ["GET", "POST", "DELETE"])
async def test_an_unknown_address_is_our_page(http: httpx2.AsyncClient, path: str, method: str) -> None:
    found = await http.request(method, path)
    assert (found.status_code, "There is nothing here" in found.text) == (404, True)
    assert "default-src 'none'" in found.headers["content-security-policy"]
    assert found.headers["cache-control"] == "no-store"


async def test_the_name_is_looked_at_first(http: httpx2.AsyncClient) -> None:
    refused = await http.get("/nothing", headers={"Host": "evil.test"})
    assert (refused.status_code, "not reached under that name" in refused.text) == (421, True)


async def test_an_upgrade_is_an_ordinary_request(http: httpx2.AsyncClient) -> None:
    upgrade = {
        "Connection": "Upgrade",
        "Upgrade": "websocket",
        "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
        "Sec-WebSocket-Version": "13",
    }
    assert (await http.get("/nothing", headers=upgrade)).status_code == 404
