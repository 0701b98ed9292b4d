"""Something that an issuer says and we keep for a while, so that one which fails takes nothing down."""

from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

import anyio

from valetkey.errors import IssuerFailed
from valetkey.model import DAY, HOUR, SECOND, Clock

FRESH, KEPT, AGAIN = HOUR, DAY, 10 * SECOND
"""How long it is not asked for anew; how long it serves while the issuer fails; how often it is asked for."""

T = TypeVar("T")


class Kept(Generic[T]):
    """A value and how to ask for it. `ask` raises IssuerFailed."""

    def __init__(self, clock: Clock, ask: Callable[[], Awaitable[T]]) -> None:
        self._clock, self._ask, self._lock = clock, ask, anyio.Lock()
        self._value: T | None = None
        self._got = self._asked = -DAY
        self._why = IssuerFailed("it was not asked yet")

    async def get(self) -> T:
        """Return the value, asking where it is not fresh. Raises IssuerFailed when there is no good one."""
        if self._value is None or self._age(self._got) >= FRESH:
            await self._renew()
        return self._good()

    async def renewed(self) -> T:
        """Return the value, asked for just now: but no more than every ten seconds, whoever wishes it."""
        await self._renew()
        return self._good()

    async def _renew(self) -> None:
        async with self._lock:
            if self._age(self._asked) < AGAIN:
                return
            try:
                self._value = await self._ask()
                self._got = self._clock.now()
            except IssuerFailed as why:
                self._why = why
            self._asked = self._clock.now()  # not where it was cancelled: then nobody was answered

    def _good(self) -> T:
        if self._value is None or self._age(self._got) >= KEPT:
            raise self._why
        return self._value

    def _age(self, at: int) -> int:
        age = self._clock.now() - at
        return age if age >= 0 else DAY  # a clock that was set back makes nothing fresh
