"""The vault over a store: what was put is opened, and nothing that somebody rearranged in the table is."""

import secrets
from collections.abc import Iterable
from itertools import permutations

import pytest

from tests.support.clock import FakeClock
from tests.support.scale import scaled
from valetkey.errors import IntegrityError
from valetkey.model import Ids
from valetkey.store import Row
from valetkey.store.sqlite import SqliteStore
from valetkey.vault import Vault, receipt_digest
from valetkey.vault.rotation import Rotation

PURPOSES = ("token", "client_secret", "flow")
MANY = scaled(16, 40)


async def put(
    store: SqliteStore, vault: Vault, purpose: str, key: str, content: object, bound: str = ""
) -> None:
    async with store.transaction() as tx:
        await vault.put(tx, purpose, key, content, bound=bound)


async def raw(store: SqliteStore, purpose: str, key: str) -> Row:
    row = await store.one("SELECT * FROM sealed WHERE purpose = $1 AND id = $2", purpose, key)
    assert row is not None
    return dict(row)


async def test_a_record_is_opened_with_its_version_and_what_it_is_bound_to(
    store: SqliteStore, vault: Vault
) -> None:
    for content in ({"access": "one"}, {"access": "two", "n": [1, None, "ü"]}):
        await put(store, vault, "token", "tok_1", content, "https://slack.com")
    assert await vault.open(store, "token", "tok_1") == (
        {"access": "two", "n": [1, None, "ü"]},
        2,
        "https://slack.com",
    )


async def test_a_receipt_names_the_very_bytes_that_are_stored(store: SqliteStore, vault: Vault) -> None:
    async with store.transaction() as tx:
        receipt = await vault.put(tx, "token", "tok_1", "secret")
    row = await raw(store, "token", "tok_1")
    assert (receipt.version, receipt.digest) == (1, receipt_digest(row["content"]))
    assert "secret" not in str(receipt.facts())


async def test_a_row_put_back_as_it_once_was_no_longer_fits_its_receipt(
    store: SqliteStore, vault: Vault
) -> None:
    await put(store, vault, "token", "tok_1", "old")
    old = await raw(store, "token", "tok_1")
    async with store.transaction() as tx:
        receipt = await vault.put(tx, "token", "tok_1", "new")
    assert (old["version"], receipt_digest(old["content"])) != (receipt.version, receipt.digest)


async def test_a_forgotten_record_is_missing(store: SqliteStore, vault: Vault) -> None:
    await put(store, vault, "token", "tok_1", "secret")
    async with store.transaction() as tx:
        assert await vault.forget(tx, "token", "tok_1")
        assert not await vault.forget(tx, "token", "tok_1")
    with pytest.raises(IntegrityError, match="the sealed token tok_1 is missing"):
        await vault.open(store, "token", "tok_1")


async def test_nothing_is_put_when_the_transaction_fails(store: SqliteStore, vault: Vault) -> None:
    await put(store, vault, "token", "tok_1", "before")
    with pytest.raises(ZeroDivisionError):
        await put_and_fail(store, vault)
    assert (await vault.open(store, "token", "tok_1")).content == "before"


async def put_and_fail(store: SqliteStore, vault: Vault) -> None:
    async with store.transaction() as tx:
        await vault.put(tx, "token", "tok_1", "after")
        raise ZeroDivisionError


async def test_many_new_records_are_put_at_once_and_never_over_old_ones(
    store: SqliteStore, vault: Vault
) -> None:
    async with store.transaction() as tx:
        await vault.put_new(tx, "arguments", {"a": [1], "b": [2]})
        with pytest.raises(Exception, match="UNIQUE"):
            await vault.put_new(tx, "arguments", {"c": [3], "b": [4]})
    assert await vault.open(store, "arguments", "b") == ([2], 1, "")


def accepted(vault: Vault, tampered: Iterable[Row]) -> tuple[int, list[Row]]:
    """How many rows were tried, and those that opened."""
    tried, opened = 0, []
    for row in tampered:
        tried += 1
        try:
            vault.opened(row["purpose"], row["id"], row)
        except IntegrityError:
            continue
        opened.append(row)
    return tried, opened


SEALED_PART = ("kek", "dek", "content")


def moved(source: Row, target: Row, columns: tuple[str, ...]) -> Row:
    return {**target, **{column: source[column] for column in columns}}


