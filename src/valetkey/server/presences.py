"""Who is being served at this moment, so that whatever ends a caller ends what still runs for them.

An open stream, a call that is held, one under way at the upstream: none of them outlives its session, nor
the suspension of its agent, by more than a second. Who is told of what happened is the business of `changes`.
"""

import logging
from collections.abc import Awaitable, Callable, Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import anyio
import mcp_types as types
from anyio.abc import TaskGroup
from mcp.shared.exceptions import MCPError

from valetkey.errors import ValetkeyError
from valetkey.model import Caller, Principal

Stands = Callable[[Caller], Awaitable[bool]]
"""Whether a caller may be served still, looked up now."""

Whose = tuple[Principal | None, str | None]
"""Whom something is about: a principal and an actor; None for any."""

_log = logging.getLogger(__name__)


@dataclass(eq=False, frozen=True, slots=True)
class Presence:
    """One thing that goes on for a caller, and how it is ended."""

    caller: Caller
    stands: Stands
    end: Callable[[], object]

    @property
    def ours(self) -> tuple[Principal, str]:
        return self.caller.principal, self.caller.actor.client

    async def look(self) -> None:
        """End it unless its caller may be served still; when that cannot be told, the next look will."""
        try:
            if not await self.stands(self.caller):
                self.end()
        except ValetkeyError as error:
            _log.warning("whether a caller is still one could not be told: %s", error)


class Presences:
    """Everything that goes on in this process, over all of its endpoints."""

    def __init__(self) -> None:
        self._here: set[Presence] = set()

    def arrive(self, presence: Presence) -> None:
        self._here.add(presence)

    def leave(self, presence: Presence) -> None:
        self._here.discard(presence)

    @contextmanager
    def during(self, caller: Caller, stands: Stands) -> Iterator[None]:
        """Be present for as long as the block runs. Raises MCPError when it was ended meanwhile."""
        with anyio.CancelScope() as scope:
            presence = Presence(caller, stands, scope.cancel)
            self.arrive(presence)
            try:
                yield
            finally:
                self.leave(presence)
        if scope.cancelled_caught:
            raise MCPError(code=types.INVALID_REQUEST, message="this token's session has ended")

    def look(self, tasks: TaskGroup, whose: Collection[Whose] = ((None, None),)) -> None:
        """Look at everything of these callers, each by itself: an issuer that is asked may be slow."""
        for presence in self._here:
            if any(concerns(presence.ours, one) for one in whose):
                tasks.start_soon(presence.look)

    def __len__(self) -> int:
        return len(self._here)


def concerns(ours: tuple[Principal, str], whose: Whose) -> bool:
    """Whether what is about these is about a principal and an actor of ours."""
    return all(wanted in {None, found} for found, wanted in zip(ours, whose, strict=True))
