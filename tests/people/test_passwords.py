"""Passwords: Argon2id with the parameters we say, a salt each, and no shorter way for a wrong one."""

import secrets

import pytest

from valetkey.errors import UsageError
from valetkey.people.passwords import LONGEST, SHORTEST, Passwords

GOOD = "correct horse battery"
FULL = Passwords.memory_kib  # read before the tests make it light


@pytest.fixture
def passwords() -> Passwords:
    made = Passwords(secrets.token_bytes)
    made.memory_kib = FULL
    return made


async def test_a_hash_names_its_algorithm_and_its_cost(passwords: Passwords) -> None:
    assert (await passwords.hashed(GOOD)).startswith("$argon2id$v=19$m=19456,t=2,p=1$")


async def test_the_same_password_has_another_hash_each_time(passwords: Passwords) -> None:
    assert await passwords.hashed(GOOD) != await passwords.hashed(GOOD)


@pytest.mark.parametrize(
    "password", [GOOD, "a" * SHORTEST, "ü" * LONGEST, "zwölf Zeichen\x00", "🔑" * 12, "\ud800" * 12]
)
async def test_what_was_hashed_matches_and_nothing_near_it(passwords: Passwords, password: str) -> None:
    stored = await passwords.hashed(password)
    assert await passwords.matches(password, stored)
    assert not await passwords.matches(password[:-1], stored)
    assert not await passwords.matches(password.swapcase() + "x", stored)


@pytest.mark.parametrize("password", ["", "a" * (SHORTEST - 1), "a" * (LONGEST + 1)])
async def test_a_password_is_neither_short_nor_endless(passwords: Passwords, password: str) -> None:
    with pytest.raises(UsageError, match="12 to 1000"):
        await passwords.hashed(password)


async def test_nobodys_password_matches_nothing(passwords: Passwords) -> None:
    assert not await passwords.matches(GOOD, None)
    assert not await passwords.matches("", None)


async def test_a_megabyte_sent_as_a_password_is_cut_before_it_costs_anything(passwords: Passwords) -> None:
    assert not await passwords.matches("a" * 1_000_000, await passwords.hashed(GOOD))
