"""What the chain says of rows that carry authority: whose they are, what they allow, whether they have ended.

A whole row put back as it once was still fits its MAC; the last that was recorded of it tells. Sealed records
are the business of `receipts`.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from valetkey.model import ConnectionState, Json
from valetkey.store import Row

_BATCH = 200
_SOME = object()
"""In place of a value: there is one."""

_KEYS = {"grants": "id", "connections": "id", "sessions": "id", "agents": "id", "people": "subject"}
_MAY_GO = frozenset({"sessions", "agents"})
"""Rows that are deleted in time: without one there is nothing that could count."""

_STATES = frozenset(f"connection.{state}" for state in ConnectionState)
_ENDS = frozenset(
    {"token.revoked", "session.ended", "person.signed_out", "client.refresh_reused", "client.code_reused"}
)
Expected = dict[str, Any]


class Standing:
    """Collects what events say of rows as the chain is walked, then says where the rows differ."""

    def __init__(self) -> None:
        self._last: dict[str, dict[str, tuple[int, Expected]]] = {table: {} for table in _KEYS}

    def __len__(self) -> int:
        return sum(len(rows) for rows in self._last.values())

    def take(self, seq: int, core: Mapping[str, Json]) -> None:
        """Remember what an event says, in place of what an earlier one said of the same."""
        facts = core.get("facts")
        if not isinstance(facts, dict):
            return
        match core.get("kind"), facts:
            case ("grant.given" | "grant.narrowed" | "grant.extended", {"grant": str(key), "tools": list()}):
                self._say(seq, "grants", key, _owner(core) | _terms(facts) | {"revoked": None})
            case ("grant.revoked", {"grant": str(key), "tools": list()}):
                self._say(seq, "grants", key, {"revoked": _SOME})
            case ("call.opened", {"grant": str(key)}):
                self._count(key)
            case (str(kind), {"connection": str(key), "connector": connector}) if kind in _STATES:
                state = kind.removeprefix("connection.")
                self._say(seq, "connections", key, _owner(core, {"connector": connector, "state": state}))
            case ("person.added", {"owner": owner}):
                who = _owner(core, {"owner": int(bool(owner))})
                self._say(seq, "people", str(who["subject"]), who)
            case _:
                self._ended(seq, core, facts)

    def _ended(self, seq: int, core: Mapping[str, Json], facts: Mapping[str, Json]) -> None:
        actor = (core.get("actor") or [None])[0]
        match core.get("kind"), facts:
            case ("agent.suspended", _) if isinstance(actor, str):
                self._say(seq, "agents", actor, {"suspended": _SOME})
            case ("agent.resumed", _) if isinstance(actor, str):
                self._say(seq, "agents", actor, {"suspended": None})
            case ("agent.removed", _):  # it may come again, and is another then
                self._last["agents"].pop(str(actor), None)
            case ("person.removed", _):
                self._last["people"].pop(str((core.get("principal") or [None, None])[1]), None)
            case ("agent.stopped", {"sessions": list(sessions)}):
                for session in sessions:
                    self._say(seq, "sessions", str(session), {"ended": _SOME})
            case (str(kind), {"session": str(session)}) if kind in _ENDS:
                self._say(seq, "sessions", session, {"ended": _SOME})

    def _say(self, seq: int, table: str, key: str, expected: Expected) -> None:
        _, before = self._last[table].get(key, (seq, {}))
        self._last[table][key] = (seq, {**before, **expected})

    def _count(self, grant: str) -> None:
        """A call was opened under a grant: one less, where they are counted."""
        _, expected = self._last["grants"].get(grant, (0, {}))
        if expected.get("uses") is not None:
            expected["used"] = expected.get("used", 0) + 1

    def batches(self) -> Iterator[tuple[str, Sequence[str]]]:
        """All rows so far, by table, a bounded number at a time."""
        for table, ids in [(table, list(rows)) for table, rows in self._last.items()]:
            for start in range(0, len(ids), _BATCH):
                yield table, ids[start : start + _BATCH]

    @staticmethod
    def query(table: str, ids: Sequence[str]) -> str:
        """Reads rows ($1… keys) and, of the very same moment, the chain's last number."""
        places = ", ".join(f"${n}" for n in range(1, len(ids) + 1))
        return f"""
            SELECT m.last, r.* FROM (SELECT MAX(seq) AS last FROM audit) m
            LEFT JOIN {table} r ON r.{_KEYS[table]} IN ({places})"""  # noqa: S608 - names of ours, placeholders

    def differences(self, table: str, ids: Sequence[str], rows: Sequence[Row]) -> Iterator[tuple[int, str]]:
        """Say, with the number of the event that knew better, what is wrong with each row."""
        key = _KEYS[table]
        found = {row[key]: row for row in rows if row[key] is not None}
        for one in ids:
            if one not in self._last[table]:
                continue  # removed since
            seq, expected = self._last[table][one]
            if problem := _problem(table, expected, found.get(one)):
                yield seq, f"the row {one} of {table} {problem}"


def _owner(core: Mapping[str, Json], more: Expected | None = None) -> Expected:
    principal, actor = core.get("principal") or [None, None], core.get("actor")
    who = {"issuer": principal[0], "subject": principal[1]} | (more or {})
    return who | ({"actor": actor[0]} if actor and more is None else {})


def _terms(facts: Mapping[str, Json]) -> Expected:
    """What a grant allows, as its row has it."""
    lists = {name: json.dumps(facts.get(name)) for name in ("connections", "tools", "refused")}
    offline = int(bool(facts.get("offline")))
    return {**lists, "until": facts.get("until"), "uses": facts.get("uses"), "offline": offline}


def _problem(table: str, expected: Expected, row: Row | None) -> str | None:
    if row is None:
        return None if table in _MAY_GO else "is gone, and no event says why"
    other = [name for name, value in expected.items() if not _is(row[name], value)]
    if any(expected[name] is _SOME for name in other):
        return f"counts again, although it has ended ({', '.join(sorted(other))})"
    return f"is not what was last recorded of it ({', '.join(sorted(other))})" if other else None


def _is(found: Json, expected: Any) -> bool:
    return found is not None if expected is _SOME else found == expected
