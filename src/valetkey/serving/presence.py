"""Who listens on a port of this machine: a process of this home answers a challenge, and nobody else can.

What is proved is bound to the address and port that were asked at, so that no other program can pass the
question on to us and the answer back.
"""

import re
from dataclasses import dataclass

import anyio
from anyio.abc import SocketStream
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from valetkey.assemble import Ground
from valetkey.vault import KeyRing, Purpose

ABOUT = "/.well-known/valetkey"
LOOPBACK = ("127.0.0.1", "::1")
"""Both of what `localhost` may mean to a browser."""

_NONCE = re.compile(r"[0-9a-f]{32,128}")
_PROBE_SECONDS, _PROBE_BYTES = 1, 4096


@dataclass(frozen=True, slots=True)
class Occupied:
    """Who has a port: whether a process of this home does, and at which address another program, if one."""

    ours: bool
    foreign: str | None

    @property
    def ours_alone(self) -> bool:
        return self.ours and self.foreign is None


def presence(keys: KeyRing) -> Route:
    """The route at which a process proves whose it is."""

    async def about(request: Request) -> JSONResponse:
        nonce = request.query_params.get("nonce", "")
        if not _NONCE.fullmatch(nonce):
            return JSONResponse({"error": "a nonce of 32 to 128 hexadecimal digits is needed"}, 400)
        host, port = request.scope["server"]
        return JSONResponse({"proof": _proof(keys, nonce, host, port)})

    return Route(ABOUT, about)


async def occupied(ground: Ground, port: int) -> Occupied:
    """Ask at both loopback addresses. Where nobody listens there is nobody."""
    found = {address: await _ours(ground, address, port) for address in LOOPBACK}
    foreign = next((_written(address, port) for address, ours in found.items() if ours is False), None)
    return Occupied(True in found.values(), foreign)


async def _ours(ground: Ground, address: str, port: int) -> bool | None:
    """Whether it is ours that listens there; None: nobody does."""
    try:
        stream = await anyio.connect_tcp(address, port)
    except OSError:
        return None
    nonce = ground.randomness(16).hex()
    answer = b""
    async with stream:
        with anyio.move_on_after(_PROBE_SECONDS):
            answer = await _asked(stream, port, nonce)
    return _proof(ground.keys, nonce, address, port).encode() in answer


async def _asked(stream: SocketStream, port: int, nonce: str) -> bytes:
    """Ask by hand: this never leaves the machine, so it is not the business of egress."""
    asked = f"GET {ABOUT}?nonce={nonce} HTTP/1.1\r\nHost: localhost:{port}\r\nConnection: close\r\n\r\n"
    answer = b""
    try:
        await stream.send(asked.encode())
        while len(answer) < _PROBE_BYTES:
            answer += await stream.receive()
    except (anyio.BrokenResourceError, anyio.EndOfStream):
        pass
    return answer


def _proof(keys: KeyRing, nonce: str, host: str, port: int) -> str:
    return keys.server(Purpose.PRESENCE).digest(f"{nonce} {host} {port}")


def _written(address: str, port: int) -> str:
    return f"[{address}]:{port}" if ":" in address else f"{address}:{port}"
