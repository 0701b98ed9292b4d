"""mcp-remote, through which a client that only speaks stdio reaches the server: links pass through it."""

import json
from pathlib import Path

import anyio
import pytest
from mcp.client.client import Client
from mcp.client.stdio import StdioServerParameters, stdio_client

from tests.clients.node import Node
from tests.clients.processes import environment, printed
from tests.support.town import town
from valetkey.clients import known

pytestmark = pytest.mark.npm
SCRIPT = "mcp-remote/dist/proxy.js"


def remote(node: Node, home: Path, arguments: list[str], **more: str) -> StdioServerParameters:
    """mcp-remote as a client's stdio server."""
    program, script = node.command(SCRIPT)
    env = environment(home, **more)
    return StdioServerParameters(command=program, args=[script, *arguments], env=env, cwd=home)


@pytest.mark.parametrize("era", ["2026-07-28", "legacy"])
async def test_a_link_passes_through_it(tmp_path: Path, node: Node, era: str) -> None:
    with anyio.fail_after(60):
        async with town(tmp_path) as here:
            token = await here.token(await here.person("ana"))
            _, _, _, *said = printed("mcp-remote", here.url, token)  # npx -y PACKAGE
            server = stdio_client(remote(node, tmp_path / "remote", said))
            yes = here.approving("ana", "ana@example.com")
            async with Client(server, elicitation_callback=yes, mode=era) as agent:
                mail = await agent.call_tool("gmail.list_unread", {"limit": 2})
            assert mail.structured_content is not None, mail.content
            assert len(mail.structured_content["items"]) == 2
            assert len(here.links) == 1


async def test_claude_desktop_s_file_brings_the_token(tmp_path: Path, node: Node) -> None:
    with anyio.fail_after(60):
        async with town(tmp_path) as here:
            file = json.loads(known()["claude-desktop"].attached(here.url))
            said = file["mcpServers"]["valetkey"]
            header = said["env"]["VALETKEY_HEADER"].replace(
                "TOKEN", await here.token(await here.person("ana"))
            )
            server = stdio_client(remote(node, tmp_path / "remote", said["args"][2:], VALETKEY_HEADER=header))
            async with Client(server) as agent:
                assert (await agent.list_tools()).tools
