"""The MCP Inspector's command line: it finds the tools' schemas portable, in each era, and calls them."""

import json
from pathlib import Path

import anyio
import pytest

from tests.clients.node import Node
from tests.clients.processes import Ended, environment, printed, run
from tests.support.town import Town, town
from valetkey.model import Json

pytestmark = pytest.mark.npm
SCRIPT = "@modelcontextprotocol/inspector/clients/launcher/build/index.js"
REFUSED, UNKNOWN_OR_ERROR = 3, 5
"""Its exit codes: the server wants a sign-in; the tool said no, or there is none of that name."""

UNREAD = ("--tool-name", "gmail.list_unread", "--tool-args-json", '{"limit": 2}')


class Inspector:
    """The Inspector's command line, in a home of its own."""

    def __init__(self, node: Node, home: Path) -> None:
        self._program, self._home = node.command(SCRIPT), home

    async def __call__(self, url: str, token: str, method: str, *more: str, era: str = "auto") -> Ended:
        """Run one method against a server."""
        _, _, _, *said = printed("inspector", url, token)  # npx -y PACKAGE
        how = ("--protocol-era", era, "--method", method, "--format", "json")  # the last word counts
        return await run([*self._program, *said, *how, *more], environment(self._home), self._home)


@pytest.fixture
def inspect(node: Node, tmp_path: Path) -> Inspector:
    return Inspector(node, tmp_path / "inspector")


async def ana_s_token(here: Town) -> str:
    return await here.token(await here.person("ana"))


@pytest.mark.parametrize("era", ["legacy", "auto", "modern"])
async def test_every_schema_is_portable(tmp_path: Path, inspect: Inspector, era: str) -> None:
    with anyio.fail_after(60):
        async with town(tmp_path) as here:
            url, token = here.url, await ana_s_token(here)
            listed = await inspect(url, token, "tools/list", "--strict", era=era)
            assert (listed.code, listed.err) == (0, ""), "not even a warning"
            names = {tool["name"] for tool in json.loads(listed.out)["result"]["tools"]}
            assert "gmail.list_unread" in names


async def test_a_call_fails_with_a_link_and_succeeds_once_it_is_approved(
    tmp_path: Path, inspect: Inspector
) -> None:
    with anyio.fail_after(60):
        async with town(tmp_path) as here:
            url, token = here.url, await ana_s_token(here)
            turned_away = await inspect(url, token, "tools/call", *UNREAD)
            assert turned_away.code == UNKNOWN_OR_ERROR
            await here.approve(result(turned_away)["_meta"]["valetkey/connect_url"], "ana", "ana@example.com")
            called = await inspect(url, token, "tools/call", *UNREAD)
            assert called.code == 0, called.err
            assert len(result(called)["structuredContent"]["items"]) == 2


async def test_a_token_that_is_none_is_an_exit_code_of_its_own(tmp_path: Path, inspect: Inspector) -> None:
    with anyio.fail_after(60):
        async with town(tmp_path) as here:
            refused = await inspect(here.url, "not-a-token", "tools/list")
            assert (refused.code, json.loads(refused.err)["error"]["code"]) == (REFUSED, "auth_required")


def result(ended: Ended) -> Json:
    return json.loads(ended.out)["result"]
