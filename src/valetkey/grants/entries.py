"""What one entry of a grant names: a tool, all of a connector (`gmail.*`), or an effect (`gmail:read`).

A tool that destroys is named by its own name alone, which a person has ticked.
"""

from collections.abc import Collection, Iterable

from valetkey.manifest import Tool
from valetkey.model import Effect


def whole(connector: str) -> str:
    """The entry for everything of a connector but what destroys."""
    return f"{connector}.*"


def reads(connector: str) -> str:
    """The entry for everything of a connector that only reads."""
    return f"{connector}:{Effect.READ}"


def names(entries: Collection[str], tool: Tool) -> bool:
    """Whether one of the entries names a tool."""
    return tool.name in entries or _widely(entries, tool)


def fewest(entries: Collection[str], tools: Iterable[Tool]) -> frozenset[str]:
    """The entries without those, such as the names of these tools, that say no more than a wider one."""
    said = {tool.name for tool in tools if _widely(entries, tool)}
    said |= {entry for entry in entries if ":" in entry and whole(entry.partition(":")[0]) in entries}
    return frozenset(entries) - said


def _widely(entries: Collection[str], tool: Tool) -> bool:
    if tool.effect is Effect.DESTROY:
        return False
    connector = tool.connector.name
    return whole(connector) in entries or f"{connector}:{tool.effect}" in entries
