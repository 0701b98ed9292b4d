"""Reading the audit: one record per call, whatever events and legs it took, and one per other event.

What is read is what was recorded; whether it is still whole is `verify`'s to say.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from fnmatch import fnmatchcase
from typing import TypedDict, Unpack

from valetkey.audit.personal import JOIN_PERSONAL, PERSONAL, part_of
from valetkey.errors import IntegrityError
from valetkey.model import Actor, Json, Outcome, Principal
from valetkey.store import Reads, Row, Value
from valetkey.vault import Vault

_BATCH = 200
LOOKS_AT = 20_000
"""How many records are looked at, about a second's worth, for a tool or an outcome that no index knows."""


@dataclass(frozen=True, slots=True)
class AuditRecord:
    """A call (`kind` is `call`) or another event (`grant.revoked`, …), newest parts joined.

    `at` is when it was first recorded and `duration` how long the sent part took, both in
    milliseconds. `waiting`: a person was asked and the call did not go on since. `withheld`: the
    personal part was forgotten, or does not open. `details` are the facts without a field here.
    """

    at: int
    id: str
    kind: str
    by: str
    principal: Principal | None
    actor: Actor | None
    outcome: str | None = None
    waiting: bool = False
    tool: str | None = None
    effect: str | None = None
    connection: str | None = None
    status: int | None = None
    duration: int | None = None
    arguments: Json = None
    withheld: bool = False
    details: Mapping[str, Json] = field(default_factory=dict)

    def as_json(self) -> dict[str, Json]:
        """Field by field; a principal is `{issuer, subject}`, an actor `{client, chain}`."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class Found:
    """Records, newest first. `whole`: there are no more of them, or as many were found as were asked for."""

    records: list[AuditRecord]
    whole: bool


class Asked(TypedDict, total=False):
    """What `records` and `search` go by; each may be left out."""

    principal: Principal | None
    actor: str | None
    tool: str | None
    outcome: str | None
    since: int | None
    limit: int


async def records(db: Reads, vault: Vault, **asked: Unpack[Asked]) -> list[AuditRecord]:
    """Return what `search` finds."""
    return (await search(db, vault, **asked)).records


async def search(
    db: Reads,
    vault: Vault,
    *,
    principal: Principal | None = None,
    actor: str | None = None,
    tool: str | None = None,
    outcome: str | None = None,
    since: int | None = None,
    limit: int = 50,
) -> Found:
    """Find the newest records that match.

    `actor` is a client's id, `tool` a name or a pattern (`gmail.*`), `since` a time in milliseconds.
    Tool and outcome are in no index: of those who match else, LOOKS_AT are looked at and no more.
    Raises IntegrityError when an event cannot be read.
    """
    where, values = _conditions(principal, actor, since)
    found: list[AuditRecord] = []
    before, looked = _END, 0
    while len(found) < limit and (rows := await db.all(firsts(where), before, *values)):
        batch = await joined(db, vault, rows)
        found += [record for record in batch if _matches(record, tool, outcome)]
        before, looked = rows[-1]["seq"], looked + len(rows)
        if looked >= LOOKS_AT:
            return Found(found[:limit], whole=len(found) >= limit)
    return Found(found[:limit], whole=True)


def _conditions(principal: Principal | None, actor: str | None, since: int | None) -> tuple[str, list[Value]]:
    named: dict[str, Value] = {}
    if principal is not None:
        named |= {"a.issuer =": principal.issuer, "a.subject =": principal.subject}
    if actor is not None:
        named |= {"a.actor =": actor}
    if since is not None:
        named |= {"a.at >=": since}
    text = "".join(f" AND {name} ${n}" for n, name in enumerate(named, 2))
    return text, list(named.values())


def _matches(record: AuditRecord, tool: str | None, outcome: str | None) -> bool:
    return (tool is None or fnmatchcase(record.tool or "", tool)) and outcome in {None, record.outcome}


async def joined(db: Reads, vault: Vault, rows: Sequence[Row]) -> list[AuditRecord]:
    """The records that begin with these rows: each call's later events come with it."""
    calls = [row["call"] for row in rows if row["call"] is not None]
    later = await db.all(_of_calls(len(calls)), *calls) if calls else []
    await vault.meet(db, *rows, *later)
    events: dict[str, list[_Event]] = {call: [] for call in calls}
    for row in later:
        events[row["call"]].append(_event(vault, row))
    return [_call(events[row["call"]]) if row["call"] else _other(_event(vault, row)) for row in rows]


