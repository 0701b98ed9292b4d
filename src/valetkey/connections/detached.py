"""Work that a caller waits for but cannot cancel: it runs in the server's tasks, shielded, to its end.

A client that disconnects in the middle of a refresh or a code exchange would otherwise lose the
only copy of a token that the provider has already issued.
"""

import logging
from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

import anyio
from anyio.abc import TaskGroup

from valetkey.errors import CallError, ValetkeyError, where
from valetkey.model import Outcome

_log = logging.getLogger(__name__)
T = TypeVar("T")


class Flight(Generic[T]):
    """One piece of detached work; any number of callers may wait for it to land."""

    def __init__(self) -> None:
        self._done = anyio.Event()
        self._result: list[T] = []
        self._error: ValetkeyError | None = None

    @classmethod
    def begin(
        cls, tasks: TaskGroup, work: Callable[[], Awaitable[T]], *, after: Callable[[], object] = lambda: None
    ) -> "Flight[T]":
        """Start `work` in `tasks`; `after` runs when it has ended, before anyone is told."""
        flight = cls()
        tasks.start_soon(flight._fly, work, after)
        return flight

    async def landed(self) -> T:
        """Wait for the work and return its result, or raise the ValetkeyError it ended with."""
        await self._done.wait()
        if self._error is not None:
            raise self._error
        return self._result[0]

    def dismiss(self, error: ValetkeyError) -> None:
        """Tell whoever waits that there is nothing more for them; the work goes on."""
        self._error = error
        self._done.set()

    async def _fly(self, work: Callable[[], Awaitable[T]], after: Callable[[], object]) -> None:
        try:
            with anyio.CancelScope(shield=True):  # a stopping server waits: every request has a deadline
                self._result.append(await work())
        except ValetkeyError as error:
            self._error = error
        except Exception as error:  # noqa: BLE001 - logged; one broken piece of work may not end the server
            _log.error("detached work ended in a way nobody foresaw: %s", where(error))
            self._error = CallError(
                Outcome.UNAVAILABLE, "This connection cannot be used just now. Try again."
            )
        finally:
            after()
            self._done.set()
