"""A store's generation: as a value, and as the one row that says which copy this is."""

from dataclasses import asdict, dataclass, replace
from enum import StrEnum
from typing import Any

from valetkey.store import Reads, Row, Transaction
from valetkey.vault import KeyRing
from valetkey.vault.rows import BoundRows, Table


class State(StrEnum):
    """Only a live copy acts. A dormant one waits to be activated; a retired one was taken over from."""

    LIVE = "live"
    DORMANT = "dormant"
    MOVING = "moving"
    RETIRED = "retired"


@dataclass(frozen=True, slots=True)
class Generation:
    """Which copy of the store `store` this is.

    `number` counts how often one was made live, `id` tells two that were made live apart. `place` is where
    the store stood then, `home` the folder that used it; `other` is the copy before or after it, where known.
    """

    store: str
    number: int
    id: str
    state: State
    place: str
    home: str
    since: int
    reason: str | None = None
    other: str | None = None


class Generations:
    """Reads and writes the row. It has a MAC: nobody makes a copy live without the key."""

    def __init__(self, keys: KeyRing) -> None:
        self._store, self._bound = keys.store_id, BoundRows(keys, TABLE)

    async def read(self, db: Reads) -> Generation | None:
        """Return the store's generation; None where the row is missing or does not fit."""
        row = self._bound.good(await db.one(_ROW, self._store))
        return _generation(row) if row else None

    async def is_there(self, db: Reads) -> bool:
        """Whether there is a row at all, be it good or not."""
        return await db.one(_ROW, self._store) is not None

    async def write(self, tx: Transaction, generation: Generation) -> Generation:
        """Put a generation in the place of whatever stood there."""
        await tx.run("DELETE FROM copies")
        await self._bound.insert(tx, **asdict(generation))
        return generation

    async def change(self, tx: Transaction, now: Generation, state: State, **more: Any) -> Generation:
        """Write a generation in another state."""
        return await self.write(tx, replace(now, state=state, **more))


def _generation(row: Row) -> Generation:
    values = {name: row[name] for name in (*TABLE.key, *TABLE.columns)}
    return Generation(**{**values, "state": State(row["state"])})


TABLE = Table("copies", ("store",), ("number", "id", "state", "reason", "place", "home", "other", "since"))
_ROW = f"{TABLE.select} WHERE store = $1"
