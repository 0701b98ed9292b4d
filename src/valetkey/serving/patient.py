"""uvicorn's HTTP protocol with an end to its patience: what a client still owes has to come in time."""

import asyncio
from typing import ClassVar

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from valetkey.serving.sockets import Sockets

_MOST_BETWEEN = 64 * 1024
"""Bytes of one header, or of several, between the parts of a request: the parser keeps them all, and copies
what it has for each piece that comes.
"""

_TOO_LARGE = (
    b"HTTP/1.1 431 Request Header Fields Too Large\r\nconnection: close\r\n"
    b"content-type: text/plain; charset=utf-8\r\ncontent-length: 23\r\n\r\nThis header is too long"
)
_FULL = (
    b"HTTP/1.1 503 Service Unavailable\r\nconnection: close\r\nretry-after: 10\r\n"
    b"content-type: text/plain; charset=utf-8\r\ncontent-length: 31\r\n\r\nToo many sockets are open here.\n"
)


def patient(sockets: Sockets) -> type[asyncio.Protocol]:
    """Return the protocol of a server whose sockets are these. uvicorn makes one for each."""

    class OfThisServer(_Patient):
        book = sockets

    return OfThisServer


class _Patient(HttpToolsProtocol):
    """One socket. The client is waited for from its opening to the end of each request's body."""

    book: ClassVar[Sockets]
    _deadline: asyncio.TimerHandle | None = None
    _reading = _went_on = False
    _between = 0

    def data_received(self, data: bytes) -> None:
        """Some bytes have come; too many in which no part of a request begins or ends are a header's."""
        self._went_on = False
        super().data_received(data)
        self._between = 0 if self._went_on else self._between + len(data)
        if self._between > _MOST_BETWEEN and not self.transport.is_closing():
            self.transport.write(_TOO_LARGE)
            self.transport.close()

    def on_body(self, body: bytes) -> None:
        """Some of a request's body has come."""
        self._went_on = True
        super().on_body(body)

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # uvicorn's own
        super().connection_made(transport)
        if not self.book.let_in(self, self.client[0] if self.client else ""):
            transport.write(_FULL)
            transport.close()
            return
        self._wait(self.book.patience.header_seconds)

    def connection_lost(self, exc: Exception | None) -> None:
        self._wait(None)
        self.book.gone(self)
        super().connection_lost(exc)

    def on_message_begin(self) -> None:
        """The first byte of a request has come."""
        super().on_message_begin()
        self._reading = True
        self._wait(self.book.patience.header_seconds)

    def on_headers_complete(self) -> None:
        """Its headers have."""
        self._went_on = True
        self._wait(self.book.patience.body_seconds)
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        """All of it has: now we are waited for, unless it was answered before its end."""
        super().on_message_complete()
        self._reading, self._went_on = False, True
        self._wait(self.book.patience.header_seconds if self.cycle.response_complete else None)

    def on_response_complete(self) -> None:
        """It was answered. uvicorn closes a socket that stays idle now, but none where bytes still come."""
        super().on_response_complete()
        if not self._reading:
            self._wait(self.book.patience.header_seconds)

    def drop(self) -> None:
        """Close it now. A client that is not being read from is not the one who is late."""
        if self.flow.read_paused:
            self._wait(self.book.patience.body_seconds)
        else:
            self.book.gone(self)  # at once: connection_lost comes later
            self.transport.abort()

    def _wait(self, seconds: float | None) -> None:
        """Wait for the client so long from now, or not at all."""
        if self._deadline is not None:
            self._deadline.cancel()
        self._deadline = None if seconds is None else self.loop.call_later(seconds, self.drop)
        self.book.waits(self, waits=seconds is not None)
