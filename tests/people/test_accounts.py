"""Local accounts: invitations that work once, and passwords that cannot be guessed at any pace."""

import secrets

import anyio
import pytest

from tests.support.clock import FakeClock
from valetkey.errors import PageError, UsageError
from valetkey.model import DAY, MINUTE, SECOND, Ids, Principal
from valetkey.people import LOCAL, Accounts, Person, Sessions
from valetkey.store.sqlite import SqliteStore
from valetkey.vault import Vault

PASSWORD, WRONG = "correct horse battery", "wrong horse battery"


class Door:
    """Accounts, with the steps that tests repeat."""

    def __init__(self, store: SqliteStore, accounts: Accounts) -> None:
        self.store, self.accounts = store, accounts

    async def add(self, name: str) -> Person:
        async with self.store.transaction() as tx:
            return await self.accounts.add(tx, name)

    async def invite(self, person: Person) -> str:
        async with self.store.transaction() as tx:
            return await self.accounts.invite(tx, person)

    async def joined(self, name: str) -> Person:
        return await self.accounts.join(await self.invite(await self.add(name)), PASSWORD)

    async def guess(self, name: str, times: int) -> None:
        for _ in range(times):
            assert await self.accounts.sign_in(name, WRONG) is None

    async def told_to_wait(self, name: str, password: str = WRONG) -> None:
        with pytest.raises(PageError) as wait:
            await self.accounts.sign_in(name, password)
        assert wait.value.status == 429


@pytest.fixture
async def door(store: SqliteStore, vault: Vault, ids: Ids, clock: FakeClock) -> Door:
    return Door(store, Accounts(store, vault.keys, ids, clock, secrets.token_bytes))


async def test_the_first_person_is_the_owner_and_nobody_after(door: Door) -> None:
    assert (await door.add("ana")).owner
    assert not (await door.add("ben")).owner


@pytest.mark.parametrize(
    "name", ["", "Ana", "ana maria", "-ana", ".ana", "ana\n", "a" * 64, "anä", "../ana", "a/b"]
)
async def test_a_name_that_could_be_mistaken_for_another_is_refused(door: Door, name: str) -> None:
    with pytest.raises(UsageError, match="cannot be a name"):
        await door.add(name)


async def test_a_name_is_given_once(door: Door) -> None:
    await door.add("ana")
    with pytest.raises(UsageError, match="already"):
        await door.add("ana")


async def test_a_subject_says_nothing_about_its_person_and_is_never_given_again(door: Door) -> None:
    ana, ben = await door.add("ana"), await door.add("ben")
    assert ana.principal == Principal(LOCAL, ana.subject)
    assert "ana" not in ana.subject
    assert ana.subject != ben.subject


async def test_an_invitation_works_once(door: Door) -> None:
    secret = await door.invite(await door.add("ana"))
    assert (await door.accounts.join(secret, PASSWORD)).joined
    with pytest.raises(PageError) as used:
        await door.accounts.join(secret, "another good password")
    assert used.value.status == 404
    assert await door.accounts.sign_in("ana", PASSWORD)


async def test_two_who_use_one_invitation_at_once_are_one_who_joined(door: Door) -> None:
    secret = await door.invite(await door.add("ana"))
    results: list[str] = []

    async def join(password: str) -> None:
        try:
            await door.accounts.join(secret, password)
            results.append(password)
        except PageError:
            pass

    with anyio.fail_after(20):
        async with anyio.create_task_group() as tasks:
            for number in range(4):
                tasks.start_soon(join, f"{PASSWORD} {number}")
    (password,) = results
    assert await door.accounts.sign_in("ana", password)


async def test_an_invitation_ends_after_seven_days(door: Door, clock: FakeClock) -> None:
    secret = await door.invite(await door.add("ana"))
    clock.advance(7 * DAY - 1)
    assert (await door.accounts.invited(door.store, secret)).name == "ana"
    clock.advance(1)
    with pytest.raises(PageError):
        await door.accounts.invited(door.store, secret)


async def test_a_new_invitation_replaces_the_last(door: Door) -> None:
    ana = await door.add("ana")
    first, second = await door.invite(ana), await door.invite(ana)
    with pytest.raises(PageError):
        await door.accounts.invited(door.store, first)
    assert (await door.accounts.invited(door.store, second)).name == "ana"


@pytest.mark.parametrize("secret", ["", "x", "' OR 1=1 --", "\x00", "é" * 100])
async def test_an_invitation_nobody_made_is_none(door: Door, secret: str) -> None:
    await door.invite(await door.add("ana"))
    with pytest.raises(PageError):
        await door.accounts.invited(door.store, secret)


async def test_neither_an_invitation_nor_a_password_can_be_read_in_the_store(door: Door) -> None:
    secret = await door.invite(await door.add("ana"))
    rows = await door.store.all("SELECT * FROM invitations")
    await door.accounts.join(secret, PASSWORD)
    rows += await door.store.all("SELECT * FROM people")
    dumped = str([dict(row) for row in rows])
    assert secret not in dumped
    assert PASSWORD not in dumped


