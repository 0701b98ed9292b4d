"""The tables of a store as they are copied: in which order, by which key, and how two copies are compared.

The embedded end of a copy tells: one of the two always is one, and both are at the schema of this program.
"""

import hashlib
import json
from dataclasses import dataclass

from valetkey.store import Reads, Row, Value

NOT_COPIED = frozenset({"meta", "copies", "leases"})
"""What is each store's own: `meta` goes by name, `copies` is written anew, a lease is a process's."""


@dataclass(frozen=True, slots=True)
class Copied:
    """A table that is copied: its columns, and the key by which its rows are taken in turn.

    `within` is its reference to itself, if it has one: what is referred to has to be there first.
    """

    name: str
    columns: tuple[str, ...]
    key: tuple[str, ...]
    within: str | None = None

    @property
    def insert(self) -> str:
        marks = ", ".join(f"${n}" for n in range(1, len(self.columns) + 1))
        return f"INSERT INTO {self.name} ({', '.join(self.columns)}) VALUES ({marks})"  # noqa: S608 - names of ours

    @property
    def order(self) -> tuple[str, ...]:
        """The columns by which its rows come, and after which of them the next come."""
        return ("depth", *self.key) if self.within else self.key

    def page(self, after: list[Value], limit: int) -> str:
        """Reads the rows after those `after` which, by `order`; all of them where that is empty."""
        by, marks = ", ".join(self.order), ", ".join(f"${n}" for n in range(1, len(after) + 1))
        where = f"WHERE ({by}) > ({marks})" if after else ""
        return f"{self._rows} {where} ORDER BY {by} LIMIT {limit}"

    @property
    def _rows(self) -> str:
        if self.within is None:
            return f"SELECT * FROM {self.name}"  # noqa: S608 - a name of ours
        (key,) = self.key
        return f"""
            WITH RECURSIVE deep (of, depth) AS (
              SELECT {key}, 0 FROM {self.name} WHERE {self.within} IS NULL
              UNION ALL SELECT t.{key}, d.depth + 1 FROM {self.name} t JOIN deep d ON t.{self.within} = d.of
            )
            SELECT t.*, d.depth FROM {self.name} t JOIN deep d ON d.of = t.{key}"""  # noqa: S608 - names of ours

    def values(self, row: Row) -> tuple[Value, ...]:
        return tuple(row[name] for name in self.columns)


async def tables(embedded: Reads) -> list[Copied]:
    """Return the tables, those that others refer to first."""
    names = [row["name"] for row in await embedded.all(_NAMES)]
    found = {name: await _table(embedded, name) for name in names if name not in NOT_COPIED}
    needs = {name: await _refers_to(embedded, name) for name in found}
    ordered: list[Copied] = []
    while len(ordered) < len(found):
        done = {table.name for table in ordered}
        ordered += [found[name] for name in found if name not in done and needs[name] <= done]
    return ordered


async def _table(embedded: Reads, name: str) -> Copied:
    columns = await embedded.all("SELECT name, pk FROM pragma_table_info($1) ORDER BY cid", name)
    key = sorted((row["pk"], row["name"]) for row in columns if row["pk"])
    names = tuple(row["name"] for row in columns)
    own = await embedded.one('SELECT "from" AS it FROM pragma_foreign_key_list($1) WHERE "table" = $1', name)
    return Copied(name, names, tuple(column for _, column in key) or names, own["it"] if own else None)


async def _refers_to(embedded: Reads, name: str) -> set[str]:
    rows = await embedded.all('SELECT "table" AS it FROM pragma_foreign_key_list($1)', name)
    return {row["it"] for row in rows} - {name}


@dataclass(slots=True)
class Sum:
    """How many rows a table has, and a sum over all of them that does not depend on their order."""

    rows: int = 0
    total: int = 0

    def add(self, values: tuple[Value, ...]) -> None:
        said = json.dumps(values, default=_hex).encode()
        self.rows += 1
        self.total = (self.total + int.from_bytes(hashlib.sha256(said).digest(), "big")) % (1 << 256)


def _hex(value: bytes) -> dict[str, str]:
    return {"bytes": bytes(value).hex()}


async def summed(db: Reads, table: Copied, batch: int, most: int | None = None) -> Sum:
    """Read a whole table, or the rows that come first, so many."""
    found, after = Sum(), list[Value]()
    while rows := await db.all(table.page(after, _next(batch, most, found)), *after):
        for row in rows:
            found.add(table.values(row))
        after = [row[name] for name in table.order]
    return found


def _next(batch: int, most: int | None, found: Sum) -> int:
    return batch if most is None else min(batch, most - found.rows)


_NAMES = "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%' ORDER BY name"
