"""mcp-remote, through which a client that only speaks stdio reaches the server: links pass through it."""

import json
import os
import re
from pathlib import Path

import anyio
import pytest
from mcp.client.client import Client
from mcp.client.stdio import StdioServerParameters, stdio_client

from tests.clients.letting_in import come_back, say_yes
from tests.clients.node import Node
from tests.clients.processes import environment, printed
from tests.support.town import Town, town
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
            _, _, _, *said = printed("mcp-remote", here.url)  # npx -y PACKAGE
            said += ["--header", f"Authorization: Bearer {token}"]
            server = stdio_client(remote(node, tmp_path / "remote", said))
            yes = here.approving("ana", "ana@example.com")
            async with Client(server, elicitation_callback=yes, mode=era) as agent:
                mail = await agent.call_tool("gmail.list_unread", {"limit": 2})
            assert mail.structured_content is not None, mail.content
            assert len(mail.structured_content["items"]) == 2
            assert len(here.links) == 1


async def test_claude_desktop_s_file_is_all_it_takes_to_sign_in(tmp_path: Path, node: Node) -> None:
    with anyio.fail_after(60):
        async with town(tmp_path) as here, anyio.create_task_group() as tasks:
            await here.person("ana")
            file = json.loads(known()["claude-desktop"].attached(here.url))
            said = file["mcpServers"]["valetkey"]["args"][2:]  # -y PACKAGE
            reads, writes = os.pipe()
            tasks.start_soon(let_in, here, reads)
            with os.fdopen(writes, "w") as told:
                server = stdio_client(remote(node, tmp_path / "remote", said), errlog=told)
                async with Client(server) as agent:
                    assert "gmail_list_unread" in {tool.name for tool in (await agent.list_tools()).tools}


async def let_in(here: Town, told: int) -> None:
    """Open the address that it prints where it can open no browser, and go back to it."""
    said = b""
    while not (found := re.search(rf"{re.escape(here.url)}/authorize\?\S+(?=\s)".encode(), said)):
        await anyio.wait_readable(told)
        said += os.read(told, 65_536)
    await come_back(await say_yes(here, found[0].decode(), "MCP CLI Proxy"))
    while said:  # what it prints later is of no interest, but has to go somewhere
        await anyio.wait_readable(told)
        said = os.read(told, 65_536)
    os.close(told)
