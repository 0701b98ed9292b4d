"""The root key from a server that runs on the same home, for commands that could not find it themselves.

Over a socket in the home that only this account can open: whoever can, could as well read a key file there.
"""

import os
import socket
import struct
from contextlib import suppress
from pathlib import Path

import anyio
from anyio.abc import SocketAttribute, SocketStream

from valetkey.vault.sources import ROOT_BYTES

NAME = "control.sock"
_SECONDS = 5
_PEER = struct.Struct("3i")  # SO_PEERCRED of unix(7): process, account, group


async def handed(home: Path) -> bytes | None:
    """Ask for the root key; None where no server hands it out."""
    answer = b""
    with anyio.move_on_after(_SECONDS):
        try:
            async with await anyio.connect_unix(home / NAME) as server:
                while len(answer) <= ROOT_BYTES:
                    answer += await server.receive(ROOT_BYTES)
        except (OSError, anyio.EndOfStream, anyio.BrokenResourceError):
            pass
    return answer if len(answer) == ROOT_BYTES else None


async def hand_out(home: Path, secret: bytes) -> None:
    """Hand the root key to this account's processes until cancelled. Raises OSError: no socket there."""

    async def answer(asking: SocketStream) -> None:
        with suppress(OSError, anyio.BrokenResourceError):  # whoever asked is gone already
            async with asking:
                if is_own(asking):
                    await asking.send(secret)

    listener = await anyio.create_unix_listener(home / NAME, mode=0o600)
    try:
        await listener.serve(answer)
    finally:
        with anyio.CancelScope(shield=True):
            await listener.aclose()
        (home / NAME).unlink(missing_ok=True)


def is_own(stream: SocketStream) -> bool:
    """Whether it is this account that asks, where the system can tell; elsewhere the file's mode says so."""
    if not hasattr(socket, "SO_PEERCRED"):
        return True
    raw = stream.extra(SocketAttribute.raw_socket)  # noqa: S610 - anyio's, and no SQL
    _, account, _ = _PEER.unpack(raw.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _PEER.size))
    return bool(account == os.geteuid())
