"""Registrations whose provider does not answer, or does not take them: one asks again, for everybody.

Each process finds out by itself and forgets it when it ends: nothing here outlives the fault it is about.
"""

from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from valetkey.connections.verdict import backoff
from valetkey.model import MINUTE, SECOND, Clock, Randomness

_IN_A_ROW = 5
"""So many failures, one after another, are the provider's and not of one token set."""

LONGEST_WAIT = 15 * MINUTE
"""Nothing waits longer: what seems to was written by a clock that has been set back since."""


@dataclass(slots=True)
class _Circuit:
    """`failures` in a row; `tries` in vain since it opened, 0 while it is closed; `alone`: one asks now."""

    failures: int = 0
    tries: int = 0
    until: int = 0
    alone: bool = False


class Circuits:
    """The circuit of each registration: closed while its token endpoint answers, then open for a while."""

    def __init__(self, clock: Clock, randomness: Randomness) -> None:
        self._clock, self._randomness = clock, randomness
        self._circuits = defaultdict[str, _Circuit](_Circuit)

    @contextmanager
    def asking(self, registration: str) -> Iterator[int]:
        """Give the turn to ask, for the length of the block: the milliseconds to wait for it, 0 for now."""
        circuit = self._circuits[registration]
        wait = self._wait(circuit)
        alone = wait == 0 and circuit.tries > 0
        circuit.alone = circuit.alone or alone
        try:
            yield wait
        finally:
            if alone:
                circuit.alone = False

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
