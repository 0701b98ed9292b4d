"""Connections: whom they may be made to, checked on the name's addresses and again on the peer.

Attack prevented: a permitted name that resolves, now or a moment later, to an address inside (SSRF, P5).
"""

import socket
import ssl
from collections.abc import Callable
from contextvars import ContextVar
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult
from aiohttp.connector import Connection
from aiohttp.tracing import Trace

from valetkey.egress.addresses import Lookup, address_of
from valetkey.egress.routes import Route
from valetkey.errors import EgressError, EgressRefused, EgressUnreachable, SettingsError

CONNECTIONS = 512
CONNECTIONS_PER_HOST = 128  # so that an upstream that hangs leaves room for the others

_SAFE = frozenset({"GET", "HEAD", "OPTIONS"})  # RFC 9110 section 9.2.1


@dataclass(slots=True)
class Attempt:
    """One request on its way: where it goes, whether it may have left, how to drop its connection."""

    method: str
    route: Route
    sent: bool = False
    hang_up: Callable[[], None] = lambda: None


# aiohttp tells its connector and its resolver a host, never which request asks.
attempt: ContextVar[Attempt] = ContextVar("attempt")


class Pool(aiohttp.TCPConnector):
    """aiohttp's pool, which looks at its peer before any request goes out."""

    def __init__(self, lookup: Lookup, tls: ssl.SSLContext) -> None:
        super().__init__(
            resolver=_Resolver(lookup),
            use_dns_cache=False,  # each new connection asks, and checks, afresh
            ssl=tls,
            limit=CONNECTIONS,
            limit_per_host=CONNECTIONS_PER_HOST,
        )

    async def connect(
        self,
        req: aiohttp.ClientRequest,
        traces: list[Trace],
        timeout: aiohttp.ClientTimeout,  # noqa: ASYNC109 - the signature is aiohttp's
    ) -> Connection:
        """Return a connection to a checked peer. What follows counts as sent."""
        now = attempt.get()
        if now.sent and now.method not in _SAFE:
            # aiohttp would repeat a PUT or DELETE that may have been carried out.
            raise aiohttp.ServerDisconnectedError
        connection = await super().connect(req, traces, timeout)
        if _spoke_unasked(connection):
            connection.close()
            connection = await super().connect(req, traces, timeout)
        try:
            now.hang_up = _checked(connection, now.route)
        except EgressError:
            connection.close()
            raise
        now.sent = True
        return connection


def _spoke_unasked(connection: Connection) -> bool:
    """Whether an answer to nothing waits here, to become the answer to another person's request (P9)."""
    return connection.protocol is None or connection.protocol.should_close


def _checked(connection: Connection, route: Route) -> Callable[[], None]:
    """Return how to hang up on a peer that may be spoken to."""
    protocol, transport = connection.protocol, connection.transport
    peer = transport and transport.get_extra_info("peername")
    if protocol is None or not peer or _spoke_unasked(connection):
        raise EgressUnreachable(f"{route.origin} hung up, or spoke before it was asked")
    if route.proxy is None and not route.permits(address_of(peer[0])):
        raise EgressRefused(f"{route.origin} is at an address that is not permitted")
    return protocol.close


class _Resolver(AbstractResolver):
    """Asked once per new connection; answers only if every address is permitted, and with exactly those.

    It is not asked about IP literals. There are none: `permit` refuses them, `[hosts]` has only loopback.
    """

    def __init__(self, lookup: Lookup) -> None:
        self._lookup = lookup

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        route = attempt.get().route
        found = await self._lookup(host, port)
        if not found:
            raise OSError("no address")
        if not all(route.permits(address_of(address)) for address in found):
            raise EgressRefused(f"{route.origin} resolves to an address that is not permitted")
        return [_pinned(host, address, port) for address in found]

    async def close(self) -> None:
        """Nothing to close."""


def _pinned(host: str, address: str, port: int) -> ResolveResult:
    return {
        "hostname": host,
        "host": address,
        "port": port,
        "family": socket.AF_INET6 if ":" in address else socket.AF_INET,
        "proto": socket.IPPROTO_TCP,
        "flags": socket.AI_NUMERICHOST,
    }


@cache
def tls(ca_bundle: Path | None) -> ssl.SSLContext:
    """Trust the system's authorities, and the bundle's; they are read once, in 60 ms.

    `ssl.create_default_context` would read SSLKEYLOGFILE, SSL_CERT_FILE and SSL_CERT_DIR: the environment
    must not be able to publish a session's keys or to name an authority.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)  # verifies the chain and the name
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    system = ssl.get_default_verify_paths()
    context.load_verify_locations(capath=system.openssl_capath)
    if Path(system.openssl_cafile).exists():
        context.load_verify_locations(cafile=system.openssl_cafile)
    if ca_bundle is not None:
        _trust(context, ca_bundle)
    return context


def _trust(context: ssl.SSLContext, ca_bundle: Path) -> None:
    try:
        context.load_verify_locations(cafile=ca_bundle)
    except OSError:  # which SSLError is
        raise SettingsError("[egress] ca_bundle cannot be read as certificates in PEM") from None
