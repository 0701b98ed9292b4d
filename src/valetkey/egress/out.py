"""The way out itself: `Egress` for a process, `Upstream` for one set of origins and its credentials."""

import logging
from collections.abc import Callable
from types import TracebackType
from typing import Self

from valetkey.egress import permit
from valetkey.egress.addresses import Lookup, system_lookup
from valetkey.egress.mail import Mail, MailServer, send_mail
from valetkey.egress.messages import Credential, Credentials, Incoming, Limits, Outgoing, is_401
from valetkey.egress.pool import tls
from valetkey.egress.routes import Routes, Rules
from valetkey.egress.wire import Wire
from valetkey.errors import EgressError

DEFAULT = Limits()

# httpx2 and httpx are not ours: the MCP library brings them.
_TALKATIVE = ["aiohttp", "aiohttp.client", "aiohttp.internal", "asyncio"]
_TALKATIVE += ["httpx", "httpcore", "httpx2", "httpcore2"]


class Egress:
    """Every request of this process leaves through here. Use as an async context manager, once."""

    def __init__(self, rules: Rules, *, lookup: Lookup = system_lookup) -> None:
        self._routes = Routes(rules)
        self._rules, self._lookup = rules, lookup
        self._wire: Wire | None = None
        self.failed: Callable[[EgressError], object] = _unwatched
        """Told of each request and message that brought no usable answer, if anybody counts them."""
        _quieten_libraries()

    async def __aenter__(self) -> Self:
        self._wire = Wire(self._lookup, self._rules.ca_bundle)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._open().close()
        self._wire = None

    def to(self, origins: frozenset[str], credentials: Credentials) -> "Upstream":
        """Return an upstream that `origins` bound and `credentials` open."""
        return Upstream(self, origins, credentials)

    async def send(
        self,
        request: Outgoing,
        *,
        origins: frozenset[str],
        limits: Limits = DEFAULT,
        credential: Credential | None = None,
    ) -> Incoming:
        """Send one request to one of `origins`, with `credential` put on it last, and return the answer.

        Raises EgressRefused (never sent), EgressUnreachable (not sent), EgressBadAnswer or
        EgressAnswerLost (it may have been carried out).
        """
        try:
            origin, target = permit.permitted(request, origins, credential)
            headers = permit.headers(request, credential)
            route = self._routes.to(origin)
            return await self._open().exchange(request.method, route, target, headers, request.body, limits)
        except EgressError as error:
            self.failed(error)
            raise

    async def mail(self, server: MailServer, mail: Mail) -> None:
        """Send one mail through the operator's server. Raises as `send_mail` does."""
        try:
            await send_mail(server, mail, tls(self._rules.ca_bundle))
        except EgressError as error:
            self.failed(error)
            raise

    def reroute(self, url: str) -> str:
        """Return where a browser finds a logical URL: the same, unless `[hosts]` overrides its origin."""
        origin, target = permit.split(url)
        return self._routes.to(origin).at + target if self.overridden(frozenset({origin})) else url

    def overridden(self, origins: frozenset[str]) -> bool:
        """Whether `[hosts]` sends any of `origins` elsewhere."""
        return self._routes.overridden(origins)

    def _open(self) -> Wire:
        if self._wire is None:
            raise RuntimeError("the egress is not open")
        return self._wire


class Upstream:
    """An egress bound to origins and a source of credentials. `status`: the last answer's HTTP status."""

    def __init__(self, egress: Egress, origins: frozenset[str], credentials: Credentials) -> None:
        self._egress, self._origins, self._credentials = egress, origins, credentials
        self.status: int | None = None

    async def send(
        self,
        request: Outgoing,
        *,
        expired: Callable[[Incoming], bool] = is_401,
        limits: Limits = DEFAULT,
    ) -> Incoming:
        """Send with the current credential; when the reply says it `expired`, once more with a newer one.

        The replay is safe for writes too: the upstream refused the first before acting on it.
        """
        credential = await self._credentials.current()
        reply = await self._once(request, credential, limits)
        if not expired(reply):
            return reply
        newer = await self._credentials.renewed(credential)
        if newer is None or newer.version <= credential.version:
            return reply
        return await self._once(request, newer, limits)

    async def _once(self, request: Outgoing, credential: Credential, limits: Limits) -> Incoming:
        reply = await self._egress.send(request, origins=self._origins, limits=limits, credential=credential)
        self.status = reply.status
        return reply


def _unwatched(_: EgressError) -> None:
    """Nobody counts."""


def _quieten_libraries() -> None:
    """Keep URLs, headers and bodies out of the logs, where HTTP libraries write them at INFO and DEBUG."""
    for name in _TALKATIVE:
        logger = logging.getLogger(name)
        logger.setLevel(max(logger.level, logging.WARNING))
