"""The MCP server: translation between the protocol and `calls`, and how a link reaches each client.

Nothing is decided here; `mcp.md`'s traps are held off here.
"""

from valetkey.server.endpoint import Endpoint
from valetkey.server.handlers import Handlers

__all__ = ["Endpoint", "Handlers"]
