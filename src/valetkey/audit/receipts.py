"""What the chain remembers of sealed records: the last receipt of each, or that it was forgotten.

A row put back as it once was opens without complaint; only its receipt tells.
"""

from collections.abc import Iterator, Mapping, Sequence

from valetkey.model import Json
from valetkey.store import Row
from valetkey.vault import receipt_digest

_BATCH = 200
_Said = tuple[int, int | None, str | None]
"""The number of the event, and the record's version and digest; None for one that was forgotten."""


class Receipts:
    """Collects receipts as the chain is walked, then says where the sealed records differ."""

    def __init__(self) -> None:
        self._last: dict[str, dict[str, _Said]] = {}

    def __len__(self) -> int:
        return sum(len(records) for records in self._last.values())

    def take(self, seq: int, core: Mapping[str, Json]) -> None:
        """Remember what an event says of a sealed record, in place of what an earlier one said."""
        match core.get("facts"):
            case {"sealed": str(purpose), "record": str(key), "version": int(version), "digest": str(digest)}:
                self._last.setdefault(purpose, {})[key] = (seq, version, digest)
            case {"forgotten": str(purpose), "record": str(key)}:
                self._last.setdefault(purpose, {})[key] = (seq, None, None)

    def batches(self) -> Iterator[tuple[str, Sequence[str]]]:
        """All records so far, by purpose, a bounded number at a time."""
        for purpose, ids in [(purpose, list(records)) for purpose, records in self._last.items()]:
            for start in range(0, len(ids), _BATCH):
                yield purpose, ids[start : start + _BATCH]

    @staticmethod
    def query(ids: Sequence[str]) -> str:
        """Reads records ($1 purpose, $2… ids) and, of the very same moment, the chain's last number."""
        places = ", ".join(f"${n}" for n in range(2, len(ids) + 2))
        return f"""
            SELECT m.last, s.id, s.version, s.content FROM (SELECT MAX(seq) AS last FROM audit) m
            LEFT JOIN sealed s ON s.purpose = $1 AND s.id IN ({places})"""  # noqa: S608 - placeholders only

    def differences(self, purpose: str, ids: Sequence[str], rows: Sequence[Row]) -> Iterator[tuple[int, str]]:
        """Say, with the number of the event that knew better, what is wrong with each record."""
        found = {row["id"]: row for row in rows if row["id"] is not None}
        for key in ids:
            said = self._last[purpose][key]
            if problem := _problem(said, found.get(key)):
                yield said[0], f"the sealed {purpose} {key} {problem}"


def _problem(said: _Said, row: Row | None) -> str | None:
    _, version, digest = said
    if row is None:
        return None if version is None else "is gone, and no event says that it was forgotten"
    if version is None:
        return "was forgotten and is there again"
    if (row["version"], _digest(row["content"])) != (version, digest):
        return f"is at version {row['version']} and not what was last recorded, version {version}"
    return None


def _digest(content: Json) -> str:
    return receipt_digest(content) if isinstance(content, bytes) else ""
