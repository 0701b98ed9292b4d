"""Access requests: made once for each need of a caller, found by whoever may, waited for and settled."""

import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass, replace

import anyio

from valetkey.audit import Audit
from valetkey.errors import CallError, PageError
from valetkey.model import DAY, MINUTE, Actor, AuditEvent, Caller, Clock, Ids, Json, Outcome, Principal
from valetkey.needs.handles import PREFIX, Handles
from valetkey.needs.request import OWN, REQUESTS, AccessRequest, read
from valetkey.store import Reads, Store, Transaction
from valetkey.vault import KeyRing

LASTS = 10 * MINUTE
MOST_OPEN, MOST_OF_ONE = 50, 10
"""How many open requests a person can have, and of them from one agent: none can bury them, or the others."""

LASTS_AWAY = 3 * DAY
"""What a call brings up while its person is away waits until they are back; the next night asks anew."""

LASTS_AHEAD = 7 * DAY
"""What an agent asks for ahead of time waits longer: its person may be asleep, or on holiday."""

MOST_AHEAD = 5
"""How many of these one agent can have open, over all people. They do not count as calls' requests do."""

_POLL = 0.2


@dataclass(frozen=True, slots=True)
class _Need:
    """What is asked of a person. `lasts` is in milliseconds."""

    tools: tuple[str, ...]
    outcome: Outcome
    connection: str | None = None
    offline: bool = False
    lasts: int = LASTS

    @property
    def digest(self) -> str:
        """What tells one need from another (SHA-256, hex).

        An account whose access has ended is one need, whatever was to be done with it.
        """
        one_account = self.outcome is Outcome.RECONNECT and self.connection is not None
        tools = [] if one_account else sorted(self.tools)
        what = [self.outcome, self.connection, tools, self.offline, self.lasts]
        return hashlib.sha256(json.dumps(what).encode()).hexdigest()


