"""Two delegated calls with nothing but the official SDK's client; the person opens the links that it prints.

VALETKEY_URL=http://localhost:8917  VALETKEY_TOKEN=$(valetkey tokens mint --principal ana --actor triage)
"""
# ruff: noqa: T201 - an example talks to whoever runs it

import os
import sys

import anyio
import httpx2
import mcp_types as types
from mcp.client import ClientRequestContext
from mcp.client.client import Client
from mcp.client.streamable_http import streamable_http_client
from mcp.shared.exceptions import MCPError

URL, TOKEN = os.environ["VALETKEY_URL"] + "/mcp", os.environ["VALETKEY_TOKEN"]


async def show(context: ClientRequestContext, params: types.ElicitRequestParams) -> types.ElicitResult:
    """Show a link and go on: the server holds the call until the person behind the link has answered."""
    print(params.message, getattr(params, "url", ""), sep="\n  ", flush=True)
    return types.ElicitResult(action="accept")


async def main() -> None:
    """Read mail and post a summary. On the first run each call brings a link, on the next ones none does."""
    http = httpx2.AsyncClient(headers={"Authorization": f"Bearer {TOKEN}"}, timeout=60)
    server = streamable_http_client(URL, http_client=http)
    async with http, Client(server, elicitation_callback=show) as agent:
        mail = await agent.call_tool("gmail.list_unread", {"from": "ben@example.com", "limit": 5})
        if mail.is_error or mail.structured_content is None:
            print("No mail:", mail.content)
            return
        subjects = [item["subject"] for item in mail.structured_content["items"]]
        text = f"{len(subjects)} unread mails from Ben: {'; '.join(subjects)}"
        posted = await agent.call_tool("slack.post_message", {"channel": "#support", "text": text})
        print("Not posted:" if posted.is_error else "Posted:", text)


problem = None
try:
    anyio.run(main)
except* httpx2.TransportError:
    problem = f"No server answers at {URL}. `valetkey serve` starts one."
except* MCPError:
    problem = (
        "The server turned this client away. If its token has ended, `valetkey tokens mint` prints another."
    )
sys.exit(problem)
