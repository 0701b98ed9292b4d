"""A server on loopback that writes down what it receives and answers as badly as the path asks it to.

Raw sockets: no HTTP library would agree to send these.
"""

import asyncio
import gzip
import socket
import ssl
import struct
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import anyio

OK = b"HTTP/1.1 200 OK\r\n"
CHUNKED = OK + b"Transfer-Encoding: chunked\r\n\r\n"
MEGABYTE = b"\0" * 1024 * 1024


def answer(body: bytes, *headers: bytes) -> bytes:
    """Return a well-formed answer."""
    lines = b"".join(header + b"\r\n" for header in headers)
    return OK + lines + b"Content-Length: %d\r\n\r\n" % len(body) + body


def bomb(megabytes: int) -> bytes:
    """Return gzip of that many megabytes of nothing."""
    return gzip.compress(MEGABYTE * megabytes)


FINE = answer(b"mine")

PLAIN = {
    "fine": FINE,
    "html": answer(b"<script>", b"Content-Type: text/html"),
    "set-cookie": answer(b"mine", b"Set-Cookie: session=planted; Path=/"),
    "gzip": answer(gzip.compress(b"mine"), b"Content-Encoding: gzip"),
    "identity": answer(b"mine", b"Content-Encoding: identity"),
    "early-hints": b"HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n" * 100 + FINE,
    "latin": answer(b"mine", b"X-Name: caf\xe9"),
    "not-modified": b"HTTP/1.1 304 Not Modified\r\nLocation: https://elsewhere.example/\r\n\r\n",
    "unauthorized": b"HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\n\r\n",
    # answers that are lies
    "redirect-301": b"HTTP/1.1 301 X\r\nLocation: https://elsewhere.example/\r\nContent-Length: 0\r\n\r\n",
    "redirect-302": b"HTTP/1.1 302 X\r\nLocation: //elsewhere.example/\r\nContent-Length: 0\r\n\r\n",
    "redirect-303": b"HTTP/1.1 303 X\r\nLocation: /fine\r\nContent-Length: 0\r\n\r\n",
    "redirect-307": b"HTTP/1.1 307 X\r\nLocation: file:///etc/passwd\r\nContent-Length: 0\r\n\r\n",
    "redirect-308": b"HTTP/1.1 308 X\r\nLocation: http://169.254.169.254/\r\nContent-Length: 0\r\n\r\n",
    "redirect-300": b"HTTP/1.1 300 X\r\nLocation: https://elsewhere.example/\r\nContent-Length: 0\r\n\r\n",
    "bomb": answer(bomb(64), b"Content-Encoding: gzip"),
    "double-bomb": answer(gzip.compress(bomb(64)), b"Content-Encoding: gzip, gzip"),
    "brotli": answer(b"mine", b"Content-Encoding: br"),
    "zstd": answer(b"mine", b"Content-Encoding: zstd"),
    "deflate": answer(b"mine", b"Content-Encoding: deflate"),
    "two-encodings": answer(b"mine", b"Content-Encoding: gzip", b"Content-Encoding: br"),
    "not-gzip": answer(b"mine", b"Content-Encoding: gzip"),
    "cut-gzip": answer(gzip.compress(b"mine")[:-4], b"Content-Encoding: gzip"),
    "gzip-and-more": answer(gzip.compress(b"mine") + b"more", b"Content-Encoding: gzip"),
    "too-large": answer(b"x" * (64 * 1024 + 1)),
    "two-lengths": OK + b"Content-Length: 4\r\nContent-Length: 9\r\n\r\nmineEVIL!",
    "same-length-twice": OK + b"Content-Length: 4\r\nContent-Length: 4\r\n\r\nmine",
    "length-and-chunked": OK + b"Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "chunked-and-length": OK + b"Transfer-Encoding: chunked\r\nContent-Length: 4\r\n\r\n0\r\n\r\n",
    "chunked-twice": OK + b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "chunked-gzip": OK + b"Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
    "not-quite-chunked": OK + b"Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
    "bad-chunk": CHUNKED + b"zz\r\nmine\r\n0\r\n\r\n",
    "bad-second-chunk": CHUNKED + b"4\r\nmine\r\nzz\r\n0\r\n\r\n",
    "endless-chunk": CHUNKED + b"ffffffffffffffffff\r\nmine",
    "many-trailers": CHUNKED + b"4\r\nmine\r\n0\r\n" + b"A: b\r\n" * 5000 + b"\r\n",
    "negative-length": OK + b"Content-Length: -4\r\n\r\nmine",
    "length-with-plus": OK + b"Content-Length: +4\r\n\r\nmine",
    "garbage": b"\x16\x03\x01\x00\xff not http \r\n" * 100,
    "another-protocol": b"SSH-2.0-OpenSSH_9.2\r\n",
    "switching": b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\nraw",
    "status-99": b"HTTP/1.1 099 X\r\nContent-Length: 4\r\n\r\nmine",
    "huge-header": answer(b"mine", b"X: " + b"a" * 100_000),
    "many-headers": answer(b"mine", *[b"X: a"] * 200),
    "nul-in-header": answer(b"mine", b"X: a\0b"),
    "escape-in-header": answer(b"mine", b"X: a\x1b[2Jb"),
    "space-in-name": answer(b"mine", b"X : a"),
    "body-on-204": b"HTTP/1.1 204 No Content\r\nContent-Length: 4\r\n\r\nEVIL",
    # well-formed, with another answer behind it
    "surplus": FINE + answer(b"EVIL"),
}


