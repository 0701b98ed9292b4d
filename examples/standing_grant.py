"""An agent that acts while its people are away: it lists its standing grants, exchanges each, calls a tool.

With a name (`standing_grant.py ana`) it asks that person for a standing grant instead.

VALETKEY_URL=http://localhost:8917  AGENT_ID=agt_…  AGENT_SECRET=…  (as `valetkey agents add` gave them)
"""
# ruff: noqa: T201 - an example talks to whoever runs it

import os
import sys

import anyio
import httpx2
from mcp.client.client import Client
from mcp.client.streamable_http import streamable_http_client

URL, AGENT = os.environ["VALETKEY_URL"], (os.environ["AGENT_ID"], os.environ["AGENT_SECRET"])


async def token_for(grant: str) -> str:
    """Exchange the id of a standing grant for a token of ten minutes at most (RFC 8693)."""
    form = {
        "grant_type": "urn:ietf:params:oauth:grant-type:token-exchange",
        "subject_token": grant,
        "subject_token_type": "urn:valetkey:token-type:grant",
    }
    async with httpx2.AsyncClient(auth=AGENT) as http:
        answer = (await http.post(f"{URL}/token", data=form)).raise_for_status()
        return str(answer.json()["access_token"])


async def unread(token: str) -> list[str]:
    """Read the subjects of somebody's unread mail."""
    http = httpx2.AsyncClient(headers={"Authorization": f"Bearer {token}"}, timeout=60)
    async with http, Client(streamable_http_client(f"{URL}/mcp", http_client=http)) as agent:
        mail = await agent.call_tool("gmail.list_unread", {"limit": 5})
    return [item["subject"] for item in (mail.structured_content or {"items": []})["items"]]


async def ask(person: str) -> None:
    """Ask ahead. Nothing but the request's id comes back: its link is on the person's own page."""
    wish = {"principal": person, "tools": ["gmail.list_unread"], "offline": True}
    async with httpx2.AsyncClient(auth=AGENT) as http:
        answer = (await http.post(f"{URL}/agents/self/requests", json=wish)).raise_for_status()
    print(f"Asked {person}:", answer.json()["request"])


async def act() -> None:
    """Act for everybody whose standing grant there is."""
    async with httpx2.AsyncClient(auth=AGENT) as http:
        grants = (await http.get(f"{URL}/agents/self/grants")).raise_for_status().json()["grants"]
    standing = [grant for grant in grants if grant["offline"]]
    for grant in standing:
        print(f"{grant['person']}:", "; ".join(await unread(await token_for(grant["id"]))))
    if not standing:
        print("Nobody has allowed me to act while they are away.")


if len(sys.argv) > 1:
    anyio.run(ask, sys.argv[1])
else:
    anyio.run(act)
