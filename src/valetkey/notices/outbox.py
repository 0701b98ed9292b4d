"""What somebody has to be told, as rows: once for each thing, tried for three days, then said in status.

Nothing is sent here. Several processes may look at once: what is due is claimed in one transaction.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby

from valetkey.model import DAY, HOUR, MINUTE, Clock, Ids, Json, Principal
from valetkey.store import Reads, Row, Store, Transaction

GIVE_UP_AFTER = 3 * DAY
SUMMARY_EVERY = DAY
KEPT = 30 * DAY
"""For how long it is remembered that something was told."""

_CLAIMED_FOR = 10 * MINUTE
"""Longer than any delivery: who claimed a letter and died leaves it to the next after that."""

_LONGEST_WAIT = 6 * HOUR
_MOST = 500
_MOST_LETTERS = 20


@dataclass(frozen=True, slots=True)
class Notice:
    """One thing that somebody has to be told: `kind` says what, `about` which; None: the operator."""

    id: str
    kind: str
    about: str
    principal: Principal | None
    facts: Mapping[str, Json]
    created: int


@dataclass(frozen=True, slots=True)
class Letter:
    """All that one recipient is told at once. `id` is the same however often it is tried."""

    id: str
    principal: Principal | None
    notices: tuple[Notice, ...]
    tries: int

    @property
    def since(self) -> int:
        """When it was first tried: its id's UUIDv7 begins with it."""
        return int(self.id.partition("_")[2][:12], 16)


@dataclass(frozen=True, slots=True)
class Backlog:
    """How it stands with delivery: what waits, what failed four times, what was given up."""

    waiting: int
    failing: int
    given_up: int
    problem: str | None


class Outbox:
    """Keeps what is to be told until it is."""

    def __init__(self, store: Store, ids: Ids, clock: Clock) -> None:
        self._store, self._ids, self._clock = store, ids, clock

    async def add(
        self,
        tx: Transaction,
        kind: str,
        about: str,
        principal: Principal | None,
        facts: Mapping[str, Json],
        *,
        urgent: bool = True,
    ) -> bool:
        """Put something to be told into the outbox; False where it is there already, told or not.

        What is not `urgent` waits for the operator's next summary, of which there is one a day at most.
        """
        now = self._clock.now()
        again = now if urgent else await self._next_summary(tx, now)
        who = (principal.issuer, principal.subject) if principal else (None, None)
        values = (self._ids.new("ntc"), kind, about, *who, json.dumps(facts), int(urgent), now, again)
        return bool(await tx.run(_ADD, *values))

    async def keep(self, tx: Transaction, kind: str, abouts: Sequence[str]) -> None:
        """Forget, of one of the operator's kinds, all but some: what comes back is told anew.

        Not on the day it was told: what comes and goes does not fill a mailbox. What waits to be told, and is
        told in other words by now, is not told twice.
        """
        for row in await tx.all(_OF_KIND, kind, self._clock.now() - DAY, int(bool(abouts))):
            if row["about"] not in abouts:
                await tx.run("DELETE FROM notices WHERE id = $1", row["id"])

    async def claim(self) -> list[Letter]:
        """Return the letters that are due; they are this process's for ten minutes."""
        now = self._clock.now()
        async with self._store.transaction() as tx:
            rows = await tx.all(_DUE, now, _MOST)
            letters = [self._letter(list(found)) for _, found in groupby(rows, _recipient)][:_MOST_LETTERS]
            claimed = [(one.id, now + _CLAIMED_FOR, notice.id) for one in letters for notice in one.notices]
            await tx.many(_CLAIM, claimed)
        return letters

    async def sent(self, letter: Letter) -> None:
        """Remember that a letter was taken."""
        await self._settle(letter, "sent", self._clock.now())

    async def over(self, notice: Notice) -> None:
        """Remember that something need not be told any more."""
        async with self._store.transaction() as tx:
            await tx.run(_SETTLED, "over", self._clock.now(), None, notice.id)

    async def later(self, letter: Letter, problem: str) -> None:
        """Try again after a while that doubles; after three days it is given up, and status says so."""
        now = self._clock.now()
        if now - letter.since >= GIVE_UP_AFTER:
            return await self._settle(letter, "failed", now, problem)
        wait = min(_LONGEST_WAIT, MINUTE << min(letter.tries, 12))
        return await self._settle(letter, "waiting", now + wait, problem)

    async def backlog(self, db: Reads) -> Backlog:
        """Return how it stands with delivery."""
        (row,) = await db.all(_BACKLOG)  # it looks at every notice there is
        return Backlog(row["waiting"], row["failing"] or 0, row["given_up"] or 0, row["problem"])

    async def forget(self, tx: Transaction, principal: Principal) -> None:
        """Forget all that a person would have been told."""
        await tx.run(_FORGET, principal.issuer, principal.subject)

    async def sweep(self) -> None:
        """Forget what was settled long ago."""
        async with self._store.transaction(durable=False) as tx:
            await tx.run(_SWEEP, self._clock.now() - KEPT)

    async def _settle(self, letter: Letter, state: str, again: int, problem: str | None = None) -> None:
        async with self._store.transaction() as tx:
            await tx.many(_SETTLED, [(state, again, problem, notice.id) for notice in letter.notices])

    async def _next_summary(self, tx: Transaction, now: int) -> int:
        row = await tx.one(_LAST_SUMMARY)
        last = row["at"] if row else None
        return now if last is None else max(now, last + SUMMARY_EVERY)

    def _letter(self, rows: Sequence[Row]) -> Letter:
        notices = tuple(_notice(row) for row in rows)
        tries = max(row["tries"] for row in rows) + 1
        return Letter(rows[0]["letter"] or self._ids.new("let"), notices[0].principal, notices, tries)


