"""Tries at a secret, counted so that guessing is slow: of a password here, or of one that is pasted.

Wrong ones are counted apart from the wait, so that the right one in between does not hide them.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from valetkey.model import DAY, HOUR, MINUTE, AuditEvent, Clock, Json, Principal
from valetkey.store import Reads, Store, Transaction

_FREE, _LONGEST_WAIT = 5, 15 * MINUTE
_GOES_ON, _REPORTED_EVERY = DAY, HOUR
SHOWN_FOR = 7 * DAY
"""How long it is remembered that many wrong ones were tried."""


@dataclass(frozen=True, slots=True)
class Burst:
    """Wrong tries with less than a day between them: how many, since when, and until when."""

    count: int
    began: int
    last: int

    def event(self, principal: Principal | None, **facts: Json) -> AuditEvent:
        """What the audit says of it. `principal`: whose password was tried, where it is anybody's."""
        return AuditEvent("person.sign_in_slowed", "system", principal, None, {"count": self.count, **facts})


class Tries:
    """Counts tries by what they are about, a digest. Five are free; then the wait doubles from a second."""

    def __init__(self, store: Store, clock: Clock) -> None:
        self._store, self._clock = store, clock

    async def claim(self, about: str) -> int:
        """Count a try before it is made, so that parallel guesses cannot outrun the count.

        Returns 0, or the seconds to wait when it may not be made yet: then it does not count.
        """
        now = self._clock.now()
        async with self._store.transaction(durable=False) as tx:
            row = await tx.one("SELECT count, since FROM failures WHERE about = $1", about)
            if row and now < row["since"] + _wait(row["count"]):
                return int((row["since"] + _wait(row["count"]) - now) // 1000 + 1)
            await tx.run(_COUNT, about, now)
        return 0

    async def forget(self, tx: Transaction, about: str) -> None:
        """The right one was given: count from the start again."""
        await tx.run("UPDATE failures SET count = 0 WHERE about = $1", about)

    async def failed(self, tx: Transaction, about: str) -> Burst | None:
        """Count a wrong one. Returns its burst when that is to be reported, which is once an hour."""
        now, row = self._clock.now(), await tx.one(_BURST, about)
        before = row if row and row["wrong"] and now - row["last"] < _GOES_ON else None
        burst = Burst(before["wrong"] + 1 if before else 1, before["began"] if before else now, now)
        reported = before["reported"] if before else 0
        due = burst.count >= _FREE and now - reported >= _REPORTED_EVERY
        values = (burst.count, burst.began, burst.last, now if due else reported)
        await tx.run(_FAILED, about, *values)
        return burst if due else None

    async def burst(self, db: Reads, about: str) -> Burst | None:
        """Return the last burst of wrong ones, if there were many and lately."""
        row = await db.one(_BURST, about)
        if row is None or row["wrong"] < _FREE or self._clock.now() - row["last"] >= SHOWN_FOR:
            return None
        return Burst(row["wrong"], row["began"], row["last"])


def joined(bursts: Iterable[Burst | None]) -> Burst | None:
    """Return several bursts as one."""
    found = [burst for burst in bursts if burst]
    if not found:
        return None
    count = sum(burst.count for burst in found)
    return Burst(count, min(burst.began for burst in found), max(burst.last for burst in found))


def _wait(count: int) -> int:
    """Milliseconds to wait after so many tries."""
    return 0 if count < _FREE else min(_LONGEST_WAIT, 1000 * 2 ** min(count - _FREE, 20))


_COUNT = """
INSERT INTO failures (about, count, since) VALUES ($1, 1, $2)
ON CONFLICT (about) DO UPDATE SET count = failures.count + 1, since = excluded.since"""
_BURST = "SELECT wrong, began, last, reported FROM failures WHERE about = $1"
_FAILED = """
INSERT INTO failures (about, count, since, wrong, began, last, reported) VALUES ($1, 0, $4, $2, $3, $4, $5)
ON CONFLICT (about) DO UPDATE SET
  wrong = excluded.wrong, began = excluded.began, last = excluded.last, reported = excluded.reported"""
