"""One exchange over aiohttp's pool, the only place that knows aiohttp. Nothing of it crosses this boundary.

Whether a request may be made at all was decided before (`permit`, `routes`); here the address is.
"""

import socket
import ssl
from contextvars import ContextVar
from dataclasses import dataclass
from pathlib import Path

import aiohttp
import anyio
from aiohttp.abc import AbstractResolver, ResolveResult
from aiohttp.tracing import Trace
from yarl import URL

from valetkey.egress.addresses import Lookup, address_of
from valetkey.egress.decode import Body
from valetkey.egress.messages import Incoming, Limits
from valetkey.egress.routes import Route
from valetkey.errors import (
    EgressAnswerLost,
    EgressBadAnswer,
    EgressError,
    EgressRefused,
    EgressUnreachable,
    SettingsError,
)

CONNECTIONS = 512
CONNECTIONS_PER_HOST = 128  # so that one upstream that hangs leaves room for the others
HEADER_BYTES = 8 * 1024
HEADER_COUNT = 100

_SAFE = frozenset({"GET", "HEAD", "OPTIONS"})


@dataclass(slots=True)
class Attempt:
    """What the pool must know of the request it connects, and what must be known of it afterwards."""

    method: str
    route: Route
    sent: bool = False


# aiohttp hands its connector and its resolver a host, never the request that asks.
_attempt: ContextVar[Attempt] = ContextVar("valetkey_egress_attempt")


class Wire:
    """A pool of connections. Opened once per process and kept."""

    def __init__(self, lookup: Lookup, ca_bundle: Path | None) -> None:
        pool = _Pool(
            resolver=_Resolver(lookup),
            ssl=_tls(ca_bundle),
            use_dns_cache=False,
            limit=CONNECTIONS,
            limit_per_host=CONNECTIONS_PER_HOST,
        )
        self._session = aiohttp.ClientSession(
            connector=pool,
            cookie_jar=aiohttp.DummyCookieJar(),
            timeout=aiohttp.ClientTimeout(total=None, sock_connect=None),  # the deadline is `exchange`'s
            auto_decompress=False,
            trust_env=False,
            skip_auto_headers=("Accept", "Content-Type", "User-Agent"),
            max_line_size=HEADER_BYTES,
            max_field_size=HEADER_BYTES,
            max_headers=HEADER_COUNT,
        )

    async def close(self) -> None:
        """Close every connection."""
        await self._session.close()

    async def exchange(
        self,
        method: str,
        route: Route,
        target: str,
        headers: list[tuple[str, str]],
        body: bytes | None,
        limits: Limits,
    ) -> Incoming:
        """Send one request and return its whole answer, or raise an EgressError that says how far it got."""
        attempt = Attempt(method, route)
        _attempt.set(attempt)
        try:
            with anyio.fail_after(limits.seconds):
                return await self._answered(attempt, target, headers, body, limits)
        except (aiohttp.ClientError, OSError) as fault:  # TimeoutError is an OSError
            error = _said_plainly(fault, attempt)
        raise error  # out here, so that aiohttp's error, which holds the headers, is not even its context

    async def _answered(
        self,
        attempt: Attempt,
        target: str,
        headers: list[tuple[str, str]],
        body: bytes | None,
        limits: Limits,
    ) -> Incoming:
        response = await self._session.request(
            attempt.method,
            URL(attempt.route.origin + target, encoded=True),  # encoded: the path goes out as it is
            headers=headers,
            data=body,
            allow_redirects=False,
            proxy=attempt.route.proxy,
        )
        try:
            return await _read(response, limits, attempt.route.origin)
        finally:
            response.close()  # nothing, where the answer was read to its end; otherwise hangs up


class _Resolver(AbstractResolver):
    """Resolves a name once per new connection and answers only if every address is permitted."""

    def __init__(self, lookup: Lookup) -> None:
        self._lookup = lookup

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        route = _attempt.get().route
        found = await self._lookup(host, port)
        if not all(route.permits(address_of(address)) for address in found):
            raise EgressRefused(f"{route.origin} resolves to an address that is not permitted")
        return [_pinned(host, address, port) for address in found]

    async def close(self) -> None:
        """Nothing to close."""


def _pinned(host: str, address: str, port: int) -> ResolveResult:
    kind = socket.AF_INET6 if ":" in address else socket.AF_INET
    return {
        "hostname": host,
        "host": address,
        "port": port,
        "family": kind,
        "proto": socket.IPPROTO_TCP,
        "flags": socket.AI_NUMERICHOST,
    }


