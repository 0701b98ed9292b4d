"""Appending to the chain: inside a room's own transaction, or many calls' events in one commit.

Who may append is decided elsewhere; nothing here changes or removes an event.
"""

import logging
import secrets
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from time import perf_counter
from typing import Protocol

import anyio

from valetkey.audit.chain import Personal, core_bytes, first_hash, next_hash, personal_part
from valetkey.errors import StoreError
from valetkey.model import AuditEvent, Clock, Ids, Randomness
from valetkey.store import Row, Store, Transaction
from valetkey.vault import Vault

_log = logging.getLogger(__name__)
_BATCH, _MOST = 256, 10_000
_A_MOMENT = 0.02
"""Seconds that an event nobody waits for waits for company."""

Claim = Callable[[Transaction], Awaitable[bool]]
"""Takes, in an event's own transaction, what may be taken once; False: it was gone, and so is the event."""


class Watch(Protocol):
    """Whoever counts what this process records. It may take next to no time, and raises nothing."""

    def recorded(self, event: AuditEvent, call: str | None) -> None:
        """An event was appended; its transaction may still be undone, which is rare and not told."""
        ...

    def committed(self, seconds: float) -> None:
        """A commit of calls' events took so long."""
        ...


_Row = tuple[int, str, int, str, str | None, str | None, str | None, str | None, bytes, bytes]


@dataclass(slots=True)
class Pending:
    """An event on its way to the next commit. `done`, if anybody waits, is set when it is written or refused.

    `unless_opened`: it comes from a leg that sent nothing, and is left out when another leg of the
    same call was sent: only that one knows how it ended. `claim` is tried last, by an event that would
    be written; `gone`: it failed.
    """

    event: AuditEvent
    call: str | None = None
    durable: bool = True
    unless_opened: bool = False
    claim: Claim | None = None
    gone: bool = False
    done: anyio.Event | None = None
    error: str | None = None
    written: bool = False


class Appender:
    """Adds events after the chain's head, in a transaction the caller holds."""

    def __init__(
        self, vault: Vault, ids: Ids, clock: Clock, randomness: Randomness = secrets.token_bytes
    ) -> None:
        self._vault, self._ids, self._clock, self._randomness = vault, ids, clock, randomness
        self.watch: Watch | None = None

    async def append(self, tx: Transaction, items: Sequence[Pending], *, first: int | None = None) -> None:
        """Append in order; what its call has been told already is left out, `written` False.

        So is an event whose claim fails. `first` is the number of the first event, where it begins a segment.
        """
        told = await self._told(tx, items)
        head = max(told, key=lambda row: int(row["seq"]), default=None)
        seq, before = (head["seq"], head["hash"]) if head else (0, first_hash(self._vault.keys.store_id))
        seq = seq if first is None else first - 1
        known = {(row["call"], row["kind"]) for row in told}
        rows, personal = [], {}
        for item in items:
            item.written = not _is_told(item, known) and await _claimed(tx, item)
            if not item.written:
                continue
            known.add((item.call, item.event.kind))
            seq += 1
            row, part = self._row(item, seq, before)
            before = row[-1]
            rows.append(row)
            if part:
                personal[row[1]] = {"salt": part.salt, "text": part.text}
            if self.watch:
                self.watch.recorded(item.event, item.call)
        await tx.many("INSERT INTO audit VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)", rows)
        await self._vault.put_new(tx, "audit", personal)

    async def _told(self, tx: Transaction, items: Sequence[Pending]) -> list[Row]:
        """The chain's head and every event of these calls, in one trip."""
        calls = sorted({item.call for item in items if item.call})
        places = ", ".join(f"${n}" for n in range(1, len(calls) + 1))
        return await tx.all(
            f"{_HEAD} UNION ALL {_EVENTS} WHERE call IN ({places})" if calls else _HEAD, *calls
        )

    def _row(self, item: Pending, seq: int, before: bytes) -> tuple[_Row, Personal | None]:
        event, event_id, at = item.event, self._ids.new("evt"), self._clock.now()
        personal = personal_part(event.personal, self._randomness(16))
        digest = personal.digest() if personal else None
        core = core_bytes(event, seq=seq, event_id=event_id, at=at, call=item.call, personal=digest)
        issuer, subject = (
            (event.principal.issuer, event.principal.subject) if event.principal else (None, None)
        )
        client = event.actor.client if event.actor else None
        row = (
            seq,
            event_id,
            at,
            event.kind,
            item.call,
            issuer,
            subject,
            client,
            core,
            next_hash(before, core),
        )
        return row, personal


