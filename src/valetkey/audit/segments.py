"""Segments: where a chain goes on from a backup, and names what the chain before it had reached.

The first event of a segment follows the backup's last event, and its number follows the old chain's last:
no number means two events, and none of those that are not in this store is taken for one that is. Its facts
are signed, so that nobody without the key cuts a chain and calls it restored.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Self

from valetkey.audit.chain import compact, read_core
from valetkey.audit.head import Head
from valetkey.errors import UsageError
from valetkey.model import AuditEvent, Json
from valetkey.store import Reads
from valetkey.vault import KeyRing, Purpose
from valetkey.vault.keys import is_signed

KIND = "store.restored"
_FORMAT = "valetkey-audit-segment/1"


@dataclass(frozen=True, slots=True)
class Segment:
    """A segment of the chain of `store`, after the event `after`; `old` is what the old chain had reached.

    No `old`: nobody knew of anything beyond `after`.
    """

    store: str
    after: Head
    old: Head | None
    kid: str
    signature: bytes = b""

    @property
    def seq(self) -> int:
        """The number of its first event."""
        return max(self.after.seq, self.old.seq if self.old else 0) + 1

    def facts(self) -> dict[str, Json]:
        return {**self._said(), "kid": self.kid, "signature": self.signature.hex()}

    def signed(self) -> bytes:
        """The signed bytes."""
        return compact({"format": _FORMAT, "store": self.store, "kid": self.kid, **self._said()}).encode()

    def _said(self) -> dict[str, Json]:
        return {"after": str(self.after), "old": str(self.old) if self.old else None}

    def fits(self, keys: Mapping[str, bytes]) -> bool:
        """Whether its signature holds under these public keys."""
        return self.kid in keys and is_signed(keys[self.kid], self.signature, self.signed())

    def accounts_for(self, head: Head) -> bool:
        """Whether a head is of the old chain: the very one it names, or one before it that is not in this."""
        if self.old is None or self.old.seq == head.seq:
            return self.old == head
        return self.after.seq < head.seq < self.seq

    def told(self) -> str:
        """What it means, in a sentence."""
        began = f"the store was restored from a copy that ended with event {self.after.seq}"
        if self.old is None:
            return f"{began}; of what came after it nothing was known"
        if self.old.seq <= self.after.seq:
            return f"{began}, and took over from a record of its own that had reached event {self.old.seq}"
        return (
            f"{began}; events {self.after.seq + 1} to {self.seq - 1} of the old record are not in this store"
        )

    @classmethod
    def of(cls, store: str, core: Mapping[str, Json]) -> Self | None:
        """The segment that an event begins; None for any other event, and for one that says it badly."""
        if core.get("kind") != KIND:
            return None
        try:
            facts = core["facts"]
            old = Head.parse(facts["old"]) if facts["old"] is not None else None
            signature = bytes.fromhex(facts["signature"])
            return cls(store, _head(facts["after"]), old, str(facts["kid"]), signature)
        except (KeyError, TypeError, ValueError, AttributeError, UsageError):
            return None


def segment(keys: KeyRing, after: Head, old: Head | None) -> Segment:
    """Begin a segment, signed with the key of checkpoints."""
    key = keys.server(Purpose.CHECKPOINT)
    plain = Segment(keys.store_id, after, old, key.kid)
    return replace(plain, signature=key.sign(plain.signed()))


def begins(segment: Segment, facts: Mapping[str, Json]) -> AuditEvent:
    """The first event of a segment; `facts` say more about it."""
    return AuditEvent(KIND, "operator", None, None, {**facts, **segment.facts()})


async def segments(db: Reads, store: str, public: Mapping[str, bytes]) -> Sequence[tuple[int, Segment]]:
    """Return the segments of a store's chain whose signatures hold, each with its event's number."""
    found = []
    for row in await db.all("SELECT seq, core FROM audit WHERE kind = $1 ORDER BY seq", KIND):
        begun = Segment.of(store, read_core(row["core"]))
        if begun and begun.seq == row["seq"] and begun.fits(public):
            found.append((begun.seq, begun))
    return found


def _head(text: str) -> Head:
    """A head, or the place before the first event of all."""
    seq, _, digest = text.partition(":")
    return Head(0, bytes.fromhex(digest)) if seq == "0" else Head.parse(text)
