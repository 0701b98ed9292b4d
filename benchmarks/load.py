"""The load: MCP 2026-07-28 over connections kept alive, written by hand so that it costs little itself."""

import asyncio
import json
import time
from dataclasses import dataclass, field
from typing import Any

from benchmarks.connector import READ, WRITE
from benchmarks.upstream import LAST

_VERSION = "2026-07-28"
_WRONG = b'"isError":true'
_ARGUMENTS = {READ: {"limit": 55}, WRITE: {"title": "Something to keep in mind"}}


@dataclass(frozen=True, slots=True)
class Load:
    """A request to send again and again: a call of `tool`, or the listing for None. `port` is where."""

    port: int
    tool: str | None
    token: str = field(default="none", repr=False)

    @property
    def method(self) -> str:
        return "tools/list" if self.tool is None else "tools/call"

    @property
    def expected(self) -> bytes:
        """What is in every right answer."""
        return b'"tools"' if self.tool is None else LAST.encode()

    def request(self) -> bytes:
        """The whole request as it goes out."""
        params = {} if self.tool is None else {"name": self.tool, "arguments": _ARGUMENTS[self.tool]}
        body = json.dumps(self._body(params)).encode()
        head = [
            "POST /mcp HTTP/1.1",
            f"Host: localhost:{self.port}",
            f"Authorization: Bearer {self.token}",
            "Content-Type: application/json",
            "Accept: application/json, text/event-stream",
            f"MCP-Protocol-Version: {_VERSION}",
            f"Mcp-Method: {self.method}",
            *([f"Mcp-Name: {self.tool}"] if self.tool else []),
            f"Content-Length: {len(body)}",
        ]
        return "\r\n".join(head).encode() + b"\r\n\r\n" + body

    def _body(self, params: dict[str, Any]) -> dict[str, Any]:
        meta = {
            "io.modelcontextprotocol/protocolVersion": _VERSION,
            "io.modelcontextprotocol/clientCapabilities": {},
        }
        return {"jsonrpc": "2.0", "id": 1, "method": self.method, "params": {"_meta": meta, **params}}


@dataclass(frozen=True, slots=True)
class Round:
    """What one round brought: seconds of each request, and how long it all took."""

    latencies: list[float]
    seconds: float

    @property
    def rate(self) -> float:
        """Requests a second."""
        return len(self.latencies) / self.seconds


async def run(load: Load, at_once: int, seconds: float) -> Round:
    """Send for so many seconds over `at_once` connections. Raises WrongAnswer."""
    latencies = list[float]()
    began = time.perf_counter()
    until = began + seconds
    async with asyncio.TaskGroup() as tasks:
        for _ in range(at_once):
            tasks.create_task(_one(load, until, latencies))
    return Round(latencies, time.perf_counter() - began)


async def _one(load: Load, until: float, latencies: list[float]) -> None:
    line, request, expected = await Line.to(load.port), load.request(), load.expected
    try:
        while (now := time.perf_counter()) < until:
            await line.right(request, expected)
            latencies.append(time.perf_counter() - now)
    finally:
        await line.close()


class WrongAnswer(RuntimeError):
    """An answer that is not the one there has to be: then nothing is worth measuring."""


class Line:
    """One connection, on which one request after another goes out."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer

    @classmethod
    async def to(cls, port: int) -> "Line":
        return cls(*await asyncio.open_connection("127.0.0.1", port, limit=1 << 20))

    async def answer(self, request: bytes) -> tuple[bytes, bytes]:
        """Send a request; the head of the answer, in small letters, and its body."""
        self._writer.write(request)
        head = (await self._reader.readuntil(b"\r\n\r\n")).lower()
        length = int(head.partition(b"content-length:")[2].split(b"\r\n")[0])
        return head, await self._reader.readexactly(length)

    async def right(self, request: bytes, expected: bytes) -> None:
        """Send a request whose answer holds this. Raises WrongAnswer."""
        head, body = await self.answer(request)
        if not head.startswith(b"http/1.1 200") or _WRONG in body or expected not in body:
            raise WrongAnswer(f"{head[:15]!r} {body[:300]!r}")

    async def close(self) -> None:
        self._writer.close()
        await self._writer.wait_closed()
