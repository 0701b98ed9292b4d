"""Verifying a store: the chain from its first event, and all that has to agree with it.

Look-up columns, personal parts, checkpoints, the head outside the store, the sealed records whose receipts
the chain holds, and the rows that it says something of. An exported chain is checked by `export`.
"""

from collections.abc import Callable, Mapping
from pathlib import Path

from valetkey.audit.checkpoint import contradiction, of_row, restored_since
from valetkey.audit.head import Head, public_keys, read_head, unsigned, untrusted
from valetkey.audit.personal import JOIN_PERSONAL, PERSONAL, part_of
from valetkey.audit.receipts import Receipts
from valetkey.audit.standing import Standing
from valetkey.audit.walk import Finding, Verification, Walk
from valetkey.errors import IntegrityError
from valetkey.model import Json
from valetkey.store import Reads, Row
from valetkey.vault import KeyRing, Vault

Progress = Callable[[int, int], None]
"""Told after each batch how many events are done, and of how many."""


async def verify(
    db: Reads,
    keys: KeyRing,
    *,
    head_file: Path | None = None,
    anchor: Head | None = None,
    progress: Progress = lambda _done, _all: None,
) -> Verification:
    """Check the whole audit of a store while it goes on being written.

    `head_file` is the signed head outside the store, `anchor` one that somebody noted elsewhere.
    Raises StoreError when the store cannot be read.
    """
    checking = _Checking(db, keys, progress)
    await checking.chain()
    await checking.checkpoints()
    if head_file is not None:
        await checking.head_outside(head_file)
    if anchor is not None:
        await checking.known(anchor)
    await checking.sealed_records()
    await checking.rows()
    return checking.result()


