"""The control surface under `/_sandbox/`, for tests that run the sandbox as another process. It asks for no
authentication: the sandbox is served on loopback only and holds nothing real.
"""

import json
from collections.abc import Callable, Mapping
from typing import Protocol

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from valetkey.errors import UsageError
from valetkey.model import Json
from valetkey.sandbox.issuer import Issuer
from valetkey.sandbox.people import PEOPLE
from valetkey.sandbox.provider import Provider


class Controlled(Protocol):
    """What the control surface needs of a sandbox."""

    @property
    def providers(self) -> Mapping[str, Provider]: ...

    @property
    def issuers(self) -> Mapping[str, Issuer]: ...

    def reset(self) -> None: ...


def control_routes(sandbox: Controlled) -> list[Route]:
    """Routes to read counters and grants, and to turn every switch a test in process can turn."""
    control = _Control(sandbox)
    reads: dict[str, Callable[[], Json]] = {
        "counters": control.counters,
        "grants": control.grants,
        "people": control.people,
    }
    turns: dict[str, Callable[..., Json]] = {
        "faults": control.faults,
        "clear": control.clear,
        "release": control.release,
        "rules": control.rules,
        "redirects": control.redirects,
        "expire": control.expire,
        "revoke": control.revoke,
        "twist": control.twist,
        "rotate": control.rotate,
        "reset": control.reset,
    }
    return [_read(name, work) for name, work in reads.items()] + [
        _turn(name, work) for name, work in turns.items()
    ]


class _Control:
    """One method a switch. Bodies are JSON objects: the `provider`, and what else the method takes."""

    def __init__(self, sandbox: Controlled) -> None:
        self._sandbox = sandbox

    def counters(self) -> Json:
        return {name: provider.counters.as_json() for name, provider in self._sandbox.providers.items()}

    def grants(self) -> Json:
        return {
            name: [grant.as_json() for grant in p.grants()] for name, p in self._sandbox.providers.items()
        }

    def people(self) -> Json:
        return [{"email": person.email, "name": person.name} for person in PEOPLE]

    def faults(
        self, *, provider: str, kind: str, name: str, times: int | None = None, **options: Json
    ) -> Json:
        self._provider(provider).faults.set(kind, name, times, **options)
        return {}

    def clear(self, *, provider: str) -> Json:
        self._provider(provider).faults.clear()
        return {}

    def release(self, *, provider: str) -> Json:
        self._provider(provider).faults.release()
        return {}

    def rules(self, *, provider: str, **rules: Json) -> Json:
        self._provider(provider).change(**rules)
        return {}

    def redirects(self, *, provider: str, uri: str) -> Json:
        self._provider(provider).redirects.add(uri)
        return {}

    def expire(self, *, provider: str, account: str | None = None) -> Json:
        return {"expired": self._provider(provider).expire(account)}

    def revoke(self, *, provider: str, account: str | None = None, grant: str | None = None) -> Json:
        return {"revoked": self._provider(provider).revoke(account, grant)}

    def twist(self, *, provider: str, names: list[str]) -> Json:
        self._issuer(provider).twist(*names)
        return {}

    def rotate(self, *, provider: str, keep: bool = True) -> Json:
        self._issuer(provider).keys.rotate(keep=keep)
        return {}

    def reset(self) -> Json:
        self._sandbox.reset()
        return {}

    def _provider(self, name: str) -> Provider:
        if name not in self._sandbox.providers:
            raise UsageError(f"no provider {name!r}; there are {', '.join(self._sandbox.providers)}")
        return self._sandbox.providers[name]

    def _issuer(self, name: str) -> Issuer:
        if name not in self._sandbox.issuers:
            raise UsageError(f"no issuer {name!r}; there are {', '.join(self._sandbox.issuers)}")
        return self._sandbox.issuers[name]


def _read(name: str, work: Callable[[], Json]) -> Route:
    async def answer(_request: Request) -> Response:
        return JSONResponse(work())

    return Route(f"/_sandbox/{name}", answer, methods=["GET"])


def _turn(name: str, work: Callable[..., Json]) -> Route:
    async def answer(request: Request) -> Response:
        try:
            return JSONResponse(work(**json.loads(await request.body() or b"{}")))
        except (UsageError, TypeError, ValueError) as problem:
            return JSONResponse({"error": str(problem)}, 400)

    return Route(f"/_sandbox/{name}", answer, methods=["POST"])
