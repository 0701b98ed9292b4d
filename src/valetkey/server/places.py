"""How many sessions of the legacy era one person may have open, over all endpoints of a process.

Whatever ends a session (its client, idleness, a crash, the end of the token's session it was opened with)
the SDK forgets it, and its place is free.
"""

from functools import partial
from typing import Any

from mcp.server.auth.middleware.bearer_auth import AuthorizationContext
from mcp.server.lowlevel import Server
from mcp.server.streamable_http import StreamableHTTPServerTransport
from mcp.server.streamable_http_manager import StreamableHTTPSessionManager

from valetkey.errors import ValetkeyError
from valetkey.model import Principal
from valetkey.server.callers import of_request
from valetkey.server.presences import Presence, Presences, Stands

MOST = 50
"""The SDK holds ten thousand sessions at most: without this, one person's clients could use them all up."""

IDLE_SECONDS = 30 * 60


class NoPlace(ValetkeyError):
    """This person has as many sessions open as anybody may."""


class Places:
    """Counts the sessions of each person."""

    def __init__(
        self, presences: Presences, stands: Stands, most: int = MOST, idle: float = IDLE_SECONDS
    ) -> None:
        self.presences, self.stands, self.most, self.idle = presences, stands, most, idle
        self._managers: list[Sessions] = []

    def manager(self, server: Server[Any], *, json_response: bool = False) -> "Sessions":
        """Return a new manager whose sessions are counted here."""
        manager = Sessions(self, server, json_response=json_response)
        self._managers.append(manager)
        return manager

    def taken_by(self, principal: Principal) -> int:
        return sum(manager.of(principal) for manager in self._managers)


class Sessions(StreamableHTTPSessionManager):
    """The SDK's manager, which asks for a place before it opens a session."""

    def __init__(self, places: Places, server: Server[Any], *, json_response: bool) -> None:
        super().__init__(server, json_response=json_response, session_idle_timeout=places.idle)
        self._places = places
        self._presences: dict[str, Presence] = {}

    def has(self, session_id: str | None) -> bool:
        return session_id in self._server_instances

    def of(self, principal: Principal) -> int:
        """How many sessions of a person are open here."""
        return sum(_principal(owner) == principal for owner in self._session_owners.values())

    def _admit_session(self, requestor: AuthorizationContext | None) -> StreamableHTTPServerTransport | None:
        """The SDK's one place of admission, under its lock, so that no burst gets past. Raises NoPlace."""
        if requestor is None:
            raise AssertionError("the door lets nobody in without a caller")
        if self._places.taken_by(_principal(requestor)) >= self._places.most:
            raise NoPlace("this person has too many sessions open")
        return self._present(super()._admit_session(requestor))

    def _present(
        self, transport: StreamableHTTPServerTransport | None
    ) -> StreamableHTTPServerTransport | None:
        """See to it that the session, with its streams, goes when its caller does."""
        if transport is not None and transport.mcp_session_id:
            presence = Presence(of_request(), self._places.stands, partial(_end, transport))
            self._presences[transport.mcp_session_id] = presence
            self._places.presences.arrive(presence)
        return transport

    async def _discard_session(self, session_id: str, transport: StreamableHTTPServerTransport) -> None:
        """The SDK's one place of farewell."""
        if presence := self._presences.pop(session_id, None):
            self._places.presences.leave(presence)
        await super()._discard_session(session_id, transport)


def _end(transport: StreamableHTTPServerTransport) -> None:
    if transport.idle_scope is not None:  # its server's loop runs within: what it answers and streams ends
        transport.idle_scope.cancel()


def _principal(owner: AuthorizationContext) -> Principal:
    return Principal(owner["issuer"] or "", owner["subject"] or "")
