"""The words of the house as frozen values: who acts, for whom, with what, how it ended. No I/O.

Times are epoch milliseconds; ids are a prefix and a UUIDv7 (RFC 9562 section 5.7).
"""

import secrets
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, NewType, NoReturn, Protocol

Json = Any
"""A JSON value: None, bool, int, float, str, list or dict of the same."""

CallId = NewType("CallId", str)

SECOND = 1_000
MINUTE = 60 * SECOND
HOUR = 60 * MINUTE
DAY = 24 * HOUR


class Secret:
    """A string that shows itself only to `reveal()`: not to repr, str, format, JSON or pickle."""

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        self._value = value

    def reveal(self) -> str:
        """Return the plaintext. Every call of this is a place to review."""
        return self._value

    def __repr__(self) -> str:
        return "***"

    __str__ = __repr__

    def __format__(self, spec: str) -> str:
        return "***"

    def __bool__(self) -> bool:
        return bool(self._value)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Secret):
            return NotImplemented
        return secrets.compare_digest(self._value.encode(), other._value.encode())

    def __hash__(self) -> int:
        raise TypeError("a Secret is not a key")

    def __reduce__(self) -> NoReturn:
        raise TypeError("a Secret cannot be pickled or copied")


class Clock(Protocol):
    """Where the house reads the time, so that tests can turn it."""

    def now(self) -> int:
        """Epoch milliseconds."""
        ...


class SystemClock:
    """The machine's clock."""

    def now(self) -> int:
        return time.time_ns() // 1_000_000


Randomness = Callable[[int], bytes]
"""`n -> n random bytes`; `secrets.token_bytes` everywhere but in tests."""


class Ids:
    """Makes ids that sort by time: `con_018f…`, from a clock and a source of randomness."""

    def __init__(self, clock: Clock, randomness: Randomness = secrets.token_bytes) -> None:
        self._clock, self._randomness = clock, randomness

    def new(self, prefix: str) -> str:
        """Return `prefix_` and a UUIDv7 in 32 hex digits."""
        value = (self._clock.now() << 80) | int.from_bytes(self._randomness(10), "big")
        value = (value & ~(0xF << 76)) | (0x7 << 76)
        value = (value & ~(0x3 << 62)) | (0x2 << 62)
        return f"{prefix}_{value:032x}"


class Effect(StrEnum):
    """What a tool does to the account: the basis of annotations, policy and retries."""

    READ = "read"
    WRITE = "write"
    DESTROY = "destroy"


class Outcome(StrEnum):
    """How a call ended: a closed list, the same in results, audit and manifests' `[errors]`."""

    OK = "ok"
    NOT_CONNECTED = "not_connected"
    RECONNECT = "reconnect"
    INSUFFICIENT_SCOPE = "insufficient_scope"
    NOT_GRANTED = "not_granted"
    AMBIGUOUS = "ambiguous"
    APPROVAL_NEEDED = "approval_needed"
    DECLINED = "declined"
    DENIED = "denied"
    INVALID = "invalid"
    NOT_FOUND = "not_found"
    FORBIDDEN = "forbidden"
    CONFLICT = "conflict"
    RATE_LIMITED = "rate_limited"
    UNAVAILABLE = "unavailable"
    FAILED = "failed"
    UNKNOWN = "unknown"


class ConnectionState(StrEnum):
    """`pending -> confirming -> connected <-> needs_reauth`, and any of them -> `revoked`."""

    PENDING = "pending"
    CONFIRMING = "confirming"
    CONNECTED = "connected"
    NEEDS_REAUTH = "needs_reauth"
    REVOKED = "revoked"


@dataclass(frozen=True, slots=True)
class Principal:
    """The person (or service) a call is made for. `issuer` is a key of the settings, never a URL."""

    issuer: str
    subject: str


@dataclass(frozen=True, slots=True)
class Actor:
    """The agent doing the acting: an OAuth client, and the `act` chain behind it (RFC 8693 4.1)."""

    client: str
    chain: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Caller:
    """A principal and an actor, resolved afresh on every request from the session `session`.

    `away`: the actor came by itself, on a grant that lets it act while the person is away.
    """

    principal: Principal
    actor: Actor
    session: str
    away: bool = False


@dataclass(frozen=True, slots=True)
class Connection:
    """One principal's link to one account at one connector.

    `scopes` is what the provider granted, not what was asked. `reason` says why `needs_reauth`.
    `registration` is None where the person pasted a secret, which takes no client of ours.
    """

    id: str
    principal: Principal
    connector: str
    registration: str | None
    state: ConnectionState
    token_set: str
    scopes: frozenset[str]
    account: str | None = None
    label: str | None = None
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class TokenSet:
    """The secrets behind a connection, and where they may go. A pasted secret is `access` alone.

    `origins` are the scheme-and-authority strings (`https://slack.com`) this set may ever be sent
    to; `overridden` says whether `[hosts]` replaced any of them when it was obtained. All times
    are by our clock and counted from before the request was sent; no `expires_at`: not told.
    `consented_at` is when its person allowed it, `refresh_until` when the refresh token ends, if told.
    """

    access: Secret
    refresh: Secret | None
    issued_at: int
    expires_at: int | None
    scopes: frozenset[str]
    origins: frozenset[str]
    registration: str | None
    connectors: frozenset[str]
    overridden: bool = False
    consented_at: int | None = None
    refresh_until: int | None = None


@dataclass(frozen=True, slots=True)
class Grant:
    """A principal lets an actor use tools on connections until a time (`None`: until revoked).

    `uses`: how many calls it is good for (None: any number), `used` of them so far. `offline`: the actor
    may act on it while the person is away.
    """

    id: str
    principal: Principal
    actor: str
    connections: frozenset[str]
    tools: frozenset[str]
    refused: frozenset[str]
    until: int | None
    created: int
    uses: int | None = None
    used: int = 0
    offline: bool = False


@dataclass(frozen=True, slots=True)
class Registration:
    """The operator's client at a provider, under a unique name. `scopes`: its ceiling, None for any."""

    name: str
    provider: str
    client_id: str
    secret: Secret | None
    scopes: frozenset[str] | None = None


@dataclass(frozen=True, slots=True)
class AuditEvent:
    """One append-only fact. `core` is chained, `personal` can be withheld later.

    `kind` is dotted (`call.opened`, `connection.revoked`); `by` tells a person's act from an agent's.
    """

    kind: str
    by: str
    principal: Principal | None
    actor: Actor | None
    core: Mapping[str, Json] = field(default_factory=dict)
    personal: Mapping[str, Json] = field(default_factory=dict)