class Requests:
    """Makes, finds and settles access requests."""

    def __init__(
        self, store: Store, keys: KeyRing, audit: Audit, ids: Ids, clock: Clock, public_url: str
    ) -> None:
        self._store, self._handles, self._audit = store, Handles(keys), audit
        self._ids, self._clock, self._public_url = ids, clock, public_url
        self._settled: dict[str, anyio.Event] = {}

    async def find_or_make(
        self, caller: Caller, tools: tuple[str, ...], outcome: Outcome, connection: str | None = None
    ) -> AccessRequest:
        """Return the open request for this need: the same one until it is met, declined or expired.

        Raises CallError `rate_limited` when too much waits for this person already.
        """
        lasts = LASTS_AWAY if caller.away else LASTS
        return await self._find_or_make(caller, _Need(tools, outcome, connection, caller.away, lasts))

    async def ahead(self, caller: Caller, tools: tuple[str, ...], *, offline: bool) -> AccessRequest:
        """Return the open request that an agent makes ahead of time, for a person who may be away.

        Raises CallError `rate_limited` when it has five of them open, whoever they are put before.
        """
        need = _Need(tools, Outcome.NOT_GRANTED, offline=offline, lasts=LASTS_AHEAD)
        return await self._find_or_make(caller, need)

    async def by_person(
        self, principal: Principal, tools: tuple[str, ...], outcome: Outcome, connection: str | None
    ) -> AccessRequest:
        """Return the open request with which a person connects an account for no agent yet.

        Raises CallError `rate_limited` as `find_or_make` does.
        """
        themselves = Caller(principal, Actor(OWN), session="")
        return await self._find_or_make(themselves, _Need(tools, outcome, connection))

    async def open_for(self, db: Reads, principal: Principal) -> list[AccessRequest]:
        """Return what agents wait for a person to decide, oldest first."""
        sql = f"{REQUESTS} WHERE issuer = $1 AND subject = $2 AND state = 'open' AND until > $3"
        rows = await db.all(f"{sql} ORDER BY id", principal.issuer, principal.subject, self._clock.now())
        return [request for row in rows if not (request := read(row)).own]

    async def by_handle(self, handle: str) -> AccessRequest:
        """Return the request of a link. Raises PageError 404 for anything but a handle made here."""
        request_id = self._handles.opened(handle)
        row = await self._store.one(f"{REQUESTS} WHERE id = $1", request_id) if request_id else None
        if row is None:
            raise PageError(404, "There is nothing here", "This link is not one of ours, or it is damaged.")
        return self._dated(read(row))

    async def get(self, request_id: str) -> AccessRequest:
        """Return a request by its id, which never comes from outside."""
        row = await self._store.one(f"{REQUESTS} WHERE id = $1", request_id)
        if row is None:
            raise PageError(404, "There is nothing here", "This request is gone.")
        return self._dated(read(row))

    async def open_of(self, caller: Caller) -> list[AccessRequest]:
        """Return the open requests of one caller, oldest first."""
        sql = (
            f"{REQUESTS} WHERE issuer = $1 AND subject = $2 AND actor = $3 AND state = 'open' AND until > $4"
        )
        who = (caller.principal.issuer, caller.principal.subject, caller.actor.client)
        rows = await self._store.all(f"{sql} ORDER BY id", *who, self._clock.now())
        return [read(row) for row in rows]

    async def of(self, caller: Caller, request_id: str) -> AccessRequest | None:
        """Return a request by an id that a caller named: their own, or None as for any other."""
        row = await self._store.one(f"{REQUESTS} WHERE id = $1", request_id)
        request = self._dated(read(row)) if row else None
        ours = request and (request.principal, request.actor) == (caller.principal, caller.actor.client)
        return request if ours else None

    async def of_actor(self, actor: str, request_id: str) -> AccessRequest | None:
        """Return a request that an agent made, for anybody, by an id it named: None for any other."""
        row = await self._store.one(f"{REQUESTS} WHERE id = $1 AND actor = $2", request_id, actor)
        return self._dated(read(row)) if row else None

    async def withdraw(self, tx: Transaction, actor: str) -> None:
        """Close what an agent that is taken away has asked: nobody can answer it any more."""
        await tx.run(_WITHDRAW, actor)

    async def withdraw_from(self, tx: Transaction, principal: Principal) -> None:
        """Close what was asked of a person who is taken away."""
        await tx.run(_WITHDRAW_FROM, principal.issuer, principal.subject)

    async def any_open(self) -> bool:
        """Whether anybody has a link to answer now."""
        sql = "SELECT 1 AS open FROM access_requests WHERE state = 'open' AND until > $1 LIMIT 1"
        return await self._store.one(sql, self._clock.now()) is not None

    def handle(self, request: AccessRequest) -> str:
        return self._handles.of(request.id)

    def link(self, request: AccessRequest) -> str:
        return f"{self._public_url}/connect/{self.handle(request)}"

    async def settle(self, tx: Transaction, request: AccessRequest, state: str) -> None:
        """Mark a request met or declined. Raises PageError 409 when it no longer is open."""
        changed = await tx.run(
            "UPDATE access_requests SET state = $1 WHERE id = $2 AND state = 'open'", state, request.id
        )
        if not changed:
            raise PageError(409, "Already answered", "This request was answered already.")
        facts = {"request": request.id, "tools": list(request.tools)}
        event = AuditEvent(f"request.{state}", "person", request.principal, request.by, facts)
        await self._audit.append(tx, event)

    async def answered(self, tx: Transaction, request: AccessRequest, connectors: Iterable[str]) -> bool:
        """Mark what a request asks of some connectors as answered; whether that was the last of it.

        Raises PageError 409 when it no longer is open, or one of them was answered already.
        """
        row = await tx.one(f"{REQUESTS} WHERE id = $1 AND state = 'open'", request.id)
        now = read(row) if row else None
        if now is None or not now.left.keys() >= (new := set(connectors)):
            raise PageError(409, "Already answered", "This request was answered already.")
        done = json.dumps(sorted(now.done | new))
        await tx.run("UPDATE access_requests SET done = $1 WHERE id = $2", done, request.id)
        if now.left.keys() == new:
            await self.settle(tx, request, "met")
        return now.left.keys() == new

    def announce(self, request: AccessRequest) -> None:
        """Wake the calls of this process that wait for a request; other processes look at the row."""
        if event := self._settled.pop(request.id, None):
            event.set()

    async def wait(self, request_id: str, seconds: float) -> AccessRequest:
        """Return the request once it is settled, or as it is after so many seconds."""
        event = self._settled.setdefault(request_id, anyio.Event())
        try:
            with anyio.move_on_after(seconds):
                while (await self.get(request_id)).state == "open":
                    with anyio.move_on_after(_POLL):
                        await event.wait()
        finally:
            if not event.statistics().tasks_waiting:  # nobody else: who looks at the row just now looks again
                self._settled.pop(request_id, None)
        return await self.get(request_id)

    async def _find_or_make(self, caller: Caller, need: _Need) -> AccessRequest:
        if found := await self._open(self._store, caller, need):  # each leg of a call that waits comes by
            return found
        async with self._store.transaction() as tx:
            await tx.run(_EXPIRE, self._clock.now(), caller.principal.issuer, caller.principal.subject)
            if found := await self._open(tx, caller, need):
                return found
            await self._refuse_flood(tx, caller, need)
            return await self._make(tx, caller, need)

    async def _open(self, db: Reads, caller: Caller, need: _Need) -> AccessRequest | None:
        who = (caller.principal.issuer, caller.principal.subject, caller.actor.client)
        row = await db.one(f"{REQUESTS} WHERE {_OPEN_NEED}", *who, need.digest, self._clock.now())
        return read(row) if row else None

    async def _make(self, tx: Transaction, caller: Caller, need: _Need) -> AccessRequest:
        principal, actor, now = caller.principal, caller.actor, self._clock.now()
        new = AccessRequest(
            id=self._ids.new(PREFIX),
            principal=principal,
            actor=actor.client,
            outcome=need.outcome,
            tools=need.tools,
            connection=need.connection,
            state="open",
            until=now + need.lasts,
            offline=need.offline,
        )
        who = (principal.issuer, principal.subject, actor.client)
        what = (need.digest, need.outcome, json.dumps(need.tools), need.connection, int(need.offline))
        await tx.run(_INSERT, new.id, *who, *what, now, new.until)
        facts: dict[str, Json] = {"request": new.id, "tools": list(need.tools), "outcome": need.outcome}
        if need.offline:
            facts["offline"] = True
        by = "person" if new.own else "agent"
        await self._audit.append(tx, AuditEvent("request.made", by, principal, new.by, facts))
        return new

    async def _refuse_flood(self, db: Reads, caller: Caller, need: _Need) -> None:
        if need.lasts == LASTS_AHEAD:
            await self._refuse_many_ahead(db, caller)
            return
        rows = await db.all(_OPEN_BY_ACTOR, caller.principal.issuer, caller.principal.subject, LASTS_AWAY)
        by_actor = {row["actor"]: row["n"] for row in rows}
        if sum(by_actor.values()) >= MOST_OPEN or by_actor.get(caller.actor.client, 0) >= MOST_OF_ONE:
            text = "Too many requests wait for this person already. Ask them to answer those first."
            raise CallError(Outcome.RATE_LIMITED, text, retry_after=LASTS / 1000)

    async def _refuse_many_ahead(self, db: Reads, caller: Caller) -> None:
        row = await db.one(_AHEAD_OF_ACTOR, caller.actor.client, self._clock.now(), LASTS_AWAY)
        if row and row["n"] >= MOST_AHEAD:
            text = f"You have asked {MOST_AHEAD} times ahead already. Wait for people to answer those."
            raise CallError(Outcome.RATE_LIMITED, text, retry_after=LASTS / 1000)

    def _dated(self, request: AccessRequest) -> AccessRequest:
        late = request.state == "open" and request.until <= self._clock.now()
        return replace(request, state="expired") if late else request


_OPEN_BY_ACTOR = """
SELECT actor, count(*) AS n FROM access_requests
WHERE issuer = $1 AND subject = $2 AND state = 'open' AND until - created <= $3 GROUP BY actor"""
_AHEAD_OF_ACTOR = """
SELECT count(*) AS n FROM access_requests
WHERE actor = $1 AND state = 'open' AND until > $2 AND until - created > $3"""
_OPEN_NEED = "issuer = $1 AND subject = $2 AND actor = $3 AND need = $4 AND state = 'open' AND until > $5"
_EXPIRE = """
UPDATE access_requests SET state = 'expired'
WHERE state = 'open' AND until <= $1 AND issuer = $2 AND subject = $3"""
_WITHDRAW_FROM = """
UPDATE access_requests SET state = 'expired' WHERE issuer = $1 AND subject = $2 AND state = 'open'"""
_WITHDRAW = "UPDATE access_requests SET state = 'expired' WHERE state = 'open' AND actor = $1"
_INSERT = """
INSERT INTO access_requests
  (id, issuer, subject, actor, need, outcome, tools, connection, offline, created, until, done, state)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, '[]', 'open')"""
