"""Sessions of the last revision of MCP, written by hand."""

from typing import Any

from tests.support.wire import Wire

LISTING: dict[str, Any] = {"jsonrpc": "2.0", "id": 2, "method": "tools/list"}
_HELLO: dict[str, Any] = {
    "jsonrpc": "2.0",
    "id": 1,
    "method": "initialize",
    "params": {
        "protocolVersion": "2025-11-25",
        "capabilities": {},
        "clientInfo": {"name": "tests", "version": "1"},
    },
}


def legacy(wire: Wire) -> dict[str, str]:
    """The headers of a client of 2025-11-25, with this one's token."""
    return {
        "Authorization": f"Bearer {wire.token}",
        "Accept": "application/json, text/event-stream",
        "MCP-Protocol-Version": "2025-11-25",
    }


async def initialized(wire: Wire) -> str:
    """Open a session, and return its id."""
    reply = await wire.post(_HELLO, legacy(wire))
    session = str(reply.headers["mcp-session-id"])
    ready = {"jsonrpc": "2.0", "method": "notifications/initialized"}
    await wire.post(ready, legacy(wire) | {"Mcp-Session-Id": session})
    return session
