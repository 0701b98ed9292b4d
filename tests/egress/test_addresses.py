"""Which addresses count as public, in every disguise (P5)."""

from ipaddress import IPv4Address, IPv6Address, ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.egress.conftest import API
from valetkey.egress import Egress, Outgoing, Rules
from valetkey.egress.addresses import address_of, inside, is_public, system_lookup
from valetkey.errors import EgressRefused, EgressUnreachable

INSIDE = [
    "127.0.0.1",
    "127.255.255.254",
    "0.0.0.0",
    "0.1.2.3",
    "10.0.0.1",
    "172.16.0.1",
    "192.168.1.1",
    "169.254.169.254",
    "100.64.0.1",
    "100.127.255.255",
    "192.0.0.1",
    "192.0.2.1",
    "198.18.0.1",
    "198.51.100.1",
    "203.0.113.1",
    "224.0.0.1",
    "239.255.255.250",
    "240.0.0.1",
    "255.255.255.255",
    "::",
    "::1",
    "::127.0.0.1",
    "::ffff:127.0.0.1",
    "::ffff:10.0.0.1",
    "::ffff:0:127.0.0.1",
    "64:ff9b::7f00:1",
    "64:ff9b::a9fe:a9fe",
    "64:ff9b:1::7f00:1",
    "2002:7f00:1::",
    "2002:a00:1::1",
    "2001::1",
    "2001:db8::1",
    "100::1",
    "fc00::1",
    "fd00::1",
    "fd00:ec2::254",
    "fe80::1",
    "fe80::1%lo",
    "fec0::1",
    "ff02::1",
    "ff0e::1",
    "5f00::1",
    "4000::1",
]
OUTSIDE = [
    "8.8.8.8",
    "142.250.74.110",
    "2a00:1450:4001:80f::200e",
    "::ffff:8.8.8.8",
    "64:ff9b::808:808",
    "2002:808:808::1",
]


@pytest.mark.parametrize("address", INSIDE)
async def test_a_name_that_resolves_inside_is_never_connected_to(address: str) -> None:
    async def lookup(_name: str, _port: int) -> list[str]:
        return [address]

    async with Egress(Rules(), lookup=lookup) as egress:
        with pytest.raises(EgressRefused, match="resolves to an address that is not permitted"):
            await egress.send(Outgoing("GET", API), origins=frozenset({API}))


@pytest.mark.parametrize("address", OUTSIDE)
def test_an_address_of_the_open_internet_is_public(address: str) -> None:
    assert is_public(address_of(address))


async def test_one_address_inside_spoils_all_the_others() -> None:
    async def lookup(_name: str, _port: int) -> list[str]:
        return [*OUTSIDE, "127.0.0.1"]

    async with Egress(Rules(), lookup=lookup) as egress:
        with pytest.raises(EgressRefused):
            await egress.send(Outgoing("GET", API), origins=frozenset({API}))


async def test_a_name_without_addresses_is_unreachable() -> None:
    async def lookup(_name: str, _port: int) -> list[str]:
        return []

    async with Egress(Rules(), lookup=lookup) as egress:
        with pytest.raises(EgressUnreachable, match="does not resolve"):
            await egress.send(Outgoing("GET", API), origins=frozenset({API}))


async def test_the_system_is_asked_for_names() -> None:
    assert set(await system_lookup("localhost", 443)) <= {"127.0.0.1", "::1"}


@given(st.ip_addresses(v=4))
def test_an_address_in_disguise_is_judged_as_the_address_inside(plain: IPv4Address) -> None:
    number = int(plain)
    disguises = [(0xFFFF << 32) | number, (0x64FF9B << 96) | number, (0x2002 << 112) | (number << 80)]
    for disguise in disguises:
        assert address_of(str(IPv6Address(disguise))) == plain


@given(st.ip_addresses())
def test_nothing_public_is_in_a_network_that_is_not(address: IPv4Address | IPv6Address) -> None:
    networks = [
        "10.0.0.0/8",
        "127.0.0.0/8",
        "100.64.0.0/10",
        "169.254.0.0/16",
        "224.0.0.0/3",
        "fc00::/7",
        "fe80::/9",
    ]
    if is_public(address):
        assert not inside(*(ip_network(network) for network in networks))(address)