@dataclass(frozen=True, slots=True)
class _Event:
    """One stored event: its core as it was chained, and its personal part if it is there and opens."""

    core: Mapping[str, Json]
    personal: Mapping[str, Json] | None

    @property
    def facts(self) -> dict[str, Json]:
        return dict(self.core["facts"])

    @property
    def withheld(self) -> bool:
        return self.core["personal"] is not None and self.personal is None


def _event(vault: Vault, row: Row) -> _Event:
    try:
        core = json.loads(row["core"])
        if not isinstance(core["facts"], dict):
            raise TypeError
    except (ValueError, TypeError, KeyError, RecursionError):
        problem = f"event {row['seq']} of the audit cannot be read; run `valetkey audit verify`"
        raise IntegrityError(problem) from None
    return _Event(core, _personal(vault, row))


def _personal(vault: Vault, row: Row) -> Mapping[str, Json] | None:
    try:
        part = part_of(vault, row)
    except IntegrityError:
        return None
    return dict(json.loads(part.text)) if part else None


def _call(events: Sequence[_Event]) -> AuditRecord:
    """Join the events of one call: asked, opened and closed, as far as it came."""
    kinds = {event.core["kind"]: event for event in events}
    opened, closed = kinds.get("call.opened"), kinds.get("call.closed")
    facts: dict[str, Json] = {}
    for event in events:
        facts |= event.facts
    told = {name: facts.pop(name, None) for name in ("tool", "effect", "connection", "status")}
    outcome = facts.pop("outcome", Outcome.UNKNOWN)
    return AuditRecord(
        **_who(events[0], events[0].core["call"], "call"),
        **told,
        outcome=outcome if closed or not opened else Outcome.UNKNOWN,
        waiting=not (opened or closed),
        duration=_duration(opened, closed),
        arguments=_arguments(events),
        withheld=any(event.withheld for event in events),
        details=facts,
    )


def _duration(opened: _Event | None, closed: _Event | None) -> int | None:
    if opened is None or closed is None or closed.core["by"] == "system":
        return None  # never sent, still running, or lost: nobody knows how long it took
    return int(closed.core["at"] - opened.core["at"])


def _arguments(events: Sequence[_Event]) -> Json:
    """Those of the last leg that had any: what was sent, where it was sent."""
    return next((event.personal.get("arguments") for event in reversed(events) if event.personal), None)


def _other(event: _Event) -> AuditRecord:
    facts = event.facts
    told = {name: facts.pop(name, None) for name in ("tool", "connection", "outcome")}
    details = facts | dict(event.personal or {})
    who = _who(event, event.core["id"], event.core["kind"])
    return AuditRecord(**who, **told, withheld=event.withheld, details=details)


def _who(event: _Event, key: str, kind: str) -> dict[str, Json]:
    core = event.core
    principal = Principal(*core["principal"]) if core["principal"] else None
    actor = Actor(core["actor"][0], tuple(core["actor"][1:])) if core["actor"] else None
    who = {"principal": principal, "actor": actor}
    return {"at": core["at"], "id": key, "kind": kind, "by": core["by"]} | who


_END = 2**63 - 1
_COLUMNS = f"SELECT a.seq, a.id, a.call, a.core, {PERSONAL} FROM audit a {JOIN_PERSONAL}"  # noqa: S608 - constants


def firsts(where: str) -> str:
    """The first event of each call, and every event of no call, from $1 downwards."""
    return f"""
        {_COLUMNS} WHERE a.seq < $1{where} AND NOT EXISTS (
          SELECT 1 FROM audit b WHERE b.call = a.call AND b.seq < a.seq)
        ORDER BY a.seq DESC LIMIT {_BATCH}"""  # noqa: S608 - columns are named above, values are bound


def _of_calls(count: int) -> str:
    places = ", ".join(f"${n}" for n in range(1, count + 1))
    return f"{_COLUMNS} WHERE a.call IN ({places}) ORDER BY a.seq"
