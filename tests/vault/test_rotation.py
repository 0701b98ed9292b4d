"""Rotation: everything under a new key while others read and write, from wherever it was broken off."""

import pytest

from tests.support.keys import ROOT_KEY, root_key
from tests.vault.conftest import BOTH_STORES, Shelf
from valetkey.errors import KeyFileError, UsageError
from valetkey.model import DAY
from valetkey.store import Row
from valetkey.vault.keks import LIMIT, place_of
from valetkey.vault.rotation import KekState, Rotation, kek_states, move, retire, wrapped_by
from valetkey.vault.seal import Place

MANY = [f"tok_{n:03}" for n in range(120)]  # two batches and a bit
NEW_ROOT = root_key(bytes([9] * 32), "passphrase")


async def rows(shelf: Shelf) -> dict[str, Row]:
    found = await shelf.store.all("SELECT * FROM sealed WHERE purpose = 'token' ORDER BY id")
    return {row["id"]: dict(row) for row in found}


@BOTH_STORES
async def test_everything_is_under_the_new_key_and_no_content_was_touched(shelf: Shelf) -> None:
    await shelf.put(MANY)
    old, before = shelf.vault.keys.active, await rows(shelf)
    rotation, new = await shelf.begin()
    assert await rotation.left() == await shelf.under(old) > len(MANY)
    assert await shelf.rotated(rotation) == [old]
    after = await rows(shelf)
    assert await shelf.under(old) == 0
    assert [{**row, "kek": None, "dek": None} for row in after.values()] == [
        {**row, "kek": None, "dek": None} for row in before.values()
    ]
    assert all(after[key]["dek"] != before[key]["dek"] for key in MANY)
    assert {row["kek"] for row in after.values()} == {new}
    assert await shelf.opens(MANY, await shelf.again())


async def test_a_batch_is_fifty_records(shelf: Shelf) -> None:
    await shelf.put(MANY)
    rotation, _ = await shelf.begin()
    batches = [moved async for moved in rotation.run()]
    assert batches[0] == 50
    assert sum(batches) >= len(MANY)


@BOTH_STORES
async def test_a_record_that_is_written_meanwhile_is_what_it_was_written_to(shelf: Shelf) -> None:
    await shelf.put(MANY)
    rotation, new = await shelf.begin()
    stale = await rotation._batch()
    await shelf.put(MANY)  # all of them get another version, under the new key
    await rotation._take_over(stale)
    await shelf.rotated(rotation)
    after = await rows(shelf)
    assert {row["version"] for row in after.values()} == {2}
    assert await shelf.opens(MANY)
    assert {row["kek"] for row in after.values()} == {new}


async def test_one_that_was_broken_off_goes_on_in_another_process(shelf: Shelf) -> None:
    await shelf.put(MANY)
    old = shelf.vault.keys.active
    first, new = await shelf.begin()
    async for _ in first.run():
        break
    other = await shelf.again()
    second = Rotation(shelf.store, other.keys, shelf.clock)
    assert await second.under_way()
    assert await shelf.rotated(second) == [old]
    assert not await second.under_way()
    assert await shelf.under(new) > len(MANY)


async def test_two_at_once_do_each_other_no_harm(shelf: Shelf) -> None:
    await shelf.put(MANY)
    old = shelf.vault.keys.active
    first, new = await shelf.begin()
    second = Rotation(shelf.store, (await shelf.again()).keys, shelf.clock)
    one, other = first.run(), second.run()
    while any([await anext(one, 0), await anext(other, 0)]):
        pass
    assert (await shelf.rotated(first), await shelf.rotated(second)) == ([old], [])
    assert await shelf.under(new) > len(MANY)
    assert await shelf.opens(MANY)


async def test_one_that_slept_through_another_rotation_takes_nothing_back(shelf: Shelf) -> None:
    """Stopped between reading and writing: its new key is an old one by now, retired even."""
    await shelf.put(MANY)
    asleep, second = await shelf.begin()
    stale = await asleep._batch()
    rotation, third = await shelf.begin(await shelf.again())
    async with shelf.store.transaction() as tx:
        await tx.run("UPDATE keks SET state = 'retired', wrapped = $1 WHERE id = $2", b"", second)
    moved = await asleep._take_over(stale)
    assert moved == len(stale)
    assert (await shelf.under(second), await shelf.under(third)) == (0, moved)
    await shelf.rotated(rotation)
    assert await shelf.opens(MANY)


@BOTH_STORES
async def test_a_damaged_record_is_named_and_stays_and_the_rest_is_taken_over(shelf: Shelf) -> None:
    await shelf.put(MANY)
    old = shelf.vault.keys.active
    await shelf.change("UPDATE sealed SET dek = $1 WHERE id = $2", b"VK1\x01 nothing", MANY[3])
    await shelf.change("UPDATE sealed SET bound = 'elsewhere' WHERE id = $1", MANY[70])
    rotation, _ = await shelf.begin()
    assert await shelf.rotated(rotation) == [old]
    assert rotation.damaged == {("token", MANY[3]): old, ("token", MANY[70]): old}
    assert await shelf.under(old) == 2
    async with shelf.store.transaction() as tx:
        with pytest.raises(UsageError, match="cannot be retired"):
            await retire(tx, old)
    again, _ = await shelf.begin()  # they are in nobody's way
    await shelf.rotated(again)
    assert len(again.damaged) == 2


