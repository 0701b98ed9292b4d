"""How often a caller may call, and a provider be called: asked before anything is sent.

Buckets are in the memory of their process: several processes on one store let through as many times as
much. In the store they would cost every call a write.
"""

import math
from collections import OrderedDict
from collections.abc import Hashable
from dataclasses import dataclass

from valetkey.errors import CallError
from valetkey.model import MINUTE, SECOND, Caller, Clock, Connection, Outcome, Principal
from valetkey.settings import LimitsSettings

LONGEST_PAUSE = 15 * MINUTE
"""How long a provider's Retry-After is heeded: no answer of its keeps anybody out for a day."""

MOST_KEPT = 10_000
"""How many buckets are kept. Of more, those used longest ago are forgotten: full ones, as a rule."""


class Buckets:
    """A bucket of calls for each key, all of one size, refilled steadily.

    Of each only the time is kept at which it would be full again (the generic cell rate algorithm).
    """

    def __init__(self, clock: Clock, per_minute: int, burst: int, most: int = MOST_KEPT) -> None:
        self._clock, self._most = clock, most
        self._each = MINUTE / per_minute
        self._size = burst * self._each
        self._full_at: OrderedDict[Hashable, float] = OrderedDict()

    def take(self, key: Hashable) -> float:
        """Take one call; return 0, or after how many seconds there is one: then none is taken."""
        now = self._clock.now()
        full_at = self._full_at.pop(key, now)
        if full_at > now + self._size + MINUTE:  # a clock was put back, which is nobody's fault
            full_at = now
        full_at = min(max(full_at, now), now + self._size)
        missing = full_at + self._each - (now + self._size)
        self._full_at[key] = full_at if missing > 0 else full_at + self._each
        if len(self._full_at) > self._most:
            self._full_at.popitem(last=False)
        return max(missing, 0) / SECOND

    def __len__(self) -> int:
        return len(self._full_at)


@dataclass(frozen=True, slots=True)
class _Pause:
    """A provider's request to be left alone: whose call it answered, and until when."""

    principal: Principal
    until: int


class Limits:
    """The limits of one process, for all of its endpoints."""

    def __init__(self, clock: Clock, settings: LimitsSettings) -> None:
        self._clock = clock
        self._callers = Buckets(clock, settings.calls_per_minute, settings.burst)
        most = settings.provider_calls_per_minute
        self._providers = Buckets(clock, most, max(1, most // 2))
        self._last: dict[str, _Pause] = {}
        self._all: dict[str, int] = {}
        self._connections: OrderedDict[str, int] = OrderedDict()

    def call(self, caller: Caller) -> None:
        """Count a call. Raises CallError `rate_limited`."""
        if seconds := self._callers.take((caller.principal, caller.actor.client)):
            raise _later("You are calling too often", seconds)

    def send(self, connection: Connection) -> None:
        """Count a call that goes to a provider. Raises CallError `rate_limited`."""
        seconds = self._paused(connection) or self._providers.take(_client(connection))
        if seconds:
            raise _later(f"{connection.connector} cannot be called just now", seconds)

    def told(self, connection: Connection, retry_after: float | None) -> None:
        """Heed a provider that asked, in seconds, to be left alone: for the account that it answered.

        When it asks the same of two people at once it means our client there, and so everybody waits.
        """
        if not retry_after:
            return
        client, now = _client(connection), self._clock.now()
        pause = _Pause(connection.principal, now + min(int(retry_after * SECOND), LONGEST_PAUSE))
        last = self._last.get(client)
        if last and last.until > now and last.principal != pause.principal:
            self._all[client] = min(last.until, pause.until)
        self._last[client] = pause
        self._connections[connection.id] = pause.until
        if len(self._connections) > MOST_KEPT:
            self._connections.popitem(last=False)

    def _paused(self, connection: Connection) -> float:
        """For how many seconds more a connection has to wait."""
        now = self._clock.now()
        until = max(self._all.get(_client(connection), 0), self._connections.get(connection.id, 0))
        return max(0, min(until - now, LONGEST_PAUSE)) / SECOND


def _client(connection: Connection) -> str:
    """Under whose name a provider is called: the operator's client there, or nobody's but the connector's."""
    return connection.registration or connection.connector


def _later(what: str, seconds: float) -> CallError:
    whole = math.ceil(seconds)
    text = f"{what}. Try again in {whole} seconds, and not earlier."
    return CallError(Outcome.RATE_LIMITED, text, retry_after=whole)
