"""The audit: append-only, hash-chained, signed at checkpoints; `around()` brackets every tool call.

A call whose opening cannot be written is not made. A call's close joins the next commit; where
it is missing the call reads as `unknown`.
"""

import json
import secrets
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from typing import Self

import anyio

from valetkey.audit.record import Record
from valetkey.audit.writer import Appender, Claim, GroupCommit, Pending, Watch
from valetkey.errors import CallError, NeedsPerson, StoreError
from valetkey.model import (
    MINUTE,
    Actor,
    AuditEvent,
    Caller,
    CallId,
    Clock,
    Ids,
    Json,
    Outcome,
    Principal,
    Randomness,
)
from valetkey.store import Reads, Store, Transaction
from valetkey.vault import Vault

LEFT_OPEN = 5 * MINUTE
"""How old an opened call without a close has to be before it is closed as `unknown`: longer than any call."""


class Audit:
    """Records facts. Use as an async context manager: leaving it writes what is still waiting."""

    def __init__(
        self, store: Store, vault: Vault, ids: Ids, clock: Clock, randomness: Randomness = secrets.token_bytes
    ) -> None:
        self._store, self._clock, self._vault = store, clock, vault
        self._appender = Appender(vault, ids, clock, randomness)
        self._commits = GroupCommit(store, self._appender)
        self._tasks = anyio.create_task_group()
        self._closed_up_to = 0

    async def __aenter__(self) -> Self:
        await self._tasks.__aenter__()
        self._tasks.start_soon(self._commits.run)
        self._vault.keys.tell = self.leave
        return self

    async def __aexit__(self, *exception: object) -> None:
        self._tasks.cancel_scope.shield = True  # what waits is written even when the server is stopped
        self._commits.finish()
        await self._tasks.__aexit__(None, None, None)

    def watch(self, watch: Watch) -> None:
        """Tell somebody of each event that this process records: all that happens passes here."""
        self._appender.watch = watch

    async def append(self, tx: Transaction, *events: AuditEvent) -> None:
        """Record facts in the transaction that makes them true."""
        await self._appender.append(tx, [Pending(event) for event in events])

    async def note(self, *events: AuditEvent) -> None:
        """Record facts that change nothing else (a refused sign-in). Raises StoreError."""
        async with self._store.transaction() as tx:
            await self.append(tx, *events)

    def leave(self, event: AuditEvent) -> None:
        """Leave a fact to the next commit, unawaited: also from within a transaction."""
        with suppress(StoreError):  # which is logged; what was found is not undone for want of a line
            self._commits.soon(Pending(event))

    async def settled(self) -> None:
        """Wait until everything that was left to a later commit is written."""
        await self._commits.settled()

    @asynccontextmanager
    async def around(self, caller: Caller, tool: str, call: CallId) -> AsyncIterator[Record]:
        """Bracket one leg of one call: however it ends, the record says so, once."""
        record = Record(self._commits, self._vault.keys, caller, tool, call, self._outcome_of)
        try:
            yield record
        except NeedsPerson as need:
            if need.resend:
                record.close(need.outcome)
            else:
                await record.asked(need)
            raise
        except CallError as error:
            record.close(error.outcome)
            raise
        except BaseException:
            record.close(Outcome.UNKNOWN if record.sent else Outcome.FAILED)
            raise
        record.close(Outcome.OK)

    async def close_left_open(self) -> int:
        """Close, as `unknown`, calls that a dead process opened; returns how many.

        What one process has looked through it does not look through again.
        """
        young = self._clock.now() - LEFT_OPEN
        # Read outside the transaction: the first time it looks at every call, and no writer waits for it.
        (up_to,) = await self._store.all(_OLD_ENOUGH, self._closed_up_to, young)
        rows = await self._store.all(_LEFT_OPEN, self._closed_up_to, young)
        items = [Pending(_closed_as_unknown(row), call=row["call"]) for row in rows]
        if items:
            async with self._store.transaction() as tx:
                await self._appender.append(tx, items)
        self._closed_up_to = self._closed_up_to if up_to["seq"] is None else up_to["seq"]
        return sum(item.written for item in items)

    async def _outcome_of(self, call: CallId) -> str:
        return await outcome_of(self._store, call)


async def outcome_of(db: Reads, call: CallId) -> str:
    """The stored outcome of a call that was sent: `unknown` while its close is missing."""
    row = await db.one("SELECT core FROM audit WHERE call = $1 AND kind = 'call.closed'", call)
    return str(json.loads(row["core"])["facts"]["outcome"]) if row else Outcome.UNKNOWN


def _closed_as_unknown(row: Mapping[str, Json]) -> AuditEvent:
    principal = Principal(row["issuer"], row["subject"])
    facts = {"outcome": Outcome.UNKNOWN, "reason": "left_open"}
    return AuditEvent("call.closed", "system", principal, Actor(row["actor"]), facts)


_OLD_ENOUGH = """
SELECT coalesce(
  (SELECT MIN(seq) - 1 FROM audit WHERE seq > $1 AND kind = 'call.opened' AND at >= $2),
  (SELECT MAX(seq) FROM audit)) AS seq"""
"""Every event up to the first call that is too young to be given up."""

_LEFT_OPEN = """
SELECT o.call, o.issuer, o.subject, o.actor FROM audit o
WHERE o.seq > $1 AND o.kind = 'call.opened' AND o.at < $2
  AND NOT EXISTS (SELECT 1 FROM audit c WHERE c.call = o.call AND c.kind = 'call.closed')"""

__all__ = ["Audit", "Claim", "Record", "Watch", "outcome_of"]
