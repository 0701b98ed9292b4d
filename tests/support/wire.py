"""MCP 2026-07-28 written by hand: what no well-behaved client would send, and answers as they are."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import httpx2
import mcp_types as types

VERSION = "2026-07-28"
ELICITS: dict[str, Any] = {"elicitation": {"url": {}}}


def modern(
    method: str, params: Mapping[str, Any], capabilities: Mapping[str, Any] = ELICITS
) -> dict[str, Any]:
    """Return a whole request."""
    meta = {
        "io.modelcontextprotocol/protocolVersion": VERSION,
        "io.modelcontextprotocol/clientCapabilities": capabilities,
    }
    return {"jsonrpc": "2.0", "id": 1, "method": method, "params": {"_meta": meta, **params}}


@dataclass(slots=True)
class Wire:
    """One client with one token. `capabilities` are those it declares; `at` is its endpoint."""

    http: httpx2.AsyncClient
    url: str
    token: str
    capabilities: Mapping[str, Any] = field(default_factory=lambda: ELICITS)
    at: str = "/mcp"

    def body(self, method: str, params: Mapping[str, Any]) -> dict[str, Any]:
        """Return a whole request."""
        return modern(method, params, self.capabilities)

    def headers(self, method: str, name: str | None = None) -> dict[str, str]:
        """Return the headers that fit a request."""
        named = {"Mcp-Name": name} if name else {}
        return {
            "Authorization": f"Bearer {self.token}",
            "Accept": "application/json, text/event-stream",
            "MCP-Protocol-Version": VERSION,
            "Mcp-Method": method,
        } | named

    async def call(
        self, name: str, arguments: Mapping[str, Any], state: str | None = None, action: str | None = None
    ) -> dict[str, Any]:
        """Send one leg of a call; return its `result`, or the whole answer when it is an error."""
        params: dict[str, Any] = {"name": name, "arguments": dict(arguments)}
        if state is not None:
            params["requestState"] = state
        if action is not None:
            params["inputResponses"] = {"valetkey": {"action": action}}
        reply = await self.post(self.body("tools/call", params), self.headers("tools/call", name))
        answer: dict[str, Any] = reply.json()
        return dict(answer.get("result", answer))

    async def post(self, body: Any, headers: Mapping[str, str]) -> httpx2.Response:
        """Send any body (bytes as they are) under any headers."""
        if isinstance(body, bytes):
            headers = {**headers, "Content-Type": "application/json"}
            return await self.http.post(f"{self.url}{self.at}", content=body, headers=headers)
        return await self.http.post(f"{self.url}{self.at}", json=body, headers=headers)


def text(result: Mapping[str, Any] | types.CallToolResult) -> str:
    """What a model reads of a result, written by hand or by the SDK."""
    told = result.model_dump() if isinstance(result, types.CallToolResult) else result
    return "".join(part["text"] for part in told["content"])
