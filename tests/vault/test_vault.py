"""The vault over a store: what was put is opened, and nothing that somebody rearranged in the table is."""

from collections.abc import Iterable
from itertools import permutations

import pytest

from valetkey.errors import IntegrityError
from valetkey.store import Row
from valetkey.store.sqlite import SqliteStore
from valetkey.vault import Vault, receipt_digest

PURPOSES = ("token", "client_secret", "flow")


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
    keys = [(purpose, f"{n}") for n in range(16) for purpose in PURPOSES]
    for purpose, key in keys:
        await put(store, vault, purpose, key, "the same", f"https://{key}.example")
    return [await raw(store, purpose, key) for purpose, key in keys]


@pytest.mark.parametrize("columns", [SEALED_PART, ("content",), ("dek",)])
async def test_no_record_opens_in_another_records_row(
    store: SqliteStore, vault: Vault, columns: tuple[str, ...]
) -> None:
    rows = await many_rows(store, vault)
    swaps = (moved(source, target, columns) for source, target in permutations(rows, 2))
    assert accepted(vault, swaps) == (48 * 47, [])


async def test_no_record_opens_under_another_purpose_id_version_or_bound(
    store: SqliteStore, vault: Vault
) -> None:
    rows = await many_rows(store, vault)
    changes: list[Row] = [{"purpose": purpose} for purpose in (*PURPOSES, "token_", "")]
    changes += [{"id": key} for key in ("16", "01", "")]
    changes += [{"bound": bound} for bound in ("", "https://evil.example", "https://0.example/")]
    changes += [{"version": version} for version in (0, 2, -1, 2**40)]
    changed = [{**row, **change} for row in rows for change in changes]
    different = [row for row in changed if row not in rows]
    tried, opened = accepted(vault, different)
    assert tried > 600
    assert opened == []


async def test_no_older_version_opens_as_the_newest(store: SqliteStore, vault: Vault) -> None:
    versions = []
    for n in range(30):
        await put(store, vault, "token", "tok_1", n)
        versions.append(await raw(store, "token", "tok_1"))
    rolled = (moved(old, new, SEALED_PART) for old, new in permutations(versions, 2))
    assert accepted(vault, rolled) == (30 * 29, [])


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
