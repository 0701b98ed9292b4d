"""Whether the audit is the one whose head was signed outside the store, told without walking the chain."""

from pathlib import Path

from valetkey.audit.checkpoint import contradiction
from valetkey.audit.head import read_head, untrusted
from valetkey.store import Reads
from valetkey.vault import KeyRing


async def head_problem(db: Reads, keys: KeyRing, file: Path) -> str | None:
    """Why it is not; None when it is, or nothing was signed yet.

    Raises IntegrityError for a file that is no head.
    """
    outside = read_head(file)
    if outside is None:
        signed = await db.one("SELECT seq FROM checkpoints LIMIT 1")
        return f"{file} is missing; put it back from a backup" if signed else None
    return untrusted(outside, keys) or await contradiction(db, outside.head, keys)
