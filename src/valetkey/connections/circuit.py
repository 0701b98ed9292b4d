"""Registrations whose provider does not answer, or does not take them: one asks again, for everybody.

Each process finds out by itself and forgets it when it ends: nothing here outlives the fault it is about.
"""

from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import anyio

from valetkey.connections.endpoint import HARD_SECONDS
from valetkey.connections.verdict import backoff
from valetkey.model import MINUTE, SECOND, Clock, Randomness

_IN_A_ROW = 5
"""So many failures, one after another, are the provider's and not of one token set."""

LONGEST_WAIT = 15 * MINUTE
"""Nothing waits longer: what seems to was written by a clock that has been set back since."""


@dataclass(slots=True)
class _Circuit:
    """`failures` in a row; `tries` in vain since it opened, 0 while it is closed; `alone`, while one asks
    for all the others, is set when it has ended.
    """

    failures: int = 0
    tries: int = 0
    until: int = 0
    alone: anyio.Event | None = None


class Circuits:
    """The circuit of each registration: closed while its token endpoint answers, then open for a while."""

    def __init__(self, clock: Clock, randomness: Randomness) -> None:
        self._clock, self._randomness = clock, randomness
        self._circuits = defaultdict[str, _Circuit](_Circuit)

    async def heard(self, registration: str) -> bool:
        """Wait, as long as a request may take, for what the one hears who asks alone; False: nobody did."""
        circuit = self._circuits.get(registration)
        if circuit is None or circuit.alone is None:
            return False
        with anyio.move_on_after(HARD_SECONDS):
            await circuit.alone.wait()
            return True
        return False

    @contextmanager
    def asking(self, registration: str) -> Iterator[int]:
        """Give the turn to ask, for the length of the block: the milliseconds to wait for it, 0 for now."""
        circuit = self._circuits[registration]
        wait = self._wait(circuit)
        alone = anyio.Event() if wait == 0 and circuit.tries > 0 else None
        circuit.alone = circuit.alone or alone
        try:
            yield wait
        finally:
            if alone is not None:
                circuit.alone = None
                alone.set()

    def answered(self, registration: str) -> None:
        """It answered, be it with a refusal of what was asked."""
        self._circuits.pop(registration, None)

    def failed(self, registration: str, retry_after: float | None) -> None:
        """It did not answer, or asked for patience."""
        circuit = self._circuits[registration]
        circuit.failures += 1
        if circuit.alone or (circuit.tries == 0 and circuit.failures >= _IN_A_ROW):
            self._open(circuit, retry_after)

    def refused(self, registration: str, retry_after: float | None) -> bool:
        """It does not take the registration; True if that is news."""
        circuit = self._circuits[registration]
        news = circuit.tries == 0
        if news or circuit.alone:
            self._open(circuit, retry_after)
        return news

    def _wait(self, circuit: _Circuit) -> int:
        if circuit.tries == 0:
            return 0
        left = circuit.until - self._clock.now()
        if 0 < left <= LONGEST_WAIT:
            return left
        return SECOND if circuit.alone else 0

    def _open(self, circuit: _Circuit, retry_after: float | None) -> None:
        circuit.tries += 1
        circuit.until = self._clock.now() + backoff(circuit.tries, retry_after, self._randomness)
