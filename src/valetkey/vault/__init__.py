"""The vault: sealed records in one table, each opened only where it stands and for what it is bound to.

Rooms decide what goes in; nothing here knows what a token is, and nothing outside decrypts.
"""

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import NamedTuple

from valetkey.errors import IntegrityError
from valetkey.model import Json
from valetkey.store import Reads, Row, Transaction
from valetkey.vault.keks import ACTIVE
from valetkey.vault.keys import NEW_SEALED, PUT_SEALED, KeyRing, Purpose, ServerKey
from valetkey.vault.seal import Place, Sealed

COLUMNS = "s.version, s.bound, s.kek, s.dek, s.content"
"""What `Vault.opened` needs of a row that a room joined with `sealed s` itself, to save a query."""


@dataclass(frozen=True, slots=True)
class Receipt:
    """What the audit remembers of a sealed record: enough to notice a rollback or a removal."""

    purpose: str
    id: str
    version: int
    digest: str

    def facts(self) -> Mapping[str, Json]:
        """As fields of an audit event."""
        return {"sealed": self.purpose, "record": self.id, "version": self.version, "digest": self.digest}


class Opened(NamedTuple):
    """An opened record and the version it has."""

    content: Json
    version: int
    bound: str


class Vault:
    """Puts, opens and forgets sealed records. `content` is any JSON value."""

    def __init__(self, keys: KeyRing) -> None:
        self.keys = keys

    async def put(
        self, tx: Transaction, purpose: str, key: str, content: Json, *, bound: str = ""
    ) -> Receipt:
        """Seal a new version of a record in the caller's transaction and return its receipt."""
        row = await tx.one(_STANDS, purpose, key)
        version = ((row and row["version"]) or 0) + 1
        await self.keys.keks.ready(tx, row["active"] if row else "")
        sealed = self._sealed(self._place(purpose, key, version, bound), content)
        await tx.run(PUT_SEALED, purpose, key, version, bound, sealed.kek, sealed.dek, sealed.content)
        return Receipt(purpose, key, version, receipt_digest(sealed.content))

    async def put_new(self, tx: Transaction, purpose: str, records: Mapping[str, Json]) -> None:
        """Seal the first version of many records at once; their ids must be new."""
        if not records:
            return
        rows, active = [], await tx.one(ACTIVE)
        await self.keys.keks.ready(tx, active["id"] if active else "", len(records))
        for key, content in records.items():
            sealed = self._sealed(self._place(purpose, key, 1, ""), content)
            rows.append((purpose, key, 1, "", sealed.kek, sealed.dek, sealed.content))
        await tx.many(NEW_SEALED, rows)

    async def open(self, db: Reads, purpose: str, key: str) -> Opened:
        """Open a record. Raises IntegrityError when it is missing, changed, moved or rolled back."""
        row = await db.one(f"SELECT {COLUMNS} FROM sealed s WHERE purpose = $1 AND id = $2", purpose, key)  # noqa: S608 - a constant
        if row is None:
            raise IntegrityError(f"the sealed {purpose} {key} is missing")
        await self.meet(db, row)
        return self.opened(purpose, key, row)

    async def meet(self, db: Reads, *rows: Row) -> None:
        """Before `opened`: see whether a row is under a key that another process made since."""
        await self.keys.keks.meet(db, *(row["kek"] for row in rows))

    def opened(self, purpose: str, key: str, row: Row) -> Opened:
        """Open a record whose COLUMNS the caller has read, and let `meet` see. Raises IntegrityError."""
        place = self._place(purpose, key, row["version"], str(row["bound"]))  # a blob there does not open
        plain = self.keys.keks.open(place, Sealed(row["kek"], row["dek"], row["content"]))
        return Opened(json.loads(plain), row["version"], row["bound"])

    async def forget(self, tx: Transaction, purpose: str, key: str) -> bool:
        """Remove a record; the store overwrites its bytes. Says whether there was one."""
        return await tx.run("DELETE FROM sealed WHERE purpose = $1 AND id = $2", purpose, key) == 1

    async def forget_all(self, tx: Transaction, purpose: str, keys: Iterable[str]) -> None:
        """Remove many records at once, where they are there."""
        rows = [(purpose, key) for key in keys]
        await tx.many("DELETE FROM sealed WHERE purpose = $1 AND id = $2", rows)

    def _sealed(self, place: Place, content: Json) -> Sealed:
        return self.keys.keks.seal(place, json.dumps(content).encode())

    def _place(self, purpose: str, key: str, version: int, bound: str) -> Place:
        return Place(purpose, self.keys.store_id, key, version, bound)


_STANDS = f"""
SELECT ({ACTIVE}) AS active, (SELECT version FROM sealed WHERE purpose = $1 AND id = $2) AS version"""  # noqa: S608 - a constant


def receipt_digest(content: bytes) -> str:
    """The digest of a record's ciphertext that receipts carry (SHA-256, hex)."""
    return hashlib.sha256(content).hexdigest()


__all__ = ["COLUMNS", "KeyRing", "Opened", "Purpose", "Receipt", "ServerKey", "Vault", "receipt_digest"]
