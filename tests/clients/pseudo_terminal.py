"""Programs that want a terminal: they are given one, and what they write there is read without colours."""

import os
import pty
import re
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import anyio
from anyio.abc import Process

_HOW_IT_LOOKS = re.compile(rb"\x1b\[[0-?]*[ -/]*[@-~]")
"""Colours and movements (ECMA-48 section 5.4)."""


class PseudoTerminal:
    """A program, and our end of its terminal."""

    def __init__(self, descriptor: int, process: Process) -> None:
        self._descriptor, self._process, self._written = descriptor, process, b""

    @property
    def told(self) -> str:
        return _HOW_IT_LOOKS.sub(b"", self._written).decode(errors="replace")

    async def until(self, pattern: str) -> str:
        """Read until something like this was written; return it."""
        while not (found := re.search(pattern, self.told)):
            await anyio.wait_readable(self._descriptor)
            try:
                self._written += os.read(self._descriptor, 65_536)
            except OSError:  # how a terminal ends whose program has ended
                raise AssertionError(f"it ended without {pattern!r}: {self.told}") from None
        return found[0]

    async def ended(self) -> int:
        """Wait for its end, and return its exit code."""
        return await self._process.wait()

    def type(self, text: str) -> None:
        os.write(self._descriptor, f"{text}\r".encode())


@asynccontextmanager
async def at_a_terminal(
    command: Sequence[str], env: Mapping[str, str], cwd: Path
) -> AsyncIterator[PseudoTerminal]:
    """Run a program while the block runs; one that has not ended by then is ended."""
    ours, theirs = pty.openpty()
    process = await anyio.open_process(command, stdin=theirs, stdout=theirs, stderr=theirs, env=env, cwd=cwd)
    os.close(theirs)
    try:
        async with process:
            yield PseudoTerminal(ours, process)
            if process.returncode is None:
                process.terminate()
    finally:
        os.close(ours)
