"""Where a server listens, who listens there already, and the name under which others know that one is up."""

import logging
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import anyio

from valetkey.assemble import House, pages_at
from valetkey.errors import SettingsError, StoreError
from valetkey.model import SECOND
from valetkey.settings import Settings, is_loopback
from valetkey.store.leases import Leases

ABOUT = "/.well-known/valetkey"
_PRESENT = 15 * SECOND
_PROBE_SECONDS, _PROBE_BYTES = 1, 4096
_HANDOVER_SECONDS = 5
_log = logging.getLogger(__name__)


def listen(host: str, port: int) -> socket.socket:
    """Bind and listen. Raises SettingsError when the port is taken or may not be used."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # The protocol is named because asyncio sets TCP_NODELAY only then: without, an answer waits 40 ms.
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host, port))
        listener.listen(512)
    except OSError as error:
        listener.close()
        text = f"{host}:{port} cannot be used ({error.strerror}); choose another with --port"
        raise SettingsError(text) from None
    return listener


async def listen_in_turn(house: House, host: str, port: int) -> socket.socket:
    """Listen on a port that a stdio process of the same home may hold: it lets go once we are announced.

    Raises SettingsError when whoever holds the port keeps it.
    """
    leases, lease = house.ground.leases, pages_at(house.ground.public_url)
    if await is_ours(port, house.ground.keys.store_id) and await leases.take(lease, _PRESENT):
        await _until_gone(port, house.ground.keys.store_id)
    try:
        return listen(host, port)
    except SettingsError:
        await leases.let_go(lease)
        raise


async def _until_gone(port: int, store_id: str) -> None:
    with anyio.move_on_after(_HANDOVER_SECONDS):
        while await is_ours(port, store_id):  # noqa: ASYNC110 - another process has no event to wait for
            await anyio.sleep(0.1)


def public_url(settings: Settings, host: str, port: int) -> str:
    """Where a server on this address is reached.

    Raises SettingsError when it listens beyond this machine and the settings do not say as what.
    """
    if settings.public_url:
        return settings.public_url
    if not is_loopback(host):
        text = (
            f"listening on {host} needs `public_url` (and `allowed_hosts`) in valetkey.toml, or --public-url"
        )
        raise SettingsError(text)
    return f"http://localhost:{port}"


async def is_ours(port: int, store_id: str) -> bool:
    """Whether what listens on a port of this machine serves the same store."""
    try:
        with anyio.fail_after(_PROBE_SECONDS):
            return store_id.encode() in await _probe(port)
    except (OSError, anyio.BrokenResourceError, anyio.EndOfStream):  # TimeoutError is an OSError
        return False


async def _probe(port: int) -> bytes:
    """Ask by hand: this never leaves the machine, so it is not the business of egress."""
    asked = f"GET {ABOUT} HTTP/1.1\r\nHost: localhost:{port}\r\nConnection: close\r\n\r\n"
    async with await anyio.connect_tcp("127.0.0.1", port) as stream:
        await stream.send(asked.encode())
        return b"".join([part async for part in stream])[:_PROBE_BYTES]


@asynccontextmanager
async def announced(house: House) -> AsyncIterator[None]:
    """Hold the name by which stdio processes know that a server runs, and leave the pages to it."""
    leases, lease = house.ground.leases, pages_at(house.ground.public_url)
    await leases.take(lease, _PRESENT)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(_stayannounced, leases, lease)
        yield
        tasks.cancel_scope.cancel()
    await leases.let_go(lease)


async def _stayannounced(leases: Leases, lease: str) -> None:
    while True:
        await anyio.sleep(_PRESENT / 3 / SECOND)
        try:
            await leases.take(lease, _PRESENT)
        except StoreError as error:  # busy, or full: there are two more tries before anybody misses us
            _log.warning("this server could not say that it is up: %s", error)