async def test_a_new_key_that_would_pass_for_an_older_one_is_not_begun_with(shelf: Shelf) -> None:
    shelf.clock.advance(-2 * DAY)
    with pytest.raises(UsageError, match="clock is behind"):
        await shelf.begin()
    (state,) = await kek_states(shelf.store)
    assert state.state == "active"


@BOTH_STORES
async def test_a_key_is_retired_once_it_is_empty_and_not_before(shelf: Shelf) -> None:
    await shelf.put(MANY)
    old = shelf.vault.keys.active
    rotation, new = await shelf.begin()
    for kek in (old, new, "kek_nobody"):
        async with shelf.store.transaction() as tx:
            with pytest.raises(UsageError, match="cannot be retired"):
                await retire(tx, kek)
    await shelf.rotated(rotation)
    async with shelf.store.transaction() as tx:
        await retire(tx, old)
    row = await shelf.store.one("SELECT state, wrapped FROM keks WHERE id = $1", old)
    assert row is not None
    assert (row["state"], bytes(row["wrapped"])) == ("retired", b"")
    assert await shelf.opens(MANY, await shelf.again())


async def test_states_say_how_many_records_there_are_and_since_when_there_are_none(shelf: Shelf) -> None:
    await shelf.put(MANY)
    old = shelf.vault.keys.active
    rotation, new = await shelf.begin()
    shelf.clock.advance(DAY)
    await shelf.rotated(rotation)
    first, second = await kek_states(shelf.store)
    assert (first.id, first.state, first.records, first.emptied) == (
        old,
        "decrypt_only",
        0,
        shelf.clock.now(),
    )
    assert (second.id, second.state, second.emptied) == (new, "active", None)
    assert second.records == await shelf.under(new)


@pytest.mark.parametrize(
    ("state", "age", "wraps", "why"),
    [
        ("active", 10 * DAY, 10**6, None),
        ("active", 365 * DAY, 10, "365 days old"),
        ("active", DAY, LIMIT // 4, "of 4,294,967,296 that it may"),
        ("decrypt_only", 4_000 * DAY, LIMIT, None),
    ],
)
def test_a_key_says_why_it_should_be_rotated_long_before_it_must(
    state: str, age: int, wraps: int, why: str | None
) -> None:
    said = KekState("kek_1", state, 0, None, 5, wraps).rotate_because(age)
    assert said is None if why is None else why in str(said)


@BOTH_STORES
async def test_keys_that_were_moved_open_by_the_new_source_alone(shelf: Shelf) -> None:
    await shelf.put(MANY)
    await shelf.begin()
    await shelf.vault.keys.keks.load(shelf.store)
    before = await rows(shelf)
    wrapped = await wrapped_by(shelf.store, shelf.vault.keys, NEW_ROOT)
    async with shelf.store.transaction() as tx:
        await move(tx, wrapped)
    assert await shelf.opens(MANY, await shelf.again(NEW_ROOT))
    assert await rows(shelf) == before
    with pytest.raises(KeyFileError, match="are under `passphrase`"):
        await shelf.again(ROOT_KEY)


async def test_nothing_is_moved_when_a_key_was_added_meanwhile(shelf: Shelf) -> None:
    wrapped = await wrapped_by(shelf.store, shelf.vault.keys, NEW_ROOT)
    await shelf.begin()
    async with shelf.store.transaction() as tx:
        with pytest.raises(UsageError, match="changed meanwhile"):
            await move(tx, wrapped)
    await shelf.again(ROOT_KEY)


class Forgetful:
    """A source that gives back something else than it was given."""

    kind = "forgetful"

    def key_id(self) -> str:
        return "a sieve"

    def wrap(self, kek: bytes, context: Place) -> bytes:
        return kek

    def unwrap(self, blob: bytes, context: Place) -> bytes:
        return bytes(32)


async def test_a_source_that_does_not_give_keys_back_is_not_trusted_with_them(shelf: Shelf) -> None:
    with pytest.raises(KeyFileError, match="a sieve does not give back"):
        await wrapped_by(shelf.store, shelf.vault.keys, Forgetful())


async def test_a_wrapped_key_opens_at_its_place_in_its_store_alone(shelf: Shelf) -> None:
    ring = shelf.vault.keys
    wrapped = {kek: blob for kek, blob, _ in await wrapped_by(shelf.store, ring, NEW_ROOT)}
    for place in (place_of("sto_other", ring.active), place_of(ring.store_id, "kek_other")):
        with pytest.raises(Exception, match="does not open"):
            NEW_ROOT.unwrap(wrapped[ring.active], place)
