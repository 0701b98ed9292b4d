"""Rows that carry authority, bound to what they say: a keyed MAC over their columns, in the column `mac`.

Whoever can write the store without the key can neither make such a row nor change one. A whole row put
back as it once was fits still; the audit knows better (`audit.standing`). Which rows, each room says.
"""

import hmac
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from operator import itemgetter

from valetkey.errors import IntegrityError
from valetkey.model import AuditEvent, Json, Principal
from valetkey.store import Row, Transaction, Value
from valetkey.vault.keys import KeyRing, Purpose, ServerKey

_MOST_KNOWN = 4_096
"""Of how many rows one process remembers what it found good."""
_MOST_TOLD = 10_000
"""How many rows that do not fit one process tells of, each once."""


@dataclass(frozen=True, slots=True)
class Table:
    """A table whose rows are bound. `key` names a row; `columns`, with the key's, are what it says.

    `beside` is read with them, and can be changed by whoever can write the store: it carries nothing.
    """

    name: str
    key: tuple[str, ...]
    columns: tuple[str, ...]
    beside: tuple[str, ...] = ()

    @property
    def reads(self) -> str:
        """What `BoundRows` needs of a row, for a query of the room's own."""
        return ", ".join((*self.key, *self.columns, *self.beside, "mac"))

    @property
    def select(self) -> str:
        """Reads whole rows; the room adds which."""
        return f"SELECT {self.reads} FROM {self.name}"  # noqa: S608 - a room's constants


class BoundRows:
    """Writes the rows of one table with their MACs, and tells those that fit from those that do not.

    One that does not reads as if it were not there, and the key ring's `tell` is told of it.
    """

    def __init__(self, keys: KeyRing, table: Table) -> None:
        self._keys, self._table = keys, table
        self._told, self._known = set[str](), dict[tuple[Value, ...], tuple[Value, ...]]()
        self._columns = (*table.key, *table.columns)
        self._values = itemgetter(*self._columns, "mac")
        self._which = " AND ".join(f"{name} = ${n}" for n, name in enumerate(table.key, 1))

    async def insert(self, tx: Transaction, **values: Value) -> None:
        """Write a new row. Columns that are not named are empty."""
        row = {**values, "mac": self._mac({**dict.fromkeys(self._columns), **values})}
        marks = ", ".join(f"${n}" for n in range(1, len(row) + 1))
        sql = f"INSERT INTO {self._table.name} ({', '.join(row)}) VALUES ({marks})"  # noqa: S608 - names of columns
        await tx.run(sql, *row.values())

    async def change(self, tx: Transaction, *key: Value, **changes: Value) -> None:
        """Change some columns of a row. Raises IntegrityError where there is none that fits.

        The row is looked at first: to change one that was tampered with would make it good.
        """
        row = self.good(await tx.one(f"{self._table.select} WHERE {self._which}", *key))
        if row is None:
            raise IntegrityError(f"a row of {self._table.name} is gone, or was changed behind our back")
        changes["mac"] = self._mac({**row, **changes})
        new = ", ".join(f"{name} = ${n}" for n, name in enumerate(changes, len(key) + 1))
        sql = f"UPDATE {self._table.name} SET {new} WHERE {self._which}"  # noqa: S608 - names of columns
        await tx.run(sql, *key, *changes.values())

    def good(self, row: Row | None) -> Row | None:
        """Return a row that was read with `Table.select` if it fits, else None, and that is told."""
        if row is None or self._fits(row):
            return row
        self._report(row)
        return None

    def all_good(self, rows: Iterable[Row]) -> list[Row]:
        """Those of the rows that fit."""
        return [row for row in rows if self.good(row)]

    def _fits(self, row: Row) -> bool:
        values = self._values(row)
        key = values[: len(self._table.key)]
        if self._known.get(key) == values:  # it was found good as it is: a call reads half a dozen rows
            return True
        *columns, mac = values
        said, given = self._said(columns), str(mac).encode()
        keys = self._keys.all_for(Purpose.ROWS)
        if not any(hmac.compare_digest(_digest(key, said), given) for key in keys):
            return False
        if len(self._known) >= _MOST_KNOWN:
            self._known.clear()
        self._known[key] = values  # and no more what it said before: a row that changes is kept once
        return True

    def _mac(self, row: Row) -> str:
        said = self._said([row[name] for name in self._columns])
        return _digest(self._keys.server(Purpose.ROWS), said).decode()

    def _said(self, values: Sequence[Value]) -> bytes:
        """All that a row says, with its types: JSON, so that no two rows say the same."""
        return json.dumps([self._table.name, *values], default=_bytes).encode()

    def _report(self, row: Row) -> None:
        about = repr(tuple(row[name] for name in (*self._columns, "mac")))
        if about in self._told or len(self._told) >= _MOST_TOLD:
            return
        self._told.add(about)
        record = [str(row[name])[:100] for name in self._table.key]
        facts: dict[str, Json] = {"table": self._table.name, "record": record}
        self._keys.tell(AuditEvent("integrity", "system", _principal(row), None, facts))


def _digest(key: ServerKey, said: bytes) -> bytes:
    return hmac.digest(key.secret, said, "sha256").hex().encode()


def _bytes(value: bytes) -> Json:
    """A blob, as no text can be written."""
    return {"bytes": value.hex()}


def _principal(row: Row) -> Principal | None:
    """Whose the row says it is, so that they see it too."""
    who = (row["issuer"], row["subject"]) if {"issuer", "subject"} <= set(row.keys()) else ()
    return Principal(*who) if who and all(isinstance(part, str) for part in who) else None
