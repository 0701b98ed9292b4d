"""Grants as rows of the store and as facts of the audit."""

import json
from collections.abc import Iterable, Mapping

from valetkey.model import Actor, AuditEvent, Grant, Json, Principal
from valetkey.store import Row, Value


def values(grant: Grant) -> tuple[Value, ...]:
    """A grant's values in the order of INSERT."""
    who = (grant.principal.issuer, grant.principal.subject, grant.actor)
    return (grant.id, *who, text(grant.connections), *terms(grant), grant.created)


def terms(grant: Grant) -> tuple[Value, ...]:
    """What can change in a grant, in the order of CHANGE."""
    limits = (grant.until, grant.uses, grant.used, int(grant.offline))
    return (text(grant.tools), text(grant.refused), *limits)


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


INSERT = """
INSERT INTO grants
  (id, issuer, subject, actor, connections, tools, refused, until, uses, used, offline, created)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)"""
CHANGE = """
UPDATE grants SET tools = $1, refused = $2, until = $3, uses = $4, used = $5, offline = $6 WHERE id = $7"""
REVOKE = "UPDATE grants SET revoked = $1 WHERE id = $2"
USE = """
UPDATE grants SET used = used + 1
WHERE id = $1 AND used < uses AND revoked IS NULL AND (until IS NULL OR until > $2)"""

STANDING = """
SELECT id, issuer, subject, actor, connections, tools, refused, until, uses, used, offline, created
FROM grants WHERE revoked IS NULL AND (until IS NULL OR until > $1)"""
"""Neither revoked nor past its end at $1. What it refuses is refused, even if it is used up."""
LIVE = f"{STANDING} AND (uses IS NULL OR used < uses)"
"""Good for another call."""
