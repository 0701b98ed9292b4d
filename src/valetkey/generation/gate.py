"""The gate: whether this process may act on its store, known at all times and looked at before each spending.

What passes it: tool calls, refreshes, code exchanges, give-backs, the jobs. What does not: reading, signing
in, the audit.
"""

import logging
from pathlib import Path

import anyio

from valetkey.errors import StoreError
from valetkey.generation.beside import Known, write_known
from valetkey.generation.rows import Generation, Generations, State
from valetkey.generation.words import explained, refusal
from valetkey.store import Reads, Store

EVERY_SECONDS = 0.5
_NEVER_SERVED = (State.MOVING, State.RETIRED)
_log = logging.getLogger(__name__)


class Gate:
    """Open while this copy is the live one. `known` is the newest generation that this home has seen."""

    def __init__(self, store: Store, generations: Generations, known: Known | None, home: Path) -> None:
        self._store, self._generations, self._known, self._home = store, generations, known, home
        self.now: Generation | None = None
        """What the row said when it was last looked at; None: it is missing, or does not fit."""
        self.reason: str | None = None
        """Why this copy may not act; None while it may."""

    def refuse(self) -> None:
        """Raises Dormant unless this copy was live when it was last looked at, half a second ago at most."""
        if self.reason:
            raise refusal(self.reason)

    def asleep(self) -> str | None:
        """Why this copy may not act, in half a sentence; None while it may."""
        return explained(self.reason) if self.reason else None

    async def refuse_now(self, db: Reads | None = None) -> None:
        """Raises Dormant unless this copy is live at this moment, as a transaction sees it."""
        await self.look(db or self._store)
        self.refuse()

    def refuse_to_serve(self) -> None:
        """Raises StoreError for a copy that nobody is to use any more."""
        if self.now and self.now.state in _NEVER_SERVED:
            why = explained(self.now.state)
            raise StoreError(f"this store is not served: {why}; `valetkey store status` says more")

    async def look(self, db: Reads) -> None:
        """Read the row again. A home goes forward with its store, never back."""
        first, before = self.now is None and self.reason is None, self.reason
        self.now = await self._generations.read(db)
        self.reason = judged(self.now, self._known)
        if self.now and self.reason is None and self._known != Known.of(self.now):
            await self._remember(Known.of(self.now))
        if self.reason and self.reason != before and not first:
            _log.warning("this store is not used: %s", explained(self.reason))

    async def _remember(self, known: Known) -> None:
        self._known = known
        try:
            await anyio.to_thread.run_sync(write_known, self._home, known)
        except StoreError as error:  # a home that cannot be written remembers less: the store's row holds
            _log.warning("%s", error)

    async def watch(self) -> None:
        """Look twice a second until cancelled."""
        while True:
            await anyio.sleep(EVERY_SECONDS)
            try:
                await self.look(self._store)
            except StoreError as error:  # what cannot be read now spends nothing either: each spending looks
                _log.warning("whether this store is the live one cannot be read: %s", error)


def judged(now: Generation | None, known: Known | None) -> str | None:
    """Why a copy may not act, going by its row and by what its home has seen; None: it may."""
    if now is None:
        return "changed"
    if now.state is not State.LIVE:
        return now.reason if now.state is State.DORMANT and now.reason else now.state
    if known is None or (now.number, now.id) == (known.number, known.id) or now.number > known.number:
        return None
    return "older" if now.number < known.number else "forked"
