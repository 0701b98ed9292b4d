"""How a cost grows with what there is: tools that are published, events that are in the audit."""

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from statistics import median

from benchmarks.figures import Line
from valetkey.assemble import House, opened
from valetkey.model import AuditEvent
from valetkey.settings import FILE, parse

FEW, SAMPLES = 10_000, 400


async def audit(home: Path, many: int) -> Line:
    """Appending one event beside FEW others and beside `many`."""
    async with _house(home) as house:
        await _fill(house, FEW)
        before = await _append(house)
        await _fill(house, many)
        after = await _append(house)
    return Line(f"appending to an audit of {many:,} events, beside {FEW:,}", "µs", before, after, "≤ 1.5")


@asynccontextmanager
async def _house(home: Path) -> AsyncIterator[House]:
    home.mkdir(mode=0o700)  # noqa: ASYNC240 - nothing else runs yet
    async with opened(parse("", home / FILE), public_url="http://localhost:1") as house:
        yield house


async def _append(house: House) -> float:
    """The median of microseconds, of events that a power cut may take: how reads are recorded."""
    taken = []
    for _ in range(SAMPLES):
        began = time.perf_counter()
        async with house.ground.store.transaction(durable=False) as tx:
            await house.ground.audit.append(tx, AuditEvent("measured", "system", None, None))
        taken.append((time.perf_counter() - began) * 1e6)
    return median(taken)


async def _fill(house: House, rows: int) -> None:
    """Bring the audit to so many rows, like those of calls. They are no chain: nobody verifies them."""
    for first in range(await _count(house), rows, 100_000):
        async with house.ground.store.transaction() as tx:
            await tx.run(_MORE, first, min(100_000, rows - first), b"x" * 400, b"x" * 32)


async def _count(house: House) -> int:
    row = await house.ground.store.one("SELECT max(seq) AS seq FROM audit")
    return int(row["seq"] or 0) if row else 0


_MORE = """
WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < $2)
INSERT INTO audit (seq, id, at, kind, call, issuer, subject, actor, core, hash)
SELECT $1 + i, 'evt_' || ($1 + i), $1 + i, 'call.opened', 'cal_' || ($1 + i), 'local', 'prs_' || (i % 1000),
  'agt_' || (i % 10), $3, $4 FROM n"""
