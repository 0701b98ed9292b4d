"""Which network addresses may be connected to, and how a name becomes addresses.

An address hidden in another (mapped, NAT64, 6to4) counts as the one inside: that is where packets go.
"""

import socket
from collections.abc import Awaitable, Callable, Sequence
from functools import lru_cache
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

import anyio

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network
Permits = Callable[[Address], bool]

Lookup = Callable[[str, int], Awaitable[Sequence[str]]]
"""`(host, port) -> addresses`, raising OSError when the name does not resolve."""

LOOPBACK: tuple[Network, ...] = (ip_network("127.0.0.0/8"), ip_network("::1/128"))

_NAT64 = ip_network("64:ff9b::/96")
_UNICAST = ip_network("2000::/3")


async def system_lookup(host: str, port: int) -> list[str]:
    """Ask the operating system."""
    found = await anyio.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return [str(address[0]) for *_, address in found]


@lru_cache(maxsize=1024)
def address_of(text: str) -> Address:
    """Parse an address and unwrap the IPv4 address inside a mapped, NAT64 or 6to4 one."""
    address = ip_address(text)
    if isinstance(address, IPv4Address):
        return address
    if address in _NAT64:
        return IPv4Address(int(address) & 0xFFFF_FFFF)
    return address.ipv4_mapped or address.sixtofour or address


def is_public(address: Address) -> bool:
    """Whether the address is one machine on the open internet.

    Stricter than `is_global`, which counts multicast and, in IPv6, all that no registry lists as private.
    """
    if address.version == 6 and address not in _UNICAST:
        return False
    return address.is_global and not address.is_multicast


def inside(*networks: Network) -> Permits:
    """Return a check that an address is in one of `networks`."""
    return lambda address: any(address in network for network in networks)
