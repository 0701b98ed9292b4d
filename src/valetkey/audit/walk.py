"""Walking the chain: what is checked of each event, whether it stands in a store or in an export.

Where the events come from, and what else a store has to agree with, is `verify` and `export`.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from valetkey.audit.chain import Personal, first_hash, next_hash, read_core
from valetkey.audit.head import Head
from valetkey.audit.segments import KIND, Segment
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
    (hex) under which the checkpoints were checked. `notes` are no faults: where the store was restored.
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
    notes: tuple[Finding, ...] = ()

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
            "notes": [{"seq": note.seq, "text": note.text} for note in self.notes],
        }


class Walk:
    """Goes from event to event and keeps what it finds; after a fault it goes on from what is stored.

    `keys` are the public keys, by id, under which a segment has to be signed.
    """

    def __init__(self, store: str, keys: Mapping[str, bytes]) -> None:
        self._store, self._keys, self.head = store, keys, Head(0, first_hash(store))
        self.events, self.withheld = 0, 0
        self.findings: list[Finding] = []
        self.notes: list[Finding] = []
        self._gaps: dict[int, int] = {}

    def find(self, seq: Json, text: str) -> None:
        """Keep a finding."""
        if len(self.findings) < MOST:
            self.findings.append(Finding(seq if isinstance(seq, int) else None, text))

    def skipped(self, after: int) -> int:
        """How many numbers, after this one, are of events of an old chain."""
        return sum(count for seq, count in self._gaps.items() if seq > after)

    def step(self, seq: Json, core: Json, digest: Json) -> Mapping[str, Json]:
        """Go one event further. Returns what its core says, nothing where it cannot be read."""
        self.events += 1
        if not (isinstance(seq, int) and isinstance(core, bytes) and isinstance(digest, bytes)):
            self.find(seq, "this is not an event: its number, core or hash has another type")
            return {}
        said = self._read(seq, core)
        if segment := self._segment(seq, said):
            self.notes.append(Finding(seq, segment.told()))
        if seq != (segment.seq if segment else self.head.seq + 1):
            self.find(seq, f"events are missing or moved: event {self.head.seq + 1} should stand here")
        elif next_hash(self.head.hash, core) != digest:
            self.find(seq, "this event was changed, or the one before it: its hash does not follow")
        self.head = Head(seq, digest)
        return said

    def _segment(self, seq: int, said: Mapping[str, Json]) -> Segment | None:
        """The segment that begins here, if it is one that was signed for this very place."""
        begun = Segment.of(self._store, said)
        if begun and begun.after == self.head and begun.fits(self._keys):
            self._gaps[begun.seq] = begun.seq - begun.after.seq - 1
            return begun
        if said.get("kind") == KIND:
            self.find(seq, "this claims that the store was restored here, and its signature does not fit")
        return None

    def personal(self, core: Mapping[str, Json], part: Personal | None) -> None:
        """Compare a personal part with the digest that the chain holds of it."""
        digest = core.get("personal")
        if part is None:
            self.withheld += digest is not None
        elif part.digest() != digest:
            self.find(self.head.seq, "the personal part is not the one that was recorded")

    def _read(self, seq: int, core: bytes) -> Mapping[str, Json]:
        said = read_core(core)
        if not said:
            self.find(seq, "the core of this event cannot be read")
        return said
