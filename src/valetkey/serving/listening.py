"""Where a server listens, who listens there already, and the name under which others know that one is up."""

import logging
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from urllib.parse import urlsplit

import anyio

from valetkey.assemble import Ground, House, pages_at
from valetkey.errors import SettingsError, StoreError
from valetkey.model import SECOND
from valetkey.serving.presence import LOOPBACK, occupied
from valetkey.settings import Settings, is_loopback
from valetkey.store.leases import Leases

_PRESENT = 15 * SECOND
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
        where = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
        text = f"{where} cannot be used ({error.strerror}); choose another with --port"
        raise SettingsError(text) from None
    return listener


def listen_at(host: str, port: int) -> list[socket.socket]:
    """Listen at an address; for 127.0.0.1 at every address that `localhost` has, so that nobody else does.

    Raises SettingsError when one of them is taken or may not be used.
    """
    first = listen(host, port)
    if host != LOOPBACK[0] or not _has_ipv6():
        return [first]
    try:
        return [first, listen(LOOPBACK[1], first.getsockname()[1])]
    except SettingsError:
        first.close()
        raise


def _has_ipv6() -> bool:
    try:
        with socket.socket(socket.AF_INET6, socket.SOCK_STREAM) as tried:
            tried.bind((LOOPBACK[1], 0))
    except OSError:
        return False
    return True


async def listen_in_turn(house: House, host: str, port: int) -> list[socket.socket]:
    """Listen on a port that a stdio process of the same home may hold: it lets go once we are announced.

    Raises SettingsError when whoever holds the port keeps it.
    """
    leases, lease = house.ground.leases, pages_at(house.ground.public_url)
    there = await occupied(house.ground, port)
    if there.ours_alone and not await leases.take(lease, _PRESENT):
        raise _runs_already(house.ground.public_url)
    if there.ours_alone:
        await _until_gone(house.ground, port)
    try:
        return listen_at(host, port)
    except SettingsError:
        await leases.let_go(lease)
        raise


async def refuse_second(house: House) -> None:
    """Raises SettingsError where a server of this home runs at another URL: links and tokens name one."""
    known = await house.ground.store.one("SELECT value FROM meta WHERE key = 'public_url'")
    url = known["value"] if known else house.ground.public_url
    if url == house.ground.public_url or not await house.ground.leases.held(pages_at(url)):
        return
    parts = urlsplit(url)  # one that was killed leaves its lease for a moment: where it can be asked, it is
    if not is_loopback(parts.hostname or "") or (await occupied(house.ground, parts.port or 80)).ours:
        raise _runs_already(url)


def _runs_already(url: str) -> SettingsError:
    return SettingsError(
        f"a server of this home runs already, at {url}; stop that one first. For several beside each other, "
        "behind one address, set `public_url` in valetkey.toml"
    )


async def _until_gone(ground: Ground, port: int) -> None:
    with anyio.move_on_after(_HANDOVER_SECONDS):
        while (await occupied(ground, port)).ours:  # noqa: ASYNC110 - another process has no event to wait for
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
