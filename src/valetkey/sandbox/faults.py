"""Switches that make a provider misbehave: where, how, how often. What each one answers is in `hostile`."""

from dataclasses import dataclass, field
from typing import Literal

import anyio

from valetkey.errors import UsageError
from valetkey.model import Json

Kind = Literal["authorize", "token", "api", "revoke"]
KINDS: tuple[Kind, ...] = ("authorize", "token", "api", "revoke")


@dataclass(slots=True, eq=False)
class Fault:
    """One switched-on fault, for `times` more requests, or until cleared when None.

    A `hold` fault sets `arrived` when a request came to it, and lets it go on when `released` is set.
    """

    name: str
    times: int | None = None
    options: dict[str, Json] = field(default_factory=dict)
    arrived: anyio.Event = field(default_factory=anyio.Event)
    released: anyio.Event = field(default_factory=anyio.Event)


class Faults:
    """The faults of one provider, by kind of endpoint; the first one set is used up first.

    `known` are the names there are, `limited` the body of this provider's 429.
    """

    def __init__(self, known: frozenset[str], limited: Json) -> None:
        self._known, self._limited = known, limited
        self._waiting: dict[Kind, list[Fault]] = {kind: [] for kind in KINDS}
        self._held: list[Fault] = []

    def set(self, kind: str, name: str, times: int | None = None, **options: Json) -> Fault:
        """Switch a fault on for the next `times` requests. Raises UsageError for an unknown name or kind."""
        if kind not in KINDS or name not in self._known:
            raise UsageError(f"no fault {name!r} for {kind!r}; there are {', '.join(sorted(self._known))}")
        fault = Fault(name, times, {"limited": self._limited} | options)
        self._waiting[kind].append(fault)
        return fault

    def take(self, kind: Kind) -> Fault | None:
        """Return the fault this request meets, counting it down."""
        waiting = self._waiting[kind]
        if not waiting:
            return None
        fault = waiting[0]
        if fault.times is not None:
            fault.times -= 1
            if fault.times <= 0:
                waiting.pop(0)
        if fault.name == "hold":
            self._held.append(fault)
        return fault

    def release(self) -> None:
        """Let every held request go on."""
        for fault in self._held:
            fault.released.set()
        self._held.clear()

    def clear(self) -> None:
        """Switch everything off, and let held requests go on."""
        for waiting in self._waiting.values():
            waiting.clear()
        self.release()
