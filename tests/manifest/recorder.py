"""An upstream on loopback that records what reached it, and the egress that leads there."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from urllib.parse import parse_qsl, urlsplit

from valetkey.egress import Credential, Egress, Rules, Upstream
from valetkey.model import Json, Secret


@dataclass(frozen=True, slots=True)
class Received:
    """One request as it arrived; `target` is the raw path and query."""

    method: str
    target: str
    headers: dict[str, str]
    body: bytes

    @property
    def path(self) -> str:
        return self.target.partition("?")[0]

    @property
    def query(self) -> list[tuple[str, str]]:
        return parse_qsl(urlsplit(self.target).query, keep_blank_values=True)

    @property
    def json(self) -> Json:
        return json.loads(self.body)


@dataclass(frozen=True, slots=True)
class Answer:
    """What the upstream says; a body that is not bytes is sent as JSON. `lost` hangs up instead."""

    body: Json = field(default_factory=dict)
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    lost: bool = False

    def wire(self) -> bytes:
        body = self.body if isinstance(self.body, bytes) else json.dumps(self.body).encode()
        lines = [f"HTTP/1.1 {self.status} Said", f"content-length: {len(body)}"]
        lines += [f"{name}: {value}" for name, value in self.headers.items()]
        return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


Answers = Callable[[Received], Answer]


class Recorder:
    """The upstream: `received` is everything that reached it, in order."""

    def __init__(self, answers: Answers) -> None:
        self.answers = answers
        self.received: list[Received] = []

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while request := await _read(reader):
                self.received.append(request)
                answer = self.answers(request)
                if answer.lost:
                    break
                writer.write(answer.wire())
                await writer.drain()
        finally:
            writer.close()


async def _read(reader: asyncio.StreamReader) -> Received | None:
    try:
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
    except (asyncio.IncompleteReadError, ConnectionError):
        return None
    line, *lines = head.rstrip().split("\r\n")
    method, target, _ = line.split(" ")
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    body = await reader.readexactly(int(headers.get("content-length", 0)))
    return Received(method, target, headers, body)


class Tokens:
    """A source of credentials: `secret-1`, and after a renewal `secret-2`."""

    def __init__(self, origins: frozenset[str], *, renewable: bool = False) -> None:
        self.origins, self.renewable, self.renewals = origins, renewable, 0

    async def current(self) -> Credential:
        return self._credential(1)

    async def renewed(self, refused: Credential) -> Credential | None:
        self.renewals += 1
        return self._credential(refused.version + 1) if self.renewable else None

    def _credential(self, version: int) -> Credential:
        return Credential({"authorization": Secret(f"Bearer secret-{version}")}, self.origins, version)


@asynccontextmanager
async def upstream(
    origin: str, answers: Answers, *, renewable: bool = False
) -> AsyncIterator[tuple[Recorder, Upstream]]:
    """Serve `answers` as `origin`, through the real egress."""
    recorder, origins = Recorder(answers), frozenset({origin})
    server = await asyncio.start_server(recorder.serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    async with server, Egress(Rules(hosts={origin: f"http://127.0.0.1:{port}"})) as egress:
        yield recorder, egress.to(origins, Tokens(origins, renewable=renewable))
