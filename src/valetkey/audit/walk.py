"""Walking the chain: what is checked of each event, whether it stands in a store or in an export.

Where the events come from, and what else a store has to agree with, is `verify` and `export`.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass

from valetkey.audit.chain import Personal, first_hash, next_hash
from valetkey.audit.head import Head
from valetkey.model import Json

MOST = 1_000
"""How many findings are kept: a store that was written anew has one for every event."""


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that does not fit, in a sentence; `seq` is the number of the event it was met at."""

    seq: int | None
    text: str


@dataclass(frozen=True, slots=True)
class Verification:
    """What a verification saw. `withheld` personal parts were forgotten or left out, which is no fault.

    `unsigned` events came after the last checkpoint; `records` are sealed records whose receipts were
    compared, `rows` other rows of which the chain says something; `signed_by` are the ids and public keys
    (hex) under which the checkpoints were checked.
    """

    store: str
    head: Head
    events: int
    withheld: int
    checkpoints: int
    unsigned: int
    records: int
    rows: int
    signed_by: Mapping[str, str]
    findings: tuple[Finding, ...]

    @property
    def ok(self) -> bool:
        return not self.findings

    def as_json(self) -> dict[str, Json]:
        return {
            "ok": self.ok,
            "store": self.store,
            "head": str(self.head),
            "events": self.events,
            "withheld": self.withheld,
            "checkpoints": self.checkpoints,
            "unsigned": self.unsigned,
            "records": self.records,
            "rows": self.rows,
            "signed_by": dict(self.signed_by),
            "findings": [{"seq": finding.seq, "text": finding.text} for finding in self.findings],
        }


class Walk:
    """Goes from event to event and keeps what it finds; after a fault it goes on from what is stored."""

    def __init__(self, store: str) -> None:
        self.head = Head(0, first_hash(store))
        self.events, self.withheld = 0, 0
        self.findings: list[Finding] = []

    def find(self, seq: Json, text: str) -> None:
        """Keep a finding."""
        if len(self.findings) < MOST:
            self.findings.append(Finding(seq if isinstance(seq, int) else None, text))

    def step(self, seq: Json, core: Json, digest: Json) -> Mapping[str, Json]:
        """Go one event further. Returns what its core says, nothing where it cannot be read."""
        self.events += 1
        if not (isinstance(seq, int) and isinstance(core, bytes) and isinstance(digest, bytes)):
            self.find(seq, "this is not an event: its number, core or hash has another type")
            return {}
        if seq != self.head.seq + 1:
            self.find(seq, f"events are missing or moved: event {self.head.seq + 1} should stand here")
        elif next_hash(self.head.hash, core) != digest:
            self.find(seq, "this event was changed, or the one before it: its hash does not follow")
        self.head = Head(seq, digest)
        return self._read(seq, core)

    def personal(self, core: Mapping[str, Json], part: Personal | None) -> None:
        """Compare a personal part with the digest that the chain holds of it."""
        digest = core.get("personal")
        if part is None:
            self.withheld += digest is not None
        elif part.digest() != digest:
            self.find(self.head.seq, "the personal part is not the one that was recorded")

    def _read(self, seq: int, core: bytes) -> Mapping[str, Json]:
        try:
            said = json.loads(core)
        except (ValueError, RecursionError):
            said = None
        if not isinstance(said, dict):
            self.find(seq, "the core of this event cannot be read")
            return {}
        return said
