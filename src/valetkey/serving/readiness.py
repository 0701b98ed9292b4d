"""Whether this process lives, and whether it may be sent work, with the reasons why not.

Ready is: the store answers and takes writes, somebody does the jobs, the keys are open, this copy of the
store is the live one, and nobody asked the process to stop. What was found is good for a second: anybody
may ask.
"""

from collections.abc import Awaitable, Callable

import anyio

from valetkey.assemble import House
from valetkey.errors import ValetkeyError, where
from valetkey.model import MINUTE, SECOND

_GOOD_FOR = SECOND
_DEADLINE_SECONDS = 5
_JOBS_SEEN = 3 * MINUTE
"""How long ago the jobs may have been seen to be somebody's: a long round of them outlives its lease."""

Check = Callable[[], Awaitable[str | None]]


class Readiness:
    """Looks when asked. `stopping` is set first of all when the process is asked to end."""

    def __init__(self, house: House) -> None:
        self._house, self.stopping = house, False
        self._found: dict[str, str] = {}
        self._at: int | None = None
        self._lock = anyio.Lock()

    async def problems(self) -> dict[str, str]:
        """Why no work should be sent here, by what was looked at; empty when it should."""
        if self.stopping:
            return {"stopping": "it was asked to stop"}
        async with self._lock:
            now = self._house.ground.clock.now()
            if self._at is None or not 0 <= now - self._at < _GOOD_FOR:
                self._found, self._at = await self._look(), now
            return self._found

    async def _look(self) -> dict[str, str]:
        checks: dict[str, Check] = {
            "store": self._store,
            "jobs": self._jobs,
            "keys": self._keys,
            "copy": self._copy,
        }
        found = {}
        for name, check in checks.items():
            if problem := await _looked(check):
                found[name] = problem
        return found

    async def _store(self) -> str | None:
        """A write that changes nothing; a power cut may have it."""
        async with self._house.ground.store.transaction(durable=False) as tx:
            wrote = await tx.run("UPDATE meta SET value = value WHERE key = 'schema'")
        return None if wrote else "it has lost its schema"

    async def _jobs(self) -> str | None:
        row = await self._house.ground.store.one("SELECT until FROM leases WHERE name = 'jobs'")
        seen = row is not None and self._house.ground.clock.now() - row["until"] < _JOBS_SEEN
        return None if seen else "no process does what happens by itself"

    async def _keys(self) -> str | None:
        return None if self._house.ground.keys.active else "no key is open"

    async def _copy(self) -> str | None:
        return self._house.ground.gate.asleep()


async def _looked(check: Check) -> str | None:
    try:
        with anyio.fail_after(_DEADLINE_SECONDS):
            return await check()
    except TimeoutError:
        return f"no answer within {_DEADLINE_SECONDS} seconds"
    except ValetkeyError as error:
        return str(error)
    except Exception as error:  # noqa: BLE001 - whatever it is, it is not well
        return where(error)