def _recipient(row: Row) -> tuple[str | None, str | None, str | None]:
    """What belongs into one letter: one recipient's, and what was tried together before stays together."""
    return row["issuer"], row["subject"], row["letter"]


def _notice(row: Row) -> Notice:
    principal = Principal(row["issuer"], row["subject"]) if row["issuer"] is not None else None
    return Notice(row["id"], row["kind"], row["about"], principal, json.loads(row["facts"]), row["created"])


_ADD = """
INSERT INTO notices (id, kind, about, issuer, subject, facts, urgent, state, created, tries, again)
VALUES ($1, $2, $3, $4, $5, $6, $7, 'waiting', $8, 0, $9) ON CONFLICT DO NOTHING"""
_OF_KIND = """
SELECT id, about FROM notices WHERE kind = $1 AND issuer IS NULL
  AND (created <= $2 OR ($3 = 1 AND state = 'waiting' AND tries = 0))"""
_DUE = """
SELECT id, kind, about, issuer, subject, facts, letter, created, tries FROM notices
WHERE state = 'waiting' AND again <= $1
ORDER BY COALESCE(issuer, ''), COALESCE(subject, ''), COALESCE(letter, ''), created, id LIMIT $2"""
_CLAIM = "UPDATE notices SET letter = $1, tries = tries + 1, again = $2 WHERE id = $3"
_SETTLED = "UPDATE notices SET state = $1, again = $2, problem = $3 WHERE id = $4"
_BACKLOG = """
SELECT COUNT(CASE WHEN state = 'waiting' THEN 1 END) AS waiting,
  COUNT(CASE WHEN state = 'waiting' AND problem IS NOT NULL AND tries >= 4 THEN 1 END) AS failing,
  COUNT(CASE WHEN state = 'failed' THEN 1 END) AS given_up,
  MAX(CASE WHEN state IN ('waiting', 'failed') THEN problem END) AS problem FROM notices"""
_LAST_SUMMARY = "SELECT MAX(again) AS at FROM notices WHERE issuer IS NULL AND urgent = 0 AND state = 'sent'"
_FORGET = "DELETE FROM notices WHERE issuer = $1 AND subject = $2"
_SWEEP = "DELETE FROM notices WHERE state <> 'waiting' AND again <= $1"