class _Checking:
    """One verification on its way. Events may be added meanwhile: each comparison says up to where."""

    def __init__(self, db: Reads, keys: KeyRing, progress: Progress) -> None:
        self._db, self._keys, self._vault, self._progress = db, keys, Vault(keys), progress
        self._public = public_keys(keys)
        self._walk, self._receipts, self._standing = Walk(keys.store_id, self._public), Receipts(), Standing()
        self._seen: Json = 0  # where the next batch starts: what is stored as a number may be none
        self._checkpoints, self._signed = 0, 0

    async def chain(self) -> None:
        """Walk all there is now."""
        found = await self._db.one(_EXTENT)
        outside = await self._db.one("SELECT COUNT(*) AS n FROM audit WHERE seq IS NULL OR seq < 1")
        if outside and outside["n"]:
            self._walk.find(None, f"{outside['n']} events stand outside the chain: they have no number in it")
        if found and found["n"]:
            await self._walk_to(found["last"], found["n"])

    async def _walk_to(self, last: Json, count: int) -> None:
        while rows := await self._db.all(_BATCH, self._seen, last):
            await self._vault.meet(self._db, *rows)
            for row in rows:
                self._event(row)
            self._seen = rows[-1]["seq"]
            self._progress(self._walk.events, max(count, self._walk.events))

    def _event(self, row: Row) -> None:
        core = self._walk.step(row["seq"], row["core"], row["hash"])
        if not core:
            return
        if any(row[name] != value for name, value in _columns(core).items()):
            self._walk.find(row["seq"], "a look-up column does not say what the event says")
        self._legs(row, core)
        self._receipts.take(self._walk.head.seq, core)
        self._standing.take(self._walk.head.seq, core)
        self._personal(row, core)

    def _legs(self, row: Row, core: Mapping[str, Json]) -> None:
        """A call is opened once, and one that was sent was opened before it ended."""
        opened, seq, facts = row["opened"], row["seq"], _facts(core)
        claims_sent = facts.get("outcome") == "ok" and "connection" in facts
        if core.get("kind") == "call.opened" and opened != seq:
            self._walk.find(seq, "this call had been opened before: it was sent twice")
        if core.get("kind") == "call.closed" and claims_sent and not _is_before(opened, seq):
            self._walk.find(seq, "this call claims to have been sent and was never opened")

    def _personal(self, row: Row, core: Mapping[str, Json]) -> None:
        try:
            self._walk.personal(core, part_of(self._vault, row))
        except IntegrityError:
            self._walk.find(row["seq"], "the personal part was changed, or is another event's")

    async def checkpoints(self) -> None:
        """Check every signature, and that each checkpoint stands on the chain and on the one before."""
        after: Json = 0
        while rows := await self._db.all(_CHECKPOINTS, after):
            for row in rows:
                self._checkpoint(row, after)
                after = row["seq"]

    def _checkpoint(self, row: Row, after: Json) -> None:
        self._checkpoints += 1
        if unsigned(of_row(self._keys.store_id, row, after), self._public):
            text = "this checkpoint was changed, or the one before it removed: its signature does not fit"
            self._walk.find(row["seq"], text)
        elif row["stands"] is None:
            self._walk.find(row["seq"], "this event was signed and is gone: the chain was cut")
        elif row["stands"] != row["hash"]:
            self._walk.find(
                row["seq"], "this event is not the one that was signed: the chain was written anew"
            )
        else:
            self._signed = row["seq"]

    async def head_outside(self, file: Path) -> None:
        """Compare the chain with the signed head that is kept outside the store."""
        try:
            outside = read_head(file)
        except IntegrityError as error:
            return self._walk.find(None, str(error))
        if outside is None:
            return self._no_head(file)
        if why := untrusted(outside, self._keys):
            return self._walk.find(None, f"{file}: {why}")
        lost = await restored_since(self._db, outside.head, self._keys)
        if not lost and not await self._db.one("SELECT 1 FROM checkpoints WHERE seq = $1", outside.head.seq):
            self._walk.find(outside.head.seq, f"{file} names a checkpoint here that the store has lost")
        return await self.known(outside.head)

    def _no_head(self, file: Path) -> None:
        if self._checkpoints:
            self._walk.find(None, f"{file} is missing: without it a store that was put back looks whole")

    async def known(self, head: Head) -> None:
        """Check that the chain contains a head that was noted elsewhere."""
        if why := await contradiction(self._db, head, self._keys):
            self._walk.find(head.seq, why)
        elif begun := await restored_since(self._db, head, self._keys):
            text = f"this head was noted before the store was restored (event {begun.seq}): {begun.told()}"
            self._walk.notes.append(Finding(head.seq, text))

    async def sealed_records(self) -> None:
        """Compare the sealed records with their receipts, each as of the same moment."""
        for purpose, ids in self._receipts.batches():
            rows = await self._db.all(self._receipts.query(ids), purpose, *ids)
            await self._walk_to(rows[0]["last"], 0)  # the receipts of what was sealed meanwhile
            for seq, text in self._receipts.differences(purpose, ids, rows):
                self._walk.find(seq, text)

    async def rows(self) -> None:
        """Compare rows that carry authority with what was recorded of them, each as of the same moment."""
        for table, ids in self._standing.batches():
            rows = await self._db.all(self._standing.query(table, ids), *ids)
            await self._walk_to(rows[0]["last"], 0)
            for seq, text in self._standing.differences(table, ids, rows):
                self._walk.find(seq, text)

    def result(self) -> Verification:
        walk = self._walk
        return Verification(
            store=self._keys.store_id,
            head=walk.head,
            events=walk.events,
            withheld=walk.withheld,
            checkpoints=self._checkpoints,
            unsigned=max(walk.head.seq - self._signed - walk.skipped(self._signed), 0),
            records=len(self._receipts),
            rows=len(self._standing),
            signed_by={kid: public.hex() for kid, public in self._public.items()},
            findings=tuple(walk.findings),
            notes=tuple(walk.notes),
        )


def _facts(core: Mapping[str, Json]) -> Mapping[str, Json]:
    facts = core.get("facts")
    return facts if isinstance(facts, dict) else {}


def _is_before(number: Json, seq: int) -> bool:
    return isinstance(number, int) and number < seq


def _columns(core: Mapping[str, Json]) -> dict[str, Json]:
    """What the look-up columns have to hold beside a core."""
    issuer, subject = _first(core.get("principal"), 2)
    (actor,) = _first(core.get("actor"), 1)
    same = {name: core.get(name) for name in ("seq", "id", "at", "kind", "call")}
    return same | {"issuer": issuer, "subject": subject, "actor": actor}


def _first(value: Json, count: int) -> list[Json]:
    parts = value if isinstance(value, list) else []
    return [*parts, *[None] * count][:count]


_EXTENT = "SELECT MAX(seq) AS last, COUNT(*) AS n FROM audit"

# An event's number is compared with what is stored, so that no row is passed over.
_BATCH = f"""
SELECT a.*, {PERSONAL},
  (SELECT MIN(o.seq) FROM audit o WHERE o.call = a.call AND o.kind = 'call.opened') AS opened
FROM audit a {JOIN_PERSONAL}
WHERE a.seq > $1 AND a.seq <= $2 ORDER BY a.seq LIMIT 500"""  # noqa: S608 - constants

_CHECKPOINTS = """
SELECT c.*, a.hash AS stands FROM checkpoints c LEFT JOIN audit a ON a.seq = c.seq
WHERE c.seq > $1 ORDER BY c.seq LIMIT 500"""
