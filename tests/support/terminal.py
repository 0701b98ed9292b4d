"""Programs as somebody at a terminal runs them: what they print, and the links that appear in it."""

import re
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from subprocess import STDOUT

from anyio import open_process
from anyio.abc import Process
from anyio.streams.text import TextReceiveStream

LINK = re.compile(r"http://\S+/(?:connect|join)/\S+")


class Terminal:
    """A program that runs, and what it has printed so far, errors among it."""

    def __init__(self, process: Process) -> None:
        assert process.stdout is not None
        self.process, self.told = process, ""
        self._stream = TextReceiveStream(process.stdout)

    async def until(self, awaited: str) -> str:
        """Read until something is printed; return all that was."""
        while awaited not in self.told:
            self.told += await self._stream.receive()
        return self.told

    async def links(self) -> AsyncIterator[str]:
        """Read to the program's end; yield each link as it appears."""
        async for text in self._stream:
            self.told += text
            for link in LINK.findall(text):
                yield link
        await self.process.wait()


@asynccontextmanager
async def program(command: Sequence[str], environment: Mapping[str, str]) -> AsyncIterator[Terminal]:
    """Run a program while the block runs; one that has not ended by then is asked to."""
    async with await open_process(command, env=environment, stderr=STDOUT) as process:
        yield Terminal(process)
        if process.returncode is None:
            process.terminate()
