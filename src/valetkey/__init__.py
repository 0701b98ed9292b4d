"""Valetkey: a self-hosted MCP server through which agents act in people's accounts."""

__version__ = "0.1.0"

__all__ = ["__version__"]