class _Pool(aiohttp.TCPConnector):
    """A pool that looks at whom it is really connected to before a request goes out on the connection."""

    async def connect(
        self,
        req: aiohttp.ClientRequest,
        traces: list[Trace],
        timeout: aiohttp.ClientTimeout,  # noqa: ASYNC109 - the signature is aiohttp's
    ) -> aiohttp.connector.Connection:
        attempt = _attempt.get()
        if attempt.sent and attempt.method not in _SAFE:
            # aiohttp would send PUT and DELETE twice when the first may have happened already.
            raise aiohttp.ServerDisconnectedError
        connection = await super().connect(req, traces, timeout)
        try:
            _look_at(connection, attempt)
        except EgressError:
            connection.close()
            raise
        attempt.sent = True
        return connection


def _look_at(connection: aiohttp.connector.Connection, attempt: Attempt) -> None:
    protocol, transport = connection.protocol, connection.transport
    if protocol is None or transport is None or protocol.should_close:
        # P9: an answer that nobody asked for must not become the answer to the next person's request.
        raise EgressUnreachable(f"{attempt.route.origin} spoke before it was asked")
    if attempt.route.proxy is None and not attempt.route.permits(
        address_of(transport.get_extra_info("peername")[0])
    ):
        raise EgressRefused(f"{attempt.route.origin} is at an address that is not permitted")


async def _read(response: aiohttp.ClientResponse, limits: Limits, origin: str) -> Incoming:
    headers = _headers(response)
    _check_head(response.status, headers, origin)
    body = Body(headers.get("content-encoding", ""), limits.bytes, origin)
    async for piece in response.content.iter_any():
        body.add(piece)
    return Incoming(response.status, headers, body.whole())


def _headers(response: aiohttp.ClientResponse) -> dict[str, str]:
    headers: dict[str, str] = {}
    for raw_name, raw_value in response.raw_headers:
        name, value = raw_name.decode("latin-1").lower(), raw_value.decode("latin-1")
        headers[name] = f"{headers[name]}, {value}" if name in headers else value
    headers.pop("set-cookie", None)
    return headers


def _check_head(status: int, headers: dict[str, str], origin: str) -> None:
    if 300 <= status < 400 and status != 304 and "location" in headers:
        raise EgressBadAnswer(f"{origin} answered with a redirect, which is never followed")


def _tls(ca_bundle: Path | None) -> ssl.SSLContext:
    """Trust the system's authorities and the bundle's.

    `ssl.create_default_context` would read SSLKEYLOGFILE, SSL_CERT_FILE and SSL_CERT_DIR: the environment
    must not be able to publish a session's keys or to name an authority.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)  # verifies chain and host name
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    paths = ssl.get_default_verify_paths()
    try:
        if Path(paths.openssl_cafile).exists():
            context.load_verify_locations(cafile=paths.openssl_cafile)
        if Path(paths.openssl_capath).exists():
            context.load_verify_locations(capath=paths.openssl_capath)
        if ca_bundle is not None:
            context.load_verify_locations(cafile=ca_bundle)
    except OSError:  # SSLError is one
        raise SettingsError("[egress] ca_bundle cannot be read as certificates in PEM") from None
    return context


def _said_plainly(fault: Exception, attempt: Attempt) -> EgressError:
    origin = attempt.route.origin
    if not attempt.sent:
        return EgressUnreachable(f"{origin} could not be reached: {_why(fault)}")
    if isinstance(fault, aiohttp.ClientResponseError):
        return EgressBadAnswer(f"{origin} answered with something that is not HTTP")
    return EgressAnswerLost(f"no whole answer came from {origin}; the request may have been carried out")


def _why(fault: Exception) -> str:
    match fault:
        case aiohttp.ClientConnectorCertificateError():
            return "its certificate is not trusted for this name"
        case aiohttp.ClientConnectorSSLError():
            return "TLS failed"
        case aiohttp.ClientConnectorDNSError():
            return "its name does not resolve"
        case aiohttp.ClientHttpProxyError() | aiohttp.ClientProxyConnectionError():
            return "the proxy did not connect it"
        case TimeoutError():
            return "no connection within the time allowed"
        case _:
            return "the connection failed"
