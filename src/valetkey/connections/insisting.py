"""What the store cannot take just now, and nobody else has: held in memory, and stored as soon as it can be.

What it is, and when nobody needs it any more, its rooms know.
"""

import logging
from collections.abc import Awaitable, Callable
from typing import TypeVar

import anyio
from anyio.abc import TaskGroup

from valetkey.errors import StoreError

_AGAIN_SECONDS, _UNFORESEEN_SECONDS = 0.2, 5
"""Soon, because with the store another process can be at it again, too, and would spend the old token."""

_log = logging.getLogger(__name__)
T = TypeVar("T")


class Insisting:
    """Tries again and again. `tasks` belongs to the server: when it cancels them, what is held is lost."""

    def __init__(self, tasks: TaskGroup) -> None:
        self._tasks = tasks

    async def stored(
        self, what: str, work: Callable[[], Awaitable[T]], held: Callable[[], object] = lambda: None
    ) -> T:
        """Do `work` until it ends without an error: in the server's tasks alone, and shielded.

        `what` is the plural by which the log names what is held; `held` is called when it begins to be.
        Raises the last error where the server ends first.
        """
        told = False
        while True:
            try:
                return await work()
            except Exception as error:
                if self._tasks.cancel_scope.cancel_called:
                    _log.critical("%s are lost: the store never took them", what)
                    raise
                pause = _AGAIN_SECONDS if isinstance(error, StoreError) else _UNFORESEEN_SECONDS
            if not told:
                _log.critical("%s cannot be stored; they are held until they can", what)
                held()
            told = True
            await anyio.sleep(pause)
