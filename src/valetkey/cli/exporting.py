"""Where an export of the audit goes: a new file, whole or not at all, or stdout."""

import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO, cast

from valetkey.assemble import House, head_file
from valetkey.audit.checkpoint import checkpoint
from valetkey.audit.export import export
from valetkey.audit.head import Checkpoint
from valetkey.cli.house import act
from valetkey.errors import UsageError


async def exported(house: House, file: str, *, personal: bool) -> int:
    """Record that it is exported, sign the head, write the lines; returns how many events those are.

    Raises UsageError when the file is there already or cannot be written; then nothing is left of it.
    """
    if file == "-":
        return await _write(house, sys.stdout, personal=personal)
    try:
        with _whole(Path(file)) as out:
            return await _write(house, out, personal=personal)
    except FileExistsError:
        raise UsageError(f"{file} is there already; name a new file") from None
    except OSError as error:
        raise UsageError(f"{file}: cannot be written ({error.strerror})") from None


@contextmanager
def _whole(target: Path) -> Iterator[TextIO]:
    """Write a new file of mode 0600, which is there once it is whole. Raises FileExistsError, OSError."""
    if target.exists():
        raise FileExistsError
    descriptor, draft = tempfile.mkstemp(prefix=".valetkey-export-", dir=target.parent)
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8", errors="surrogateescape") as out:
            yield out
            out.flush()
            os.fsync(descriptor)
        os.link(draft, target)  # never over a file that appeared meanwhile
    finally:
        Path(draft).unlink()


async def _write(house: House, out: TextIO, *, personal: bool) -> int:
    ground = house.ground
    await ground.audit.note(act("audit.exported", personal=personal))
    signed = await checkpoint(ground.store, ground.keys, ground.clock, head_file(ground.settings))
    signed = cast(Checkpoint, signed)  # something is recorded: that it is exported
    lines = 0
    async for line in export(ground.store, ground.vault, signed, personal=personal):
        out.write(f"{line}\n")
        lines += 1
    return lines - 2  # the first and the last are no events
