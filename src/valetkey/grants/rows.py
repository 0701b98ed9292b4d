"""Grants as rows of the store and as facts of the audit."""

import json
from collections.abc import Iterable, Mapping

from valetkey.model import Actor, AuditEvent, Grant, Json, Principal
from valetkey.store import Row, Value
from valetkey.vault.rows import Table


def values(grant: Grant) -> dict[str, Value]:
    """A grant's values by column."""
    return {
        "id": grant.id,
        "issuer": grant.principal.issuer,
        "subject": grant.principal.subject,
        "actor": grant.actor,
        "connections": text(grant.connections),
        "created": grant.created,
        **terms(grant),
    }


def terms(grant: Grant) -> dict[str, Value]:
    """What can change in a grant, by column."""
    return {
        "tools": text(grant.tools),
        "refused": text(grant.refused),
        "until": grant.until,
        "uses": grant.uses,
        "used": grant.used,
        "offline": int(grant.offline),
    }


def text(names: Iterable[str]) -> str:
    """A list as it is stored."""
    return json.dumps(sorted(names))


def read(row: Row) -> Grant:
    """The grant of a row."""
    connections, tools, refused = (
        frozenset(json.loads(row[name])) for name in ("connections", "tools", "refused")
    )
    return Grant(
        id=row["id"],
        principal=Principal(row["issuer"], row["subject"]),
        actor=row["actor"],
        connections=connections,
        tools=tools,
        refused=refused,
        until=row["until"],
        created=row["created"],
        uses=row["uses"],
        used=row["used"],
        offline=bool(row["offline"]),
    )


def event(kind: str, by: str, grant: Grant, more: Mapping[str, Json] | None = None) -> AuditEvent:
    """The fact that a grant is now as it is."""
    facts = {
        "grant": grant.id,
        "connections": sorted(grant.connections),
        "tools": sorted(grant.tools),
        "refused": sorted(grant.refused),
        "until": grant.until,
        "uses": grant.uses,
        "offline": grant.offline,
        **(more or {}),
    }
    return AuditEvent(kind, by, grant.principal, Actor(grant.actor), facts)


_WHO = ("issuer", "subject", "actor", "connections")
_WHAT = ("tools", "refused", "until", "uses", "used", "offline", "created", "revoked")
TABLE = Table("grants", ("id",), (*_WHO, *_WHAT))

STANDING = f"{TABLE.select} WHERE revoked IS NULL AND (until IS NULL OR until > $1)"
"""Neither revoked nor past its end at $1. What it refuses is refused, even if it is used up."""
LIVE = f"{STANDING} AND (uses IS NULL OR used < uses)"
"""Good for another call."""
