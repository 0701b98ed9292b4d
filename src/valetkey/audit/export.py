"""The audit as JSON Lines: an export that proves itself offline, and the check of one.

An export is checked with nothing but its lines; it cannot say whether the sealed records of the
store still match, which is `verify`'s.
"""

import json
from collections.abc import AsyncIterator, Iterable, Mapping

from valetkey.audit.chain import Personal, compact
from valetkey.audit.head import Checkpoint, Head, public_keys, unsigned
from valetkey.audit.personal import JOIN_PERSONAL, PERSONAL, part_of
from valetkey.audit.walk import Verification, Walk
from valetkey.errors import IntegrityError
from valetkey.model import Json
from valetkey.store import Reads, Row
from valetkey.vault import Vault

_FORMAT = "valetkey-audit/1"


async def export(
    db: Reads, vault: Vault, signed: Checkpoint, *, personal: bool = False
) -> AsyncIterator[str]:
    """Yield the lines, without their line ends, of all events up to a signed head.

    `personal` adds the personal parts. Raises IntegrityError when one of them does not open.
    """
    keys = {kid: public.hex() for kid, public in public_keys(vault.keys).items()}
    yield compact({"format": _FORMAT, "store": signed.store, "head": str(signed.head), "keys": keys})
    seen = 0
    while rows := await db.all(_BATCH, seen, signed.head.seq):
        await vault.meet(db, *rows)
        for row in rows:
            yield compact(_line(row, part_of(vault, row) if personal else None))
        seen = rows[-1]["seq"]
    yield compact({"signed_head": signed.as_json()})


def _line(row: Row, part: Personal | None) -> dict[str, Json]:
    # What somebody put there need not be UTF-8: it leaves as it is, to fail where it is checked.
    line = {"core": row["core"].decode("utf-8", "surrogateescape"), "hash": row["hash"].hex()}
    return line | ({"personal": {"salt": part.salt, "text": part.text}} if part else {})


def verify_export(lines: Iterable[str], *, anchor: Head | None = None) -> Verification:
    """Check an export. `anchor` is a head noted elsewhere: the chain has to contain it.

    The keys are the export's own: compare `signed_by` with what the operator published.
    """
    parsed = (_parsed(line) for line in lines if line.strip())
    reading = _Reading(next(parsed, {}), anchor)
    for line in parsed:
        reading.line(line)
    return reading.result()


class _Reading:
    """One export on its way through the check."""

    def __init__(self, header: Mapping[str, Json], anchor: Head | None) -> None:
        self._header, self._anchor = header, anchor
        self._keys = _keys(header.get("keys"))
        self._walk = Walk(str(header.get("store")), self._keys)
        self._end: Json = None
        if header.get("format") != _FORMAT:
            self._walk.find(None, f"this does not begin as an export of an audit ({_FORMAT})")

    def line(self, line: Mapping[str, Json]) -> None:
        """Take the next line."""
        if self._end is not None:
            self._walk.find(None, "something stands behind the signed head")
        elif "signed_head" in line:
            self._end = line["signed_head"]
        else:
            self._event(line)

    def _event(self, line: Mapping[str, Json]) -> None:
        walk = self._walk
        core = _bytes(line.get("core"))
        said = walk.step(_number(core), core, _unhex(line.get("hash")))
        if said:
            self._personal(said, line.get("personal"))
        if self._anchor and self._anchor.seq == walk.head.seq and self._anchor != walk.head:
            walk.find(walk.head.seq, "this event is not the one that the anchor names")

    def _personal(self, said: Mapping[str, Json], part: Json) -> None:
        try:
            self._walk.personal(said, Personal(str(part["salt"]), str(part["text"])) if part else None)
        except (KeyError, TypeError, ValueError):
            self._walk.find(self._walk.head.seq, "the personal part cannot be read")

    def result(self) -> Verification:
        """Check the end, and say what was seen."""
        walk, signed = self._walk, self._signed()
        if self._anchor and self._anchor.seq > walk.head.seq:
            walk.find(None, f"the anchor names event {self._anchor.seq}, and the export ends before it")
        return Verification(
            store=str(self._header.get("store")),
            head=walk.head,
            events=walk.events,
            withheld=walk.withheld,
            checkpoints=int(signed),
            unsigned=0 if signed else walk.head.seq,
            records=0,
            rows=0,
            signed_by={kid: public.hex() for kid, public in self._keys.items()},
            findings=tuple(walk.findings),
            notes=tuple(walk.notes),
        )

    def _signed(self) -> bool:
        """Whether the signed head at the end is that of the chain which was walked."""
        try:
            end = Checkpoint.from_json(self._end)
        except IntegrityError:
            self._walk.find(None, "the signed head at the end is missing: the export was cut")
            return False
        stands = (self._header.get("store"), self._walk.head, self._header.get("head"))
        if (end.store, end.head, str(end.head)) != stands:
            self._walk.find(None, "the signed head is not that of these events")
            return False
        if why := unsigned(end, self._keys):
            self._walk.find(None, why)
        return not why


def _parsed(line: str) -> Mapping[str, Json]:
    try:
        value = json.loads(line)
    except (ValueError, RecursionError):
        return {}
    return value if isinstance(value, dict) else {}


def _keys(value: Json) -> dict[str, bytes]:
    pairs = value.items() if isinstance(value, dict) else ()
    return {kid: public for kid, text in pairs if (public := _unhex(text))}


def _unhex(value: Json) -> bytes | None:
    try:
        return bytes.fromhex(value)
    except (TypeError, ValueError):
        return None


def _bytes(value: Json) -> bytes | None:
    try:
        return value.encode("utf-8", "surrogateescape") if isinstance(value, str) else None
    except UnicodeEncodeError:
        return None


def _number(core: bytes | None) -> Json:
    return _parsed(core.decode("utf-8", "surrogateescape")).get("seq") if core else None


_BATCH = f"""
SELECT a.seq, a.id, a.core, a.hash, {PERSONAL} FROM audit a {JOIN_PERSONAL}
WHERE a.seq > $1 AND a.seq <= $2 ORDER BY a.seq LIMIT 500"""  # noqa: S608 - constants
