"""MCP over stdio: one client, one caller, and the pages served by whichever process holds their port.

Local mode (no token) is one person's own machine: the owner of the home, and the agent named `local`.
What a client starts is `session`; the server is `serve`, in a session of its own. Nothing is imported
here: the process that only waits needs nothing of the server.
"""