async def many_rows(store: SqliteStore, vault: Vault) -> list[Row]:
    """The same content everywhere, so that only the place can tell the rows apart."""
    keys = [(purpose, f"{n}") for n in range(MANY) for purpose in PURPOSES]
    for purpose, key in keys:
        await put(store, vault, purpose, key, "the same", f"https://{key}.example")
    return [await raw(store, purpose, key) for purpose, key in keys]


@pytest.mark.reliability
@pytest.mark.parametrize("columns", [SEALED_PART, ("content",), ("dek",)])
async def test_no_record_opens_in_another_records_row(
    store: SqliteStore, vault: Vault, columns: tuple[str, ...]
) -> None:
    rows = await many_rows(store, vault)
    swaps = (moved(source, target, columns) for source, target in permutations(rows, 2))
    assert accepted(vault, swaps) == (len(rows) * (len(rows) - 1), [])


async def test_no_record_opens_under_another_purpose_id_version_or_bound(
    store: SqliteStore, vault: Vault
) -> None:
    rows = await many_rows(store, vault)
    changes: list[Row] = [{"purpose": purpose} for purpose in (*PURPOSES, "token_", "")]
    changes += [{"id": key} for key in (f"{MANY}", "01", "")]
    changes += [{"bound": bound} for bound in ("", "https://evil.example", "https://0.example/")]
    changes += [{"version": version} for version in (0, 2, -1, 2**40)]
    changed = [{**row, **change} for row in rows for change in changes]
    different = [row for row in changed if row not in rows]
    tried, opened = accepted(vault, different)
    assert tried > 600
    assert opened == []


@pytest.mark.reliability
async def test_no_record_opens_half_under_one_key_and_half_under_another(
    store: SqliteStore, vault: Vault, ids: Ids, clock: FakeClock
) -> None:
    """As they were before a rotation, and as they are after it: no part of the one fits into the other."""
    before = await many_rows(store, vault)
    clock.advance(1)
    rotation = Rotation(store, vault.keys, clock)
    new = await rotation.prepared(ids, secrets.token_bytes)
    async with store.transaction() as tx:
        await rotation.begin(tx, new)
    async for _ in rotation.run():
        pass
    after = [await raw(store, row["purpose"], row["id"]) for row in before]
    assert {row["kek"] for row in before}.isdisjoint(row["kek"] for row in after)
    pairs = [pair for row in zip(before, after, strict=True) for pair in permutations(row, 2)]
    mixed = [moved(source, target, (column,)) for source, target in pairs for column in ("kek", "dek")]
    assert accepted(vault, mixed) == (4 * len(before), [])
    assert accepted(vault, [*before, *after])[1] == [*before, *after]


async def test_no_older_version_opens_as_the_newest(store: SqliteStore, vault: Vault) -> None:
    versions = []
    for n in range(30):
        await put(store, vault, "token", "tok_1", n)
        versions.append(await raw(store, "token", "tok_1"))
    rolled = (moved(old, new, SEALED_PART) for old, new in permutations(versions, 2))
    assert accepted(vault, rolled) == (30 * 29, [])


@pytest.mark.parametrize("value", [None, 7, 2**62, "VK1\x01text", b"", b"VK1\x01"])
@pytest.mark.parametrize("column", ["dek", "content"])
async def test_a_value_of_any_other_kind_is_refused_and_crashes_nothing(
    store: SqliteStore, vault: Vault, column: str, value: object
) -> None:
    await put(store, vault, "token", "tok_1", "secret")
    row = {**await raw(store, "token", "tok_1"), column: value}
    assert accepted(vault, [row]) == (1, [])


async def test_a_row_swapped_in_the_file_is_refused_and_its_neighbours_still_open(
    store: SqliteStore, vault: Vault
) -> None:
    for key in ("tok_1", "tok_2", "tok_3"):
        await put(store, vault, "token", key, key)
    theft = "UPDATE sealed SET content = $1, dek = $2 WHERE id = 'tok_1'"
    other = await raw(store, "token", "tok_2")
    async with store.transaction() as tx:
        await tx.run(theft, other["content"], other["dek"])
    with pytest.raises(IntegrityError):
        await vault.open(store, "token", "tok_1")
    assert (await vault.open(store, "token", "tok_3")).content == "tok_3"
