"""The key ring: one per store however many start at once, and no start with a key that is not the store's."""

import secrets
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import pytest

from tests.support.clock import FakeClock
from tests.support.keys import ROOT_KEY, root_key
from valetkey.errors import IntegrityError, KeyFileError
from valetkey.model import Clock, Ids
from valetkey.store.sqlite import SqliteStore
from valetkey.vault import KeyRing, Purpose, Vault
from valetkey.vault.keys import is_new, is_signed, unlock
from valetkey.vault.sources import RootKey


async def open_ring(store: SqliteStore, ids: Ids, clock: Clock, root: RootKey = ROOT_KEY) -> KeyRing:
    return await unlock(store, root, ids, clock, secrets.token_bytes)


async def change(store: SqliteStore, sql: str) -> None:
    async with store.transaction() as tx:
        await tx.run(sql)


async def test_a_store_is_new_until_it_has_keys(store: SqliteStore, ids: Ids, clock: Clock) -> None:
    assert await is_new(store)
    await open_ring(store, ids, clock)
    assert not await is_new(store)


async def test_a_wrong_key_is_refused_before_anything_is_written(
    store: SqliteStore, vault: Vault, ids: Ids, clock: Clock, tmp_path: Path
) -> None:
    await store.erase_deleted()
    before = contents(tmp_path)
    with pytest.raises(KeyFileError, match="not the key of this store"):
        await open_ring(store, ids, clock, root_key(secrets.token_bytes(32)))
    assert contents(tmp_path) == before


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir() if not path.name.endswith("-shm")}


async def test_two_openings_of_a_store_share_its_keys(
    store: SqliteStore, vault: Vault, ids: Ids, clock: Clock
) -> None:
    again = await open_ring(store, ids, clock)
    assert again.store_id == vault.keys.store_id
    assert [again.server(purpose) for purpose in Purpose] == [
        vault.keys.server(purpose) for purpose in Purpose
    ]
    async with store.transaction() as tx:
        await vault.put(tx, "token", "tok_1", "sealed by one")
    assert (await Vault(again).open(store, "token", "tok_1")).content == "sealed by one"


async def test_every_purpose_has_a_key_of_its_own(vault: Vault) -> None:
    keys = [vault.keys.server(purpose) for purpose in Purpose]
    assert len({key.secret for key in keys}) == len({key.kid for key in keys}) == len(Purpose)
    assert all(vault.keys.all_for(purpose) == [vault.keys.server(purpose)] for purpose in Purpose)


async def test_a_key_moved_to_another_purpose_is_refused(
    store: SqliteStore, vault: Vault, ids: Ids, clock: Clock
) -> None:
    await change(store, "DELETE FROM server_keys WHERE purpose = 'link'")
    await change(store, "UPDATE server_keys SET purpose = 'link' WHERE purpose = 'page'")
    with pytest.raises(IntegrityError):
        await open_ring(store, ids, clock)


@pytest.mark.parametrize(
    ("damage", "problem"),
    [
        ("UPDATE keks SET wrapped = x'00'", "not the key of this store"),
        ("UPDATE keks SET state = 'decrypt_only'", "no active key"),
        ("DELETE FROM meta WHERE key = 'store'", "lost its identity"),
        ("UPDATE meta SET value = 'sto_other' WHERE key = 'store'", "not the key of this store"),
    ],
)
async def test_a_damaged_key_ring_is_refused_in_words(
    store: SqliteStore, vault: Vault, ids: Ids, clock: Clock, damage: str, problem: str
) -> None:
    await change(store, damage)
    with pytest.raises(KeyFileError, match=problem):
        await open_ring(store, ids, clock)


async def test_a_signature_is_accepted_for_its_data_and_its_key_alone(vault: Vault) -> None:
    key, other = vault.keys.server(Purpose.TOKEN_SIGNING), vault.keys.server(Purpose.CHECKPOINT)
    signature = key.sign(b"data")
    assert is_signed(key.public(), signature, b"data")
    assert not is_signed(key.public(), signature, b"Data")
    assert not is_signed(other.public(), signature, b"data")
    assert not is_signed(key.public(), b"", b"data")
    assert not is_signed(b"no key", signature, b"data")


async def test_a_digest_needs_the_key(vault: Vault) -> None:
    one, other = vault.keys.server(Purpose.LOOKUP), vault.keys.server(Purpose.LINK)
    assert one.digest("ana@example.com") == one.digest("ana@example.com")
    assert one.digest("ana@example.com") != other.digest("ana@example.com")
    assert len(one.digest("\ud800")) == 64  # a lone surrogate is text that somebody can send


