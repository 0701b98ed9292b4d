"""The API at the far end: a raw HTTP server with one answer, so that what is measured is not this."""

import asyncio
import itertools
import json
import re
from collections.abc import Iterator
from functools import partial
from typing import cast

HOST = "127.0.0.1"
ITEM = {"title": "A mail about the plans for next week", "from": "ben@example.com", "unread": True}
LAST = "item-0054"
BODY = json.dumps({"items": [{"id": f"item-{n:04}", **ITEM} for n in range(55)]}).encode()
"""About six kilobytes of JSON, with LAST at its end."""

_HEAD = f"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {len(BODY)}\r\n\r\n"
_ANSWER = _HEAD.encode() + BODY
_LENGTH = re.compile(rb"(?i)\r\ncontent-length: *(\d+)")


_UNWELL = b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n"


class _Answering(asyncio.Protocol):
    """Answers every request, one after another on each connection.

    Of `every` so many one is answered with 503, or not at all; 0: none.
    """

    def __init__(self, every: int, numbers: Iterator[int]) -> None:
        self._every, self._numbers = every, numbers

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep where to write to."""
        self._transport, self._waiting = cast(asyncio.Transport, transport), b""

    def data_received(self, data: bytes) -> None:
        """Answer what is whole by now."""
        self._waiting += data
        while (end := _end(self._waiting)) is not None:
            self._waiting = self._waiting[end:]
            self._answer(next(self._numbers))

    def _answer(self, number: int) -> None:
        which = number % (2 * self._every) if self._every else -1
        if which == self._every:
            self._transport.abort()
        else:
            self._transport.write(_UNWELL if which == 0 else _ANSWER)


def _end(data: bytes) -> int | None:
    """Where the first request ends, body and all; None: not within this."""
    head, blank, _ = data.partition(b"\r\n\r\n")
    if not blank:
        return None
    length = _LENGTH.search(head)
    end = len(head) + len(blank) + (int(length[1]) if length else 0)
    return end if end <= len(data) else None


async def main(port: int, every: str = "0") -> None:
    """Answer until the process is ended; of so many requests one as if it were not well."""
    numbers, loop = itertools.count(1), asyncio.get_running_loop()
    server = await loop.create_server(partial(_Answering, int(every), numbers), HOST, port)
    await server.serve_forever()
