"""Stores of earlier releases, as `tests/store/releases` keeps them, put where today's program finds them."""

import base64
import json
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from valetkey.store import Store, migrations

FOLDER = Path(__file__).parent.parent / "store" / "releases"
SCHEMAS = {"0.1.0": 1}
"""Every release, and the schema of its store."""


def beside(version: str, home: Path) -> None:
    """Put into a home what stood beside the store: the key, a test's, and the signed head."""
    home.mkdir(mode=0o700, exist_ok=True)
    for name in ("key", "audit-head.json"):
        shutil.copy(FOLDER / version / name, home / name)
        (home / name).chmod(0o600)


@contextmanager
def program_of(version: str) -> Iterator[None]:
    """Today's program with the tables of an earlier release."""
    known = migrations._steps()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(migrations, "_steps", lambda: known[: SCHEMAS[version]])
        yield


async def fill(store: Store, version: str) -> None:
    """Write everything that the release had in its store."""
    lines = [json.loads(line) for line in (FOLDER / version / "store.jsonl").read_text().splitlines()]
    order = ["meta", *_tables(version)]
    async with store.transaction() as tx:
        await tx.run("DELETE FROM meta")
        for line in sorted(lines, key=lambda line: order.index(line["table"])):
            row = {name: _plain(value) for name, value in line["row"].items()}
            marks = ", ".join(f"${n}" for n in range(1, len(row) + 1))
            await tx.run(f"INSERT INTO {line['table']} ({', '.join(row)}) VALUES ({marks})", *row.values())


def _tables(version: str) -> list[str]:
    texts = [sql for _, sql in migrations._steps()[: SCHEMAS[version]]]
    return re.findall(r"CREATE TABLE (\w+)", "\n".join(texts))


def _plain(value: Any) -> Any:
    return base64.b64decode(value["base64"]) if isinstance(value, dict) else value
