"""The API at the far end: a raw HTTP server with one answer, so that what is measured is not this."""

import asyncio
import json
from typing import cast

HOST = "127.0.0.1"
ITEM = {"title": "A mail about the plans for next week", "from": "ben@example.com", "unread": True}
BODY = json.dumps({"items": [{"id": f"item-{n:04}", **ITEM} for n in range(55)]}).encode()
"""About six kilobytes of JSON."""

_HEAD = f"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {len(BODY)}\r\n\r\n"
_ANSWER = _HEAD.encode() + BODY


class _Answering(asyncio.Protocol):
    """Answers every GET, one after another on each connection."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep where to write to."""
        self._transport, self._waiting = cast(asyncio.Transport, transport), b""

    def data_received(self, data: bytes) -> None:
        """A GET has no body: each blank line ends one request."""
        *whole, self._waiting = (self._waiting + data).split(b"\r\n\r\n")
        self._transport.write(_ANSWER * len(whole))


async def main(port: int) -> None:
    """Answer until the process is ended."""
    loop = asyncio.get_running_loop()
    server = await loop.create_server(_Answering, HOST, port)
    await server.serve_forever()
