"""The test's side of a process that is forked from the warm one: what it says, and how it is ended."""

import atexit
import json
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from functools import cache
from pathlib import Path

import anyio
from anyio.abc import SocketStream
from anyio.streams.buffered import BufferedByteReceiveStream

from tests.laws.source import ROOT
from valetkey.model import Json

_PATIENCE = 60
_LONGEST_LINE = 1_000_000


class Victim:
    """A process that says JSON lines. `exit` is its exit code, once it is `gone`; None: it was killed."""

    def __init__(self, stream: SocketStream) -> None:
        self._stream, self._lines = stream, BufferedByteReceiveStream(stream)
        self.pid, self._gone = 0, False
        self.exit: int | None = None

    async def said(self) -> Json:
        """The next line, or None when it has come to its end."""
        line = await self.heard()
        return None if line is None else json.loads(line)

    async def heard(self) -> str | None:
        """The same for a process whose lines are not JSON."""
        try:
            with anyio.fail_after(_PATIENCE):
                line = (await self._lines.receive_until(b"\n", _LONGEST_LINE)).decode()
        except (anyio.IncompleteRead, anyio.EndOfStream, anyio.BrokenResourceError):
            self._gone = True
            return None
        if line.startswith('{"exit": '):
            self.exit = json.loads(line)["exit"]
            return await self.heard()
        return line

    async def tell(self, what: Json) -> None:
        """Write a line to its input."""
        await self._stream.send(json.dumps(what).encode() + b"\n")

    async def gone(self) -> list[str]:
        """Wait for its end; all the lines that it said until then."""
        lines = []
        while (line := await self.heard()) is not None:
            lines.append(line)
        return lines

    def send(self, number: signal.Signals) -> None:
        """Send it a signal, unless it is known to be gone."""
        if not self._gone:
            with suppress(ProcessLookupError):
                os.kill(self.pid, number)

    def kill(self) -> None:
        """kill -9."""
        self.send(signal.SIGKILL)


@asynccontextmanager
async def victim(run: str, *, log: Path | None = None, **arguments: Json) -> AsyncIterator[Victim]:
    """Fork a process that calls `run` (`module:function`) with some arguments; it is killed after the block.

    `log` is where its stderr goes.
    """
    socket = await anyio.to_thread.run_sync(_zygote)
    async with await anyio.connect_unix(socket) as stream:
        made = Victim(stream)
        await made.tell({"run": run, "arguments": arguments, "log": str(log) if log else None})
        made.pid = (await made.said())["pid"]
        try:
            yield made
        finally:
            made.kill()


@cache
def _zygote() -> str:
    """Start the warm process, which ends with this one, and return the path of its socket."""
    folder = tempfile.mkdtemp(prefix="valetkey-zygote-", dir=os.environ.get("PYTEST_DEBUG_TEMPROOT"))
    path = str(Path(folder) / "socket")
    command = [sys.executable, "-m", "tests.support.zygote", path]
    process = subprocess.Popen(
        command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, start_new_session=True
    )
    assert process.stdout is not None
    assert process.stdout.readline() == b"ready\n"
    atexit.register(_end, process, folder)
    return path


def _end(process: "subprocess.Popen[bytes]", folder: str) -> None:
    process.communicate()  # closes its input, and waits
    for file in Path(folder).iterdir():
        file.unlink()
    Path(folder).rmdir()
