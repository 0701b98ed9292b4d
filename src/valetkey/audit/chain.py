"""The form of the record: what bytes are chained and how. Fixed; verification never re-serialises.

    hash(n) = SHA-256( hash(n-1) | core(n) )       hash(0) = SHA-256( store id )

`core` holds ids, codes and keyed digests. What a person could ask to have forgotten is in a
sealed part beside it, of which `core` holds a salted digest: without the part, the chain still
verifies and says *withheld*.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass

from valetkey.model import AuditEvent, Json

MAX_TEXT = 4_096
"""Longest string kept of what somebody wrote, in characters; the rest is cut with a mark."""
MAX_PERSONAL = 65_536
"""Longest personal part, in characters: a thousand long strings are too long as well."""
MAX_DEPTH = 32
"""How deep a value may be nested: what is written here has to be readable everywhere."""
_CUT = " …"
_encode = json.JSONEncoder(separators=(",", ":"), sort_keys=True).encode
"""Made once: `json.dumps` would make it for each event."""


@dataclass(frozen=True, slots=True)
class Link:
    """One event as it is stored: its place in the chain, its bytes and the hash up to here."""

    seq: int
    core: bytes
    hash: bytes


@dataclass(frozen=True, slots=True)
class Personal:
    """The detachable part: the exact text that was digested, and its salt (hex)."""

    salt: str
    text: str

    def digest(self) -> str:
        """What the core holds of it (SHA-256, hex)."""
        return hashlib.sha256(bytes.fromhex(self.salt) + self.text.encode()).hexdigest()


def first_hash(store: str) -> bytes:
    """The hash that the first event of a store follows."""
    return hashlib.sha256(store.encode()).digest()


def next_hash(before: bytes, core: bytes) -> bytes:
    """The hash after an event."""
    return hashlib.sha256(before + core).digest()


def personal_part(values: Mapping[str, Json], salt: bytes) -> Personal | None:
    """Return the part to seal, or None where there is nothing personal."""
    if not values:
        return None
    text = compact(capped(dict(values)))
    if len(text) > MAX_PERSONAL:
        text = compact(dict.fromkeys(values, f"not kept: {len(text)} characters"))
    return Personal(salt.hex(), text)


def core_bytes(
    event: AuditEvent, *, seq: int, event_id: str, at: int, call: str | None, personal: str | None
) -> bytes:
    """The bytes that are chained, made once."""
    principal, actor = event.principal, event.actor
    return compact(
        {
            "seq": seq,
            "id": event_id,
            "at": at,
            "kind": event.kind,
            "call": call,
            "by": event.by,
            "principal": [principal.issuer, principal.subject] if principal else None,
            "actor": [actor.client, *actor.chain] if actor else None,
            "facts": capped(dict(event.core)),
            "personal": personal,
        }
    ).encode()


def read_core(core: Json) -> Mapping[str, Json]:
    """What a core says; nothing where it cannot be read."""
    try:
        said = json.loads(core)
    except (TypeError, ValueError, RecursionError):
        return {}
    return said if isinstance(said, dict) else {}


def compact(value: Json) -> str:
    """JSON in ASCII on one line: no character somebody wrote can begin a new record."""
    return _encode(value)


def capped(value: Json, depth: int = 0) -> Json:
    """Cut every string inside a JSON value that is too long, and all that is nested too deep to be read."""
    if isinstance(value, str):
        return value if len(value) <= MAX_TEXT else value[: MAX_TEXT - len(_CUT)] + _CUT
    if depth > MAX_DEPTH:
        return _CUT
    if isinstance(value, Mapping):
        return {capped(str(key)): capped(item, depth + 1) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [capped(item, depth + 1) for item in value]
    return value
