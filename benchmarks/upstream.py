"""The API at the far end: a raw HTTP server with one answer, so that what is measured is not this."""

import asyncio
import json
import re
from typing import cast

HOST = "127.0.0.1"
ITEM = {"title": "A mail about the plans for next week", "from": "ben@example.com", "unread": True}
LAST = "item-0054"
BODY = json.dumps({"items": [{"id": f"item-{n:04}", **ITEM} for n in range(55)]}).encode()
"""About six kilobytes of JSON, with LAST at its end."""

_HEAD = f"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {len(BODY)}\r\n\r\n"
_ANSWER = _HEAD.encode() + BODY
_LENGTH = re.compile(rb"(?i)\r\ncontent-length: *(\d+)")


class _Answering(asyncio.Protocol):
    """Answers every request, one after another on each connection."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep where to write to."""
        self._transport, self._waiting = cast(asyncio.Transport, transport), b""

    def data_received(self, data: bytes) -> None:
        """Answer what is whole by now."""
        self._waiting += data
        while (end := _end(self._waiting)) is not None:
            self._waiting = self._waiting[end:]
            self._transport.write(_ANSWER)


def _end(data: bytes) -> int | None:
    """Where the first request ends, body and all; None: not within this."""
    head, blank, _ = data.partition(b"\r\n\r\n")
    if not blank:
        return None
    length = _LENGTH.search(head)
    end = len(head) + len(blank) + (int(length[1]) if length else 0)
    return end if end <= len(data) else None


async def main(port: int) -> None:
    """Answer until the process is ended."""
    loop = asyncio.get_running_loop()
    server = await loop.create_server(_Answering, HOST, port)
    await server.serve_forever()