async def test_a_new_password_signs_out_who_was_signed_in_with_the_old(
    door: Door, vault: Vault, ids: Ids, clock: FakeClock
) -> None:
    """The operator invites somebody anew when a password was lost: to whom, nobody knows."""
    ana, ben = await door.joined("ana"), await door.joined("ben")
    sessions = Sessions(door.store, vault.keys, ids, clock, secrets.token_bytes)
    async with door.store.transaction() as tx:
        _, hers = await sessions.start_browser(tx, ana.principal)
        _, his = await sessions.start_browser(tx, ben.principal)
    await door.accounts.join(await door.invite(ana), "quite another password")
    assert await sessions.of_cookie(hers) is None
    assert await sessions.of_cookie(his)
    assert await door.accounts.sign_in("ana", PASSWORD) is None
    assert await door.accounts.sign_in("ana", "quite another password")


async def test_a_new_password_ends_the_wait_that_guessing_the_old_one_began(door: Door) -> None:
    ana = await door.joined("ana")
    await door.guess("ana", 5)
    await door.accounts.join(await door.invite(ana), "quite another password")
    assert await door.accounts.sign_in("ana", "quite another password")


async def test_name_and_password_have_to_fit(door: Door) -> None:
    await door.joined("ana")
    await door.joined("ben")
    assert (await door.accounts.sign_in("ana", PASSWORD)).name == "ana"  # type: ignore[union-attr]  # not None here
    for name, password in (("ana", WRONG), ("ana", ""), ("carol", PASSWORD), ("", ""), ("ana\x00", PASSWORD)):
        assert await door.accounts.sign_in(name, password) is None


async def test_who_was_invited_and_has_no_password_cannot_sign_in(door: Door) -> None:
    await door.invite(await door.add("ana"))
    assert await door.accounts.sign_in("ana", "") is None


async def test_after_five_wrong_passwords_the_wait_doubles_up_to_a_quarter_of_an_hour(
    door: Door, clock: FakeClock
) -> None:
    await door.joined("ana")
    await door.guess("ana", 5)
    for doubled in range(12):
        wait = min(15 * MINUTE, SECOND * 2**doubled)
        clock.advance(wait - 1)
        await door.told_to_wait("ana")
        clock.advance(1)
        await door.guess("ana", 1)


async def test_while_it_lasts_not_even_the_right_password_is_tried(door: Door, clock: FakeClock) -> None:
    await door.joined("ana")
    await door.guess("ana", 5)
    await door.told_to_wait("ana", PASSWORD)
    clock.advance(SECOND)
    assert await door.accounts.sign_in("ana", PASSWORD)
    await door.guess("ana", 4)
    assert await door.accounts.sign_in("ana", PASSWORD), "the right one begins the count anew"


async def test_trying_while_waiting_does_not_make_the_wait_longer(door: Door, clock: FakeClock) -> None:
    """Else anybody could keep somebody out for ever."""
    await door.joined("ana")
    await door.guess("ana", 5)
    for _ in range(20):
        await door.told_to_wait("ana")
    clock.advance(SECOND)
    assert await door.accounts.sign_in("ana", PASSWORD)


async def test_parallel_guesses_cannot_outrun_the_count(door: Door) -> None:
    await door.joined("ana")
    tried: list[bool] = []

    async def guess() -> None:
        try:
            await door.accounts.sign_in("ana", WRONG)
            tried.append(True)
        except PageError:
            tried.append(False)

    with anyio.fail_after(30):
        async with anyio.create_task_group() as tasks:
            for _ in range(40):
                tasks.start_soon(guess)
    assert sum(tried) == 5


async def test_guessing_at_one_name_makes_nobody_else_wait(door: Door) -> None:
    await door.joined("ana")
    await door.joined("ben")
    await door.guess("ana", 5)
    await door.told_to_wait("ANA ".strip())
    assert await door.accounts.sign_in("ben", PASSWORD)


async def test_a_name_nobody_has_is_counted_like_any_other(door: Door) -> None:
    """Else the wait would tell which names there are."""
    await door.guess("nobody", 5)
    await door.told_to_wait("nobody")


async def test_confirming_is_counted_like_signing_in(door: Door, clock: FakeClock) -> None:
    ana = await door.joined("ana")
    assert await door.accounts.confirm(ana.principal, PASSWORD)
    for _ in range(5):
        assert not await door.accounts.confirm(ana.principal, WRONG)
    with pytest.raises(PageError) as wait:
        await door.accounts.confirm(ana.principal, PASSWORD)
    assert wait.value.status == 429
    clock.advance(SECOND)
    assert await door.accounts.confirm(ana.principal, PASSWORD)


async def test_guessing_at_a_name_does_not_keep_who_is_signed_in_from_confirming(door: Door) -> None:
    """Anybody can guess without being known; they could hold up every approval of a person for ever."""
    ana = await door.joined("ana")
    await door.guess("ana", 5)
    await door.told_to_wait("ana", PASSWORD)
    assert await door.accounts.confirm(ana.principal, PASSWORD)
    await door.told_to_wait("ana", PASSWORD)


async def test_a_new_password_ends_the_wait_of_confirming_too(door: Door) -> None:
    ana = await door.joined("ana")
    for _ in range(5):
        assert not await door.accounts.confirm(ana.principal, WRONG)
    await door.accounts.join(await door.invite(ana), PASSWORD)
    assert await door.accounts.confirm(ana.principal, PASSWORD)
