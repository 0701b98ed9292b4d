"""One exchange over aiohttp: a write is sent once, an answer is whole or an error, all within a deadline.

Nothing of aiohttp crosses this boundary, and no message repeats a query, a header or a body.
"""

import asyncio
from collections.abc import Sequence
from pathlib import Path

import aiohttp
from yarl import URL

from valetkey.egress import answer
from valetkey.egress.addresses import Lookup
from valetkey.egress.messages import Incoming, Limits
from valetkey.egress.pool import Attempt, Pool, attempt, tls
from valetkey.egress.routes import Route
from valetkey.errors import EgressAnswerLost, EgressBadAnswer, EgressError, EgressUnreachable

HEADER_BYTES = 8 * 1024
HEADER_COUNT = 100

Headers = Sequence[tuple[str, str]]


class Wire:
    """The process's connections. Open it once and keep it: a client per call costs twenty calls."""

    def __init__(self, lookup: Lookup, ca_bundle: Path | None) -> None:
        self._session = aiohttp.ClientSession(
            connector=Pool(lookup, tls(ca_bundle)),
            cookie_jar=aiohttp.DummyCookieJar(),
            timeout=aiohttp.ClientTimeout(total=None, sock_connect=None),  # one deadline, in `exchange`
            trust_env=False,  # no proxy, no .netrc from the environment
            auto_decompress=False,
            skip_auto_headers=("Accept", "Content-Type", "User-Agent"),
            max_line_size=HEADER_BYTES,
            max_field_size=HEADER_BYTES,
            max_headers=HEADER_COUNT,
        )

    async def close(self) -> None:
        """Close every connection."""
        await self._session.close()

    async def exchange(
        self, method: str, route: Route, target: str, headers: Headers, body: bytes | None, limits: Limits
    ) -> Incoming:
        """Send one request and return its whole answer, or raise an EgressError that says how far it got."""
        now = Attempt(method, route)
        attempt.set(now)
        try:
            async with asyncio.timeout(limits.seconds):  # anyio's costs four times as much
                return await self._answered(now, target, headers, body, limits)
        except (aiohttp.ClientError, OSError) as fault:  # which TimeoutError is
            error = _said_plainly(fault, now)
        raise error  # out here, where aiohttp's error, which holds the headers, is not even its context

    async def _answered(
        self, now: Attempt, target: str, headers: Headers, body: bytes | None, limits: Limits
    ) -> Incoming:
        response = await self._session.request(
            now.method,
            URL(now.route.at + target, encoded=True),  # encoded: the path goes out as it is written
            headers=headers,
            data=body,
            allow_redirects=False,
            proxy=now.route.proxy,
        )
        try:
            return await _read(response, now, limits)
        finally:
            response.close()  # nothing where the answer was read to its end; otherwise hangs up


async def _read(response: aiohttp.ClientResponse, now: Attempt, limits: Limits) -> Incoming:
    try:
        headers = answer.head(response.status, response.raw_headers, now.route.origin)
    except EgressBadAnswer:
        now.hang_up()  # the pool may have the connection back already: it is not to be used again (P9)
        raise
    body = answer.Body(headers.get("content-encoding", ""), limits.bytes, now.route.origin)
    async for piece in response.content.iter_any():
        body.add(piece)
    return Incoming(response.status, headers, body.whole())


def _said_plainly(fault: Exception, now: Attempt) -> EgressError:
    origin = now.route.origin
    if not now.sent:
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
