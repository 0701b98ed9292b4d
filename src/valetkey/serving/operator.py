"""The operator's port: metrics, and health with its reasons. Nothing of it is on the public port but whether.

It lists no names and takes no orders, so it asks for no password; it is meant for loopback, or a network that
only the operator is on.
"""

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from valetkey.serving.metrics import Metrics
from valetkey.serving.readiness import Readiness
from valetkey.settings import is_loopback

_METRICS = "text/plain; version=0.0.4; charset=utf-8"
_NEVER_KEPT = {"Cache-Control": "no-store"}


def operator_application(readiness: Readiness, metrics: Metrics, host: str) -> Starlette:
    """The application of the operator's port, which listens at `host`."""

    async def told(_: Request) -> Response:
        return Response(await metrics.text(), media_type=_METRICS)

    async def lives(_: Request) -> Response:
        """The loop turns, or nobody would answer."""
        return JSONResponse({"status": "ok"}, headers=_NEVER_KEPT)

    async def ready(_: Request) -> Response:
        problems = await readiness.problems()
        body = {"status": "not_ready" if problems else "ok", "problems": problems}
        return JSONResponse(body, 503 if problems else 200, headers=_NEVER_KEPT)

    routes = [Route("/metrics", told), Route("/healthz", lives), Route("/readyz", ready)]
    return Starlette(routes=routes, middleware=_of_this_machine(host))


def bare_readiness(readiness: Readiness) -> Route:
    """`/readyz` of the public port: whether, and not why."""

    async def ready(_: Request) -> Response:
        well = not await readiness.problems()
        return JSONResponse({"status": "ok" if well else "not_ready"}, 200 if well else 503, _NEVER_KEPT)

    return Route("/readyz", ready)


def split(listen: str) -> tuple[str, int]:
    """The host and the port of a setting that was checked."""
    host, _, port = listen.rpartition(":")
    return host.strip("[]"), int(port)


def _of_this_machine(host: str) -> list[Middleware]:
    """On loopback only names of this machine are answered to: no page a browser opens may read it (M9)."""
    if not is_loopback(host):
        return []
    names = ["localhost", "127.0.0.1", "[::1]", host]
    return [Middleware(TrustedHostMiddleware, allowed_hosts=names, www_redirect=False)]