def _is_told(item: Pending, known: set[tuple[str | None, str]]) -> bool:
    """Whether the call has this event already, has ended, or was sent by another leg than this."""
    told = {item.event.kind, "call.closed"} | ({"call.opened"} if item.unless_opened else set())
    return item.call is not None and any((item.call, kind) in known for kind in told)


async def _claimed(tx: Transaction, item: Pending) -> bool:
    item.gone = item.claim is not None and not await item.claim(tx)
    return not item.gone


class GroupCommit:
    """One task that writes whatever is waiting in one transaction, so that calls share a commit.

    What nobody waits for is not worth a commit of its own: it goes with the next that is, or after a moment.
    """

    def __init__(self, store: Store, appender: Appender) -> None:
        self._store, self._appender = store, appender
        self._waiting: list[Pending] = []
        self._wanted, self._left, self._closed = anyio.Event(), anyio.Event(), False
        self._written = anyio.Event()

    def soon(self, item: Pending) -> Pending:
        """Put an event into the next commit without waiting for it.

        Raises StoreError when too many wait, or when no more are taken.
        """
        if self._closed:
            raise StoreError("the audit is closed; nothing is sent any more")
        if len(self._waiting) >= _MOST:
            raise StoreError("the audit cannot keep up; nothing is sent until it does")
        self._waiting.append(item)
        self._left.set()
        return item

    async def now(self, item: Pending) -> bool:
        """Wait until an event is written; False when its call already had one. Raises StoreError."""
        item.done = anyio.Event()
        self.soon(item)
        self._wanted.set()
        await item.done.wait()
        if item.error is not None:
            raise StoreError(item.error)
        return item.written

    async def run(self) -> None:
        """Write until `finish` is called; then write what is left and return. Cannot be cancelled."""
        with anyio.CancelScope(shield=True):
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(self._want_what_was_left)
                while self._waiting or not self._closed:
                    await self._wanted.wait()
                    self._wanted = anyio.Event()
                    while self._waiting:
                        items, self._waiting = self._waiting[:_BATCH], self._waiting[_BATCH:]
                        await self._write(items)
                    self._written.set()
                    self._written = anyio.Event()
                tasks.cancel_scope.cancel()
            self._written.set()  # for good: nothing is left by now, and nothing more is taken

    async def _want_what_was_left(self) -> None:
        while True:
            await self._left.wait()
            await anyio.sleep(_A_MOMENT)
            self._left = anyio.Event()
            self._wanted.set()

    async def settled(self) -> None:
        """Wait until all that was left by now is written."""
        self._wanted.set()
        await self._written.wait()

    def finish(self) -> None:
        """Take no more events."""
        self._closed = True
        self._wanted.set()

    async def _write(self, items: list[Pending]) -> None:
        watch, began = self._appender.watch, perf_counter()
        try:
            async with self._store.transaction(durable=any(item.durable for item in items)) as tx:
                await self._appender.append(tx, items)
            _settle(items, None)
            if watch:
                watch.committed(perf_counter() - began)
        except StoreError as error:
            _log.critical("the audit could not be written: %s", error)
            _settle(items, str(error))
        except Exception as error:  # noqa: BLE001 - an event that no store takes must not end everyone's audit
            await self._write_each(items, error)

    async def _write_each(self, items: list[Pending], error: Exception) -> None:
        """One of these is at fault: the others are written without it."""
        if len(items) > 1:
            for item in items:
                await self._write([item])
        else:
            kind = type(error).__name__  # its text may hold what somebody wrote
            _log.critical("an event could not be written: %s", kind)
            _settle(items, f"an event cannot be written ({kind})")


def _settle(items: Sequence[Pending], error: str | None) -> None:
    for item in items:
        item.error = error
        if item.done is not None:
            item.done.set()


_EVENTS = "SELECT seq, hash, call, kind FROM audit"
_HEAD = f"{_EVENTS} WHERE seq = (SELECT MAX(seq) FROM audit)"  # noqa: S608 - a constant
