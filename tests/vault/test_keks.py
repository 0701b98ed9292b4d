"""Key-encryption keys in several processes: what is new is under the active one, and each finds it alone."""

import logging
import threading

import anyio
import pytest

from tests.support.keys import ROOT_KEY, root_key
from tests.vault.conftest import BOTH_STORES, Shelf
from valetkey.errors import IntegrityError, KeyFileError, StoreError
from valetkey.vault import Purpose, keks
from valetkey.vault.keks import ACTIVE
from valetkey.vault.seal import Place


@BOTH_STORES
async def test_a_process_that_has_not_heard_of_a_rotation_seals_under_the_new_key(shelf: Shelf) -> None:
    unaware = await shelf.again()
    _, new = await shelf.begin()
    old = unaware.keys.active
    await shelf.put(["a", "b"], unaware)
    async with shelf.store.transaction() as tx:
        await unaware.put_new(tx, "audit", {"c": 1})
    assert (unaware.keys.active, await shelf.under(new)) == (new, 3)
    assert old != new


async def test_a_server_key_that_is_made_after_a_rotation_is_under_the_new_key(shelf: Shelf) -> None:
    unaware = await shelf.again()
    _, new = await shelf.begin()
    async with shelf.store.transaction() as tx:
        kid = await unaware.keys.rotate_server_key(
            tx, Purpose.LINK, shelf.ids, shelf.clock, accepted_for=None
        )
    assert await shelf.under(new) == 1
    await shelf.vault.keys.reload(shelf.store, shelf.clock)
    assert shelf.vault.keys.server(Purpose.LINK).kid == kid


async def test_a_process_that_meets_an_unknown_key_looks_once_and_opens(shelf: Shelf) -> None:
    unaware = await shelf.again()
    await shelf.begin()
    await shelf.put(["a"])
    assert await shelf.opens(["a"], unaware)


async def test_a_key_that_is_named_and_not_there_is_refused(shelf: Shelf) -> None:
    await shelf.put(["a"])
    row = await shelf.store.one("SELECT * FROM sealed WHERE purpose = 'token'")
    assert row is not None
    forged = {**row, "kek": "kek_nobody"}
    await shelf.vault.meet(shelf.store, forged)
    with pytest.raises(IntegrityError, match="does not hold"):
        shelf.vault.opened("token", "a", forged)


async def test_a_key_that_its_root_key_does_not_open_stops_nothing_that_was_known(
    shelf: Shelf, caplog: pytest.LogCaptureFixture
) -> None:
    """A process that was not restarted when the keys were moved: it says so, and goes on with what it has."""
    await shelf.put(["a"])
    unaware = await shelf.again()
    _, new = await shelf.begin()
    await shelf.change("UPDATE keks SET wrapped = $1 WHERE id = $2", b"under another root", new)
    with caplog.at_level(logging.CRITICAL), pytest.raises(StoreError, match="just now"):
        await shelf.put(["b"], unaware)
    assert "cannot be read anew" in caplog.text
    assert await shelf.opens(["a"], unaware)


class Slow:
    """A root key elsewhere, which takes its time when it is asked."""

    kind, key_id = ROOT_KEY.kind, ROOT_KEY.key_id

    def __init__(self) -> None:
        self.asked, self.answers = 0, threading.Event()
        self.answers.set()

    def wrap(self, kek: bytes, context: Place) -> bytes:
        return ROOT_KEY.wrap(kek, context)

    def unwrap(self, blob: bytes, context: Place) -> bytes:
        self.asked += 1
        self.answers.wait()
        return ROOT_KEY.unwrap(blob, context)


