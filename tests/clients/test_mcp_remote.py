"""mcp-remote, through which a client that only speaks stdio reaches the server: links pass through it."""

from pathlib import Path

import anyio
import pytest
from mcp.client.client import Client
from mcp.client.stdio import StdioServerParameters, stdio_client

from tests.clients.node import Node
from tests.clients.processes import environment
from tests.support.town import town

pytestmark = pytest.mark.npm
SCRIPT = "mcp-remote/dist/proxy.js"


@pytest.mark.parametrize("era", ["2026-07-28", "legacy"])
async def test_a_link_passes_through_it(tmp_path: Path, node: Node, era: str) -> None:
    with anyio.fail_after(60):
        async with town(tmp_path) as here:
            token = await here.token(await here.person("ana"))
            header = ("--header", f"Authorization: Bearer {token}", "--transport", "http-only")
            program, *arguments = [*node.command(SCRIPT), f"{here.url}/mcp", *header]
            home = tmp_path / "remote"
            parameters = StdioServerParameters(
                command=program, args=arguments, env=environment(home), cwd=home
            )
            yes = here.approving("ana", "ana@example.com")
            async with Client(stdio_client(parameters), elicitation_callback=yes, mode=era) as agent:
                mail = await agent.call_tool("gmail.list_unread", {"limit": 2})
            assert mail.structured_content is not None, mail.content
            assert len(mail.structured_content["items"]) == 2
            assert len(here.links) == 1
