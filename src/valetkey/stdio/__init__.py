"""MCP over stdio: one client, one caller, and the pages served by whichever process holds their port.

Local mode (no token) is one person's own machine: the owner of the home, and the agent named `local`.
"""

from valetkey.stdio.callback import Callback
from valetkey.stdio.serve import serve_stdio
from valetkey.stdio.session import in_own_session

__all__ = ["Callback", "in_own_session", "serve_stdio"]
