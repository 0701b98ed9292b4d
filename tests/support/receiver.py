"""Who gets a house's notices: a receiver of webhooks that keeps what comes, headers and all."""

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from tests.manifest.recorder import Answer, Recorder

_HOOKS = "https://hooks.example.com"


@dataclass(frozen=True, slots=True)
class Receiver:
    """`recorder` has what arrived; `origins` is what goes into `[hosts]`."""

    recorder: Recorder
    origins: dict[str, str]

    settings = f'[notify.webhook]\nurl = "{_HOOKS}/valetkey"\npeople = true'

    def code(self) -> str:
        """The code in the last letter."""
        (code,) = re.findall(r"\b\d{8}\b", self.recorder.received[-1].json["data"]["text"])
        return str(code)

    def everything(self) -> bytes:
        """Every line of every request."""
        return "\n".join(map(str, self.recorder.received)).encode()


@asynccontextmanager
async def receiving() -> AsyncIterator[Receiver]:
    """Listen on a port of its own while the block runs."""
    recorder = Recorder(lambda _: Answer())
    server = await asyncio.start_server(recorder.serve, "127.0.0.1", 0)
    async with server:
        port = server.sockets[0].getsockname()[1]
        yield Receiver(recorder, {_HOOKS: f"http://127.0.0.1:{port}"})