async def test_a_source_that_does_not_answer_holds_nobody_up_and_damages_nothing(
    shelf: Shelf, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(keks, "_WITHIN_SECONDS", 0.05)
    slow = Slow()
    unaware = await shelf.again(slow)
    slow.answers.clear()
    asked, _ = slow.asked, await shelf.begin()
    await shelf.put(["a"])
    with anyio.fail_after(30):
        for _ in range(20):
            with pytest.raises(StoreError, match="just now"):
                await shelf.put(["b"], unaware)
            with pytest.raises(StoreError, match="just now"):  # and not that it is damaged
                await unaware.open(shelf.store, "token", "a")
        assert slow.asked == asked + 1
        slow.answers.set()
        await unaware.keys.keks.load(shelf.store)
    assert await shelf.opens(["a"], unaware)
    await shelf.put(["b"], unaware)


async def test_a_key_that_is_retired_is_forgotten_by_whoever_looks_again(shelf: Shelf) -> None:
    old = shelf.vault.keys.active
    rotation, _ = await shelf.begin()
    await shelf.rotated(rotation)
    await shelf.change("UPDATE keks SET state = 'retired', wrapped = $1 WHERE id = $2", b"", old)
    await shelf.vault.keys.keks.load(shelf.store)
    with pytest.raises(KeyError):
        shelf.vault.keys.keks.secret(old)


async def test_an_older_key_that_somebody_made_the_active_one_is_refused(shelf: Shelf) -> None:
    old = shelf.vault.keys.active
    _, new = await shelf.begin()
    await shelf.change("UPDATE keks SET state = 'decrypt_only' WHERE id = $1", new)
    await shelf.change("UPDATE keks SET state = 'active' WHERE id = $1", old)
    with pytest.raises(KeyFileError, match="an older key"):
        await shelf.again()


@BOTH_STORES
async def test_there_is_one_active_key_and_no_second(shelf: Shelf) -> None:
    await shelf.begin()
    with pytest.raises(Exception, match=r"UNIQUE|unique"):
        await shelf.change("UPDATE keks SET state = 'active'")


@BOTH_STORES
async def test_what_a_key_has_wrapped_is_counted_ahead_and_never_less_than_it_was(shelf: Shelf) -> None:
    counting = shelf.vault.keys.keks
    before = await counted(shelf)
    async with shelf.store.transaction() as tx:
        active = await tx.one(ACTIVE)
        assert active is not None
        for count in (1, 1_000, 5_000, 24):
            await counting.ready(tx, active["id"], count)
    assert before + 6_025 - 1_024 <= await counted(shelf) <= before + 6_025 + 1_024


async def counted(shelf: Shelf) -> int:
    row = await shelf.store.one("SELECT wraps FROM keks WHERE state = 'active'")
    assert row is not None
    return int(row["wraps"])


async def test_each_opening_of_a_store_counts_what_it_may_wrap_by_itself(shelf: Shelf) -> None:
    before = await counted(shelf)
    await shelf.put(["a"], await shelf.again())
    await shelf.put(["b"], await shelf.again())
    assert await counted(shelf) == before + 2 * 1_024


@pytest.mark.parametrize("kept", ["passphrase", "transit"])
async def test_keys_under_another_source_than_the_settings_name_say_how_they_are_moved(
    shelf: Shelf, kept: str
) -> None:
    await shelf.change("UPDATE keks SET source = $1", kept)
    with pytest.raises(KeyFileError, match=f"are under `{kept}`, and .* says `file`; `valetkey keys move`"):
        await shelf.again(root_key(bytes([7] * 32)))


async def test_a_process_that_only_waits_hears_of_rotations_within_seconds(
    shelf: Shelf, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert keks._EVERY_SECONDS <= 5
    monkeypatch.setattr(keks, "_EVERY_SECONDS", 0.01)
    waiting = (await shelf.again()).keys
    with anyio.fail_after(20):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(waiting.keks.follow, shelf.store)
            _, new = await shelf.begin()
            while waiting.active != new:  # noqa: ASYNC110 - it has no event to tell of
                await anyio.sleep(0.01)
            tasks.cancel_scope.cancel()
