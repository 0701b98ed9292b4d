"""What grants that have not ended say of a tool: the newest that speaks of it counts, a refusal or not."""

from collections.abc import Sequence

from valetkey.grants.entries import names
from valetkey.manifest import Tool
from valetkey.model import Grant


def used_up(grant: Grant) -> bool:
    """Whether the last call it was good for has been made. What it refuses stays refused."""
    return grant.uses is not None and grant.used >= grant.uses


def allowing(
    newest_first: Sequence[Grant], connection: str, tool: Tool, *, away: bool = False
) -> Grant | None:
    """The grant that lets the tool be used on a connection; a later refusal ends what an earlier one allowed.

    `away`: nobody is there, so only what was given for that counts.
    """
    for grant in newest_first:
        if connection not in grant.connections:
            continue
        if tool.name in grant.refused:
            return None
        if names(grant.tools, tool) and not used_up(grant) and (grant.offline or not away):
            return grant
    return None


def hidden(newest_first: Sequence[Grant], tool: Tool) -> bool:
    """Whether a tool is refused and, on every account it was asked for, not allowed again since.

    A grant that is used up has still allowed it: it can be asked for again, so it stays listed.
    """
    refused, last = False, dict[str, bool]()
    for grant in newest_first:
        allows = _says(grant, tool)
        refused = refused or allows is False
        if allows is not None:
            last = dict.fromkeys(grant.connections, allows) | last
    return refused and not any(last.values())


def _says(grant: Grant, tool: Tool) -> bool | None:
    """True: it names the tool; False: it refuses it; None: it does not speak of it."""
    if tool.name in grant.refused:
        return False
    return True if names(grant.tools, tool) else None
