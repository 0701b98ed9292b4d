"""MCP on stdin and stdout: one client, of either era, until it closes its end."""

import os
from collections.abc import AsyncIterator
from contextlib import suppress
from typing import cast

import anyio
from mcp.server.lowlevel import Server
from mcp.server.stdio import stdio_server

_AT_ONCE = 64 * 1024


async def serve_pipe(server: Server[object]) -> None:
    """Serve the client on stdin and stdout until its end is closed; can be cancelled before that."""
    lines = cast("anyio.AsyncFile[str]", Lines(_stdin()))  # all that is asked of it are its lines
    try:
        async with stdio_server(stdin=lines) as (reading, writing):
            await server.run(reading, writing, server.create_initialization_options())
    except* ConnectionError:
        pass  # the client is gone before the end of its input was seen; to it there is nothing to say


class Lines:
    """The lines of a descriptor, waited for on the event loop: a thread in read(2) could not be cancelled."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor

    async def __aiter__(self) -> AsyncIterator[str]:
        rest = b""
        while some := await self._some():
            *lines, rest = (rest + some).split(b"\n")
            for line in lines:
                yield line.decode(errors="replace")
        if rest:
            yield rest.decode(errors="replace")

    async def _some(self) -> bytes:
        """Return what there is to read; nothing at the end, of which a broken input is one."""
        while True:
            with suppress(PermissionError):  # epoll(7) takes no files and no /dev/null: those never wait
                await anyio.wait_readable(self._descriptor)
            try:
                return os.read(self._descriptor, _AT_ONCE)
            except BlockingIOError:
                continue
            except OSError:
                return b""


def _stdin() -> int:
    """Move the client's end of stdin to where nothing else in this process, nor a child, reads from it."""
    ours, nowhere = os.dup(0), os.open(os.devnull, os.O_RDONLY)
    os.dup2(nowhere, 0)
    os.close(nowhere)
    return ours
