"""What goes out, what comes back, and the credential put on it: frozen values, no I/O.

Their `repr` shows no header, no body and no URL, because each of those can carry a secret.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

from valetkey.model import Secret


@dataclass(frozen=True, slots=True)
class Outgoing:
    """A request to a logical URL (`https://`, before `[hosts]`). Its path is sent as it is written here."""

    method: str
    url: str = field(repr=False)
    headers: tuple[tuple[str, str], ...] = field(default=(), repr=False)
    body: bytes | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class Incoming:
    """A whole answer. Header names are lower-case, repeated ones joined by `, `; cookies are left out."""

    status: int
    headers: Mapping[str, str] = field(repr=False)
    body: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Credential:
    """Headers and query parameters put on a request last, and the only origins that may ever see them.

    `version` grows with every renewal, so that a renewed credential is told from a refused one.
    """

    headers: Mapping[str, Secret]
    origins: frozenset[str]
    version: int
    query: Mapping[str, Secret] = field(default_factory=dict)


class Credentials(Protocol):
    """Where an `Upstream` gets its credential: one connection's token set."""

    async def current(self) -> Credential:
        """Return the credential to send now."""
        ...

    async def renewed(self, refused: Credential) -> Credential | None:
        """Return a newer credential than the one just refused, or None when there is none to be had."""
        ...


@dataclass(frozen=True, slots=True)
class Limits:
    """What one exchange may cost: seconds from start to last byte, bytes of decoded body."""

    seconds: float = 30
    bytes: int = 5 * 1024 * 1024


def is_401(reply: Incoming) -> bool:
    """Whether the upstream says the credential itself is no good (RFC 9110 section 15.5.2)."""
    return reply.status == 401
