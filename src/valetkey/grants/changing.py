"""A grant after something was taken from it or added to it. Each only goes its own way.

Less is anybody's to take who may end it; more is the person's to give, who is asked for a proof first.
"""

from dataclasses import replace

from valetkey.errors import UsageError
from valetkey.grants.terms import KEEP, Less, More
from valetkey.model import Grant


def narrowed(grant: Grant, less: Less, now: int) -> Grant:
    """Raises UsageError where nothing would be left."""
    tools = grant.tools - less.without
    if not tools:
        raise UsageError("nothing would be left of this grant: revoke it instead")
    return replace(
        grant,
        tools=tools,
        refused=grant.refused | {name for name in less.without if not _is_wide(name)},
        until=_sooner(grant.until, None if less.lasts is None else now + less.lasts),
        uses=_sooner(grant.uses, None if less.uses is None else grant.used + less.uses),
        offline=grant.offline and not less.present,
    )


def extended(grant: Grant, more: More, now: int) -> Grant:
    """What is longer or more often than it was counts, what is not changes nothing."""
    until, uses = grant.until, grant.uses
    if more.lasts is not KEEP:
        until = _later(until, None if more.lasts is None else now + more.lasts)
    if more.uses is not KEEP:
        uses = _later(uses, None if more.uses is None else grant.used + more.uses)
    return replace(
        grant,
        tools=grant.tools | more.tools,
        refused=grant.refused - more.tools,
        until=until,
        uses=uses,
        offline=grant.offline or more.offline,
    )


def _is_wide(entry: str) -> bool:
    return entry.endswith(".*") or ":" in entry


def _sooner(one: int | None, other: int | None) -> int | None:
    """The smaller of two ends; None is none at all."""
    return min((end for end in (one, other) if end is not None), default=None)


def _later(one: int | None, other: int | None) -> int | None:
    return None if one is None or other is None else max(one, other)
