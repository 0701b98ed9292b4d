"""Copies of a store, made in every way that somebody would: what is noticed of them, and what cannot be."""

import os
import shutil
import stat
from pathlib import Path

import pytest

from tests.generation.opening import opened, reason
from tests.support.database import database
from valetkey.errors import Dormant, StoreError
from valetkey.generation import State
from valetkey.generation.beside import FILE, read_known


def copied_file(source: Path, target: Path) -> None:
    shutil.copyfile(source, target)
    target.chmod(0o600)


async def test_a_new_store_is_the_live_copy_and_its_home_knows(home: Path) -> None:
    async with opened(home) as again:
        now, known = again.gate.now, read_known(home)
        assert now
        assert known
        assert (now.state, now.number, again.gate.reason) == (State.LIVE, 1, None)
        assert (known.store, known.number, known.id) == (again.keys.store_id, 1, now.id)
    assert stat.S_IMODE((home / FILE).stat().st_mode) == 0o600


async def test_a_home_that_was_renamed_goes_on(home: Path) -> None:
    moved = home.rename(home.with_name("moved"))  # noqa: ASYNC240 - nothing else runs
    assert await reason(moved) is None


async def test_a_store_copied_alone_is_noticed_though_the_key_is_the_same(home: Path) -> None:
    elsewhere = home.with_name("elsewhere")
    elsewhere.mkdir(mode=0o700)
    copied_file(home / "store.db", elsewhere / "store.db")
    assert await reason(elsewhere) == "copied"
    assert await reason(home) is None, "the first goes on"


async def test_a_whole_home_that_was_copied_is_noticed(home: Path) -> None:
    shutil.copytree(home, home.with_name("elsewhere"))
    assert await reason(home.with_name("elsewhere")) == "copied"


async def test_an_old_copy_written_over_the_store_is_noticed_by_the_signed_head(home: Path) -> None:
    old = home.with_name("old.db")
    copied_file(home / "store.db", old)
    async with opened(home) as again:
        await again.recorded()
    (home / "store.db").write_bytes(old.read_bytes())  # the very same file: it stands where it stood
    assert await reason(home) == "rolled_back"
    (home / "audit-head.json").unlink()
    assert await reason(home) == "rolled_back", "what was noticed once is kept"


async def test_what_nothing_outside_has_seen_cannot_be_noticed(home: Path) -> None:
    """A snapshot of a disk takes all of it back at once."""
    whole = {file.name: file.read_bytes() for file in home.iterdir()}  # noqa: ASYNC240 - nothing else runs
    async with opened(home) as again:
        await again.recorded()
    for name, content in whole.items():
        (home / name).write_bytes(content)
    assert await reason(home) is None


async def test_an_older_generation_than_the_home_knows_does_not_act(home: Path) -> None:
    async with opened(home) as again:
        now = again.gate.now
        assert now
        async with again.store.transaction() as tx:
            await again.gate._generations.change(tx, now, State.LIVE, number=2, id="gen_2")
    assert await reason(home) is None, "a home goes forward with its store"
    async with opened(home) as again:
        async with again.store.transaction() as tx:
            await again.gate._generations.write(tx, now)
        with pytest.raises(Dormant, match="knows a newer generation"):
            await again.gate.refuse_now()
    assert await reason(home) == "older"
    async with opened(home) as again, again.store.transaction() as tx:
        await again.gate._generations.change(tx, now, State.LIVE, number=2, id="gen_other")
    assert await reason(home) == "forked"


async def test_a_row_that_is_removed_or_changed_makes_nothing_live(home: Path) -> None:
    async with opened(home) as again, again.store.transaction() as tx:
        await tx.run("UPDATE copies SET number = 7")
    assert await reason(home) == "changed"
    async with opened(home) as again, again.store.transaction() as tx:
        await tx.run("DELETE FROM copies")
    assert await reason(home) == "rolled_back", "the home has seen one: this is from before"


async def test_a_retired_store_is_not_served_and_a_running_server_stops(home: Path) -> None:
    async with opened(home) as server, opened(home) as other:
        server.gate.refuse()
        server.gate.refuse_to_serve()
        now = other.gate.now
        assert now
        async with other.store.transaction() as tx:
            await other.gate._generations.change(tx, now, State.RETIRED)
        with pytest.raises(Dormant):
            await server.gate.refuse_now()
        with pytest.raises(Dormant):
            server.gate.refuse()
        with pytest.raises(StoreError, match="taken over"):
            server.gate.refuse_to_serve()


async def test_a_generation_file_that_says_nothing_is_refused(home: Path) -> None:
    (home / FILE).write_text("{}")
    with pytest.raises(StoreError, match="put it back, or remove it"):
        await reason(home)


async def test_a_home_that_cannot_be_written_remembers_less_and_works(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (home / FILE).unlink()

    def full(*_: object, **__: object) -> None:
        raise OSError(28, os.strerror(28))

    monkeypatch.setattr("tempfile.mkstemp", full)
    assert await reason(home) is None
    assert not (home / FILE).exists()


async def test_machines_of_one_database_learn_its_generation_and_a_copied_database_is_noticed(
    tmp_path: Path,
) -> None:
    async with database() as url:
        async with opened(tmp_path / "first", url) as first:
            await first.recorded()
        assert await reason(tmp_path / "second", url) is None
        assert read_known(tmp_path / "second") == read_known(tmp_path / "first")
        async with database(of=url) as copy:
            assert await reason(tmp_path / "third", copy) == "copied"
