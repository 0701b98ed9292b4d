"""What programs ask of this server beside MCP and OAuth: today what an agent may know of itself."""

from valetkey.api.agents_self import AgentsSelf, Authenticate

__all__ = ["AgentsSelf", "Authenticate"]