async def test_no_key_shows_in_a_repr(vault: Vault) -> None:
    key = vault.keys.server(Purpose.LINK)
    for shown in (repr(key), str(key), f"{key}", repr(vault.keys), repr([key])):
        assert key.secret.hex() not in shown
        assert repr(key.secret)[2:-1] not in shown


FIRST_START = """
import secrets, sys
from pathlib import Path
import anyio
from valetkey.model import Ids, SystemClock
from valetkey.store.sqlite import SqliteStore
from valetkey.vault import Purpose
from valetkey.vault.keys import is_new, unlock
from valetkey.vault.sources import RootKey, file

async def start(home):
    print("ready", flush=True)
    sys.stdin.readline()
    store = await SqliteStore.open(home / "store.db")
    if await is_new(store):
        file.make(home / "key", secrets.token_bytes)
    root = RootKey("file", "a file", file.read(home / "key"), secrets.token_bytes)
    clock = SystemClock()
    ring = await unlock(store, root, Ids(clock), clock, secrets.token_bytes)
    print(ring.store_id, ring.active, *(ring.server(purpose).kid for purpose in Purpose))
    await store.aclose()

anyio.run(start, Path(sys.argv[1]))
"""


def test_four_first_starts_at_once_make_one_key_ring(tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.mkdir(0o700)
    command = [sys.executable, "-c", FIRST_START, str(home)]
    pipe = subprocess.PIPE
    starts = [subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=pipe, text=True) for _ in range(4)]
    for start in starts:
        assert start.stdout is not None
        assert start.stdout.readline() == "ready\n"  # everything is imported
    for start in starts:
        assert start.stdin is not None
        start.stdin.write("go\n")
        start.stdin.flush()
    answers = [start.communicate(timeout=60) for start in starts]
    assert [error for _, error in answers] == [""] * 4
    assert len({ring for ring, _ in answers}) == 1


async def rotated(ring: KeyRing, store: SqliteStore, ids: Ids, clock: Clock, accepted_for: int | None) -> str:
    async with store.transaction() as tx:
        return await ring.rotate_server_key(tx, Purpose.TOKEN_SIGNING, ids, clock, accepted_for=accepted_for)


async def test_a_rotated_key_signs_no_more_and_is_accepted_for_a_while(
    store: SqliteStore, vault: Vault, ids: Ids, clock: FakeClock
) -> None:
    old, links = vault.keys.server(Purpose.TOKEN_SIGNING), vault.keys.server(Purpose.LINK)
    kid = await rotated(vault.keys, store, ids, clock, 1_000)
    await vault.keys.reload(store, clock)
    assert vault.keys.server(Purpose.TOKEN_SIGNING).kid == kid
    assert [key.kid for key in vault.keys.all_for(Purpose.TOKEN_SIGNING)] == [kid, old.kid]
    assert vault.keys.server(Purpose.LINK) == links
    clock.advance(1_000)
    await vault.keys.reload(store, clock)
    assert [key.kid for key in vault.keys.all_for(Purpose.TOKEN_SIGNING)] == [kid]


async def test_a_rotation_that_was_undone_changed_nothing(
    store: SqliteStore, vault: Vault, ids: Ids, clock: FakeClock
) -> None:
    old = vault.keys.server(Purpose.TOKEN_SIGNING)
    with suppress(ZeroDivisionError):
        async with store.transaction() as tx:
            await vault.keys.rotate_server_key(tx, Purpose.TOKEN_SIGNING, ids, clock, accepted_for=None)
            raise ZeroDivisionError
    await vault.keys.reload(store, clock)
    assert vault.keys.all_for(Purpose.TOKEN_SIGNING) == [old]


async def test_the_next_rotation_removes_what_is_past_its_time_and_keeps_what_has_none(
    store: SqliteStore, vault: Vault, ids: Ids, clock: FakeClock
) -> None:
    first = vault.keys.server(Purpose.TOKEN_SIGNING).kid
    second = await rotated(vault.keys, store, ids, clock, None)
    third = await rotated(vault.keys, store, ids, clock, 1_000)
    clock.advance(1_000)
    fourth = await rotated(vault.keys, store, ids, clock, 1_000)
    await vault.keys.reload(store, clock)
    assert {key.kid for key in vault.keys.all_for(Purpose.TOKEN_SIGNING)} == {first, third, fourth}
    rows = await store.all("SELECT id FROM sealed WHERE purpose = 'server_key'")
    assert second not in {row["id"] for row in rows}