async def _hang(writer: asyncio.StreamWriter) -> None:
    await writer.wait_closed()


async def _drip(writer: asyncio.StreamWriter, start: bytes) -> None:
    writer.write(start)
    while not writer.is_closing():
        writer.write(b"x")
        await writer.drain()
        await anyio.sleep(0.02)  # slow is what this attack is


async def _flood(writer: asyncio.StreamWriter, start: bytes, piece: bytes) -> None:
    writer.write(start)
    while not writer.is_closing():
        writer.write(piece)
        await writer.drain()


async def _cut(writer: asyncio.StreamWriter, part: bytes) -> None:
    writer.write(part)
    await writer.drain()
    writer.close()


async def _reset(writer: asyncio.StreamWriter, part: bytes) -> None:
    writer.write(part)
    await writer.drain()
    raw = writer.get_extra_info("socket")
    raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()


ACTIVE: dict[str, Callable[[asyncio.StreamWriter], Awaitable[None]]] = {
    "hang": _hang,
    "drip-body": lambda writer: _drip(writer, OK + b"Content-Length: 60000\r\n\r\n"),
    "drip-head": lambda writer: _drip(writer, OK + b"X: "),
    "endless": lambda writer: _flood(writer, CHUNKED, b"1000\r\n" + b"x" * 4096 + b"\r\n"),
    "endless-to-close": lambda writer: _flood(writer, OK + b"\r\n", b"x" * 4096),
    "endless-head": lambda writer: _flood(writer, OK, b"X: y\r\n" * 500),
    "short": lambda writer: _cut(writer, OK + b"Content-Length: 100\r\n\r\nmine"),
    "short-chunk": lambda writer: _cut(writer, CHUNKED + b"64\r\nmine"),
    "short-head": lambda writer: _cut(writer, b"HTTP/1.1 200 OK\r\nConte"),
    "silent-close": lambda writer: _cut(writer, b""),
    "reset": lambda writer: _reset(writer, b""),
    "reset-in-body": lambda writer: _reset(writer, OK + b"Content-Length: 100\r\n\r\nmine"),
}


@dataclass
class Hostile:
    """The server: `requests` are the heads and bodies as received, `connections` counts who came at all."""

    origin: str = ""
    requests: list[bytes] = field(default_factory=list)
    connections: int = 0
    left: int = 0
    open: list[asyncio.StreamWriter] = field(default_factory=list)
    heard: anyio.Event = field(default_factory=anyio.Event)

    @property
    def port(self) -> int:
        return int(self.origin.rpartition(":")[2])

    def speak(self, words: bytes, connection: int = -1) -> None:
        """Write unasked on a connection, by its number."""
        self.open[connection].write(words)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        self.open.append(writer)
        try:
            while not writer.is_closing():
                await self._answer(await _request(reader), writer)
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            self.left += 1
            writer.close()

    async def _answer(self, request: bytes, writer: asyncio.StreamWriter) -> None:
        self.requests.append(request)
        self.heard.set()
        attack = request.split(b" ")[1].split(b"/")[1].split(b"?")[0].decode()
        if attack in ACTIVE:
            await ACTIVE[attack](writer)
        else:
            writer.write(PLAIN.get(attack, FINE))
            await writer.drain()

    async def heard_at_least(self, count: int) -> None:
        while len(self.requests) < count:
            self.heard = anyio.Event()
            await self.heard.wait()


async def _request(reader: asyncio.StreamReader) -> bytes:
    head = await reader.readuntil(b"\r\n\r\n")
    length = next((int(h[15:]) for h in head.lower().split(b"\r\n") if h.startswith(b"content-length:")), 0)
    return head + await reader.readexactly(length)


@asynccontextmanager
async def hostile(tls: ssl.SSLContext | None = None, host: Hostile | None = None) -> AsyncIterator[Hostile]:
    """Serve on a free port of 127.0.0.1 until the block ends, then drop whoever is still connected."""
    host = host or Hostile()
    tasks: set[asyncio.Task[None]] = set()

    def accepted(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.ensure_future(host.serve(reader, writer))
        tasks.add(task)
        task.add_done_callback(tasks.discard)

    server = await asyncio.start_server(accepted, "127.0.0.1", 0, ssl=tls)
    host.origin = f"http{'s' if tls else ''}://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    try:
        yield host
    finally:
        server.close()
        for task in [*tasks]:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
