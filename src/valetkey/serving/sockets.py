"""How many sockets there may be, and how long a client may take over a request: uvicorn limits neither.

A client that says nothing, half a header or a byte a second costs a socket each time. Only the time in
which the client is waited for counts: a call that is held and an event stream stay open as long as they like.
"""

import resource
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from ipaddress import IPv6Address, ip_address, ip_network
from typing import Protocol

from valetkey.settings import Settings

_OTHER_FILES = 256
"""Open files that no client may take: the store, the log, the ways to providers."""

_COUNTED_OF_IPV6 = 64
"""Whoever has one address of IPv6 has all of its network: they count as one."""


@dataclass(frozen=True, slots=True)
class Patience:
    """The limits. What comes from a network of `proxies` is many people's, and not counted by address."""

    header_seconds: float = 10
    body_seconds: float = 30
    most: int = 4_096
    most_of_address: int = 100
    proxies: Sequence[str] = ()


def patience_of(settings: Settings) -> Patience:
    """The limits as the settings say, as far as this process may open files."""
    limits, (files, _) = settings.limits, resource.getrlimit(resource.RLIMIT_NOFILE)
    room = limits.sockets if files == resource.RLIM_INFINITY else min(limits.sockets, files - _OTHER_FILES)
    return Patience(
        most=max(room, 1), most_of_address=limits.sockets_per_address, proxies=settings.trusted_proxies
    )


class Waiting(Protocol):
    """A socket, as far as it may have to make way."""

    def drop(self) -> None:
        """Close it now; what it has not sent yet does not come any more."""
        ...


class Sockets:
    """The sockets of a server that are open now."""

    def __init__(self, patience: Patience) -> None:
        self.patience = patience
        self._proxies = [ip_network(network) for network in patience.proxies]
        self._of_address: Counter[str] = Counter()
        self._open: dict[Waiting, str] = {}
        self._waited_for: dict[Waiting, None] = {}  # in the order in which the waiting began

    def let_in(self, socket: Waiting, host: str) -> bool:
        """Whether there is room for one more. Where all are taken, the one longest waited for makes way."""
        if len(self._open) >= self.patience.most and self._waited_for:
            next(iter(self._waited_for)).drop()
        address = self._counted_as(host)
        full = len(self._open) >= self.patience.most
        if full or (address and self._of_address[address] >= self.patience.most_of_address):
            return False
        self._open[socket] = address
        self._of_address[address] += 1
        return True

    def gone(self, socket: Waiting) -> None:
        """A socket was closed, by whoever it was."""
        self._waited_for.pop(socket, None)
        address = self._open.pop(socket, None)
        if address is not None:
            self._of_address[address] -= 1
            if not self._of_address[address]:
                del self._of_address[address]

    def waits(self, socket: Waiting, *, waits: bool) -> None:
        """Note whether the client of a socket is waited for."""
        self._waited_for.pop(socket, None)
        if waits:
            self._waited_for[socket] = None

    def _counted_as(self, host: str) -> str:
        """What an address counts as; nothing for a proxy's, or for a socket that has none."""
        try:
            address = ip_address(host)
        except ValueError:
            return ""
        if isinstance(address, IPv6Address):
            address = address.ipv4_mapped or address
        if any(address in network for network in self._proxies):
            return ""
        bits = _COUNTED_OF_IPV6 if address.version == 6 else address.max_prefixlen
        return str(ip_network(f"{address}/{bits}", strict=False))
