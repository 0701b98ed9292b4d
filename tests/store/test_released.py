"""Stores of earlier releases: what they hold is there after the migration, and a call works with it."""

import hashlib
import os
import signal
import sqlite3
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.store.releases.make import MORE
from tests.support.clock import START, FakeClock
from tests.support.database import database
from tests.support.releases import SCHEMAS, beside, fill, program_of
from tests.support.town import town
from tests.support.wire import text
from valetkey.assemble import head_file
from valetkey.assemble.ground import open_store
from valetkey.audit.verify import verify
from valetkey.copies.checking import checked
from valetkey.copies.opening import of_ground
from valetkey.errors import StoreError
from valetkey.model import HOUR
from valetkey.store import migrations

FROZEN = {1: "cd43bc4b8da75c4b51a2b343483b9c3daf0626be2e916bb8a6e7638cc8d03c9d"}
"""What was released never changes: whoever has made a store with it would have another one."""


def nothing(_what: str, _done: int, _of: int) -> None:
    """No progress is shown."""


@pytest.fixture(params=["sqlite", "postgres"])
async def place(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Path | str]:
    if request.param == "sqlite":
        yield tmp_path / "home" / "store.db"
    else:
        async with database() as url:
            yield url


async def released(version: str, home: Path, place: Path | str) -> None:
    beside(version, home)
    with program_of(version):
        store = await open_store(place)
        try:
            await fill(store, version)
        finally:
            await store.aclose()


@pytest.mark.parametrize("version", SCHEMAS)
async def test_a_store_of_a_release_opens_verifies_and_works(
    version: str, tmp_path: Path, place: Path | str
) -> None:
    home = tmp_path / "home"
    await released(version, home, place)
    store = "" if isinstance(place, Path) else f'store = "{place}"\n'
    async with town(home, more=store + MORE, clients=(), clock=FakeClock(START + HOUR)) as here:
        ground = here.house.ground
        check = await checked(of_ground(ground), nothing)
        assert (check.problems, check.sealed > 20, check.events > 30) == ([], True, True)
        audit = await verify(ground.store, ground.keys, head_file=head_file(ground.settings))
        assert audit.findings == ()
        assert ground.gate.reason is None
        ana = await here.house.accounts.named(ground.store, "ana")
        async with here.client(await here.token(ana)) as client:
            assert "ana@example.com" in text(await client.call_tool("keyed.list_things", {}))


def test_what_was_released_has_not_changed() -> None:
    now = {n: hashlib.sha256(sql.encode()).hexdigest() for n, sql in migrations._steps() if n in FROZEN}
    assert now == FROZEN
    assert max(SCHEMAS.values()) == max(FROZEN), "a release freezes every step that it has"


def test_the_steps_are_numbered_without_a_gap_and_hold_statements_alone() -> None:
    steps = migrations._steps()
    assert [number for number, _ in steps] == list(range(1, len(steps) + 1))
    for number, sql in steps:
        for statement in filter(str.strip, sql.split(";\n")):
            lines = [line for line in statement.splitlines() if line.strip()]
            assert not all(line.startswith("--") for line in lines), f"{number}: a comment ends in a `;`"


async def schema(place: Path | str) -> tuple[int, set[str]]:
    """The number that a store has, and the columns of a table that later steps change."""
    with program_of("0.1.0"):
        try:
            store = await open_store(place)
        except StoreError:  # newer than that program: which is what is asked
            return 2, set()
    try:
        row = await store.one("SELECT value FROM meta WHERE key = 'schema'")
        return int(row["value"]) if row else 0, set()
    finally:
        await store.aclose()


async def test_a_migration_that_is_killed_leaves_the_old_schema_or_the_new(
    tmp_path: Path, place: Path | str
) -> None:
    await released("0.1.0", tmp_path / "home", place)
    known = migrations._steps()
    for number in range(2, len(known) + 1):
        broken = [*known[:number], (number + 1, "SELECT it FROM nowhere")]
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(migrations, "_steps", lambda broken=broken: broken)
            with pytest.raises(Exception, match="nowhere"):
                await open_store(place)
        assert (await schema(place))[0] == 1, f"after step {number}"
    await (await open_store(place)).aclose()
    assert (await schema(place))[0] == 2


async def test_a_process_killed_in_a_migration_leaves_the_old_schema(tmp_path: Path) -> None:
    place = tmp_path / "home" / "store.db"
    await released("0.1.0", tmp_path / "home", place)
    child = os.fork()
    if child == 0:  # pragma: no cover - in the child
        _migrate_and_die(place)
    assert os.waitpid(child, 0)[1] == 9  # noqa: ASYNC222 - nothing else runs
    assert (await schema(place))[0] == 1
    await (await open_store(place)).aclose()


def _migrate_and_die(place: Path) -> None:
    """Apply what is new in a transaction, by SQLite alone, and be killed before it is committed."""
    connection = sqlite3.connect(place, isolation_level=None)
    connection.execute("BEGIN IMMEDIATE")
    for _, sql in migrations._steps()[1:]:
        for statement in filter(str.strip, sql.split(";\n")):
            connection.execute(statement)
    os.kill(os.getpid(), signal.SIGKILL)
