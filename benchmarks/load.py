"""The load: MCP 2026-07-28 over connections kept alive, written by hand so that it costs little itself."""

import asyncio
import json
import time
from dataclasses import dataclass, field
from typing import Any

from benchmarks.connector import TOOL

_VERSION = "2026-07-28"
_WRONG = b'"isError":true'


@dataclass(frozen=True, slots=True)
class Load:
    """A request to send again and again. `port` is where; `token` goes with it."""

    port: int
    method: str
    token: str = field(default="none", repr=False)

    def request(self) -> bytes:
        """The whole request as it goes out."""
        call = self.method == "tools/call"
        body = json.dumps(self._body({"name": TOOL, "arguments": {"limit": 55}} if call else {})).encode()
        head = [
            "POST /mcp HTTP/1.1",
            f"Host: localhost:{self.port}",
            f"Authorization: Bearer {self.token}",
            "Content-Type: application/json",
            "Accept: application/json, text/event-stream",
            f"MCP-Protocol-Version: {_VERSION}",
            f"Mcp-Method: {self.method}",
            *([f"Mcp-Name: {TOOL}"] if call else []),
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
    """Send for so many seconds over `at_once` connections. Raises RuntimeError for a wrong answer."""
    request, latencies = load.request(), list[float]()
    began = time.perf_counter()
    until = began + seconds
    async with asyncio.TaskGroup() as tasks:
        for _ in range(at_once):
            tasks.create_task(_one(load.port, request, until, latencies))
    return Round(latencies, time.perf_counter() - began)


async def _one(port: int, request: bytes, until: float, latencies: list[float]) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=1 << 20)
    try:
        while (now := time.perf_counter()) < until:
            writer.write(request)
            await _answer(reader)
            latencies.append(time.perf_counter() - now)
    finally:
        writer.close()
        await writer.wait_closed()


async def _answer(reader: asyncio.StreamReader) -> None:
    head = (await reader.readuntil(b"\r\n\r\n")).lower()
    body = await reader.readexactly(int(head.partition(b"content-length:")[2].split(b"\r\n")[0]))
    if not head.startswith(b"http/1.1 200") or _WRONG in body or b'"result"' not in body:
        raise RuntimeError(f"a wrong answer: {head[:15]!r} {body[:300]!r}")
