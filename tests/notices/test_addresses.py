"""An address is used once its person proved it, and nobody can use the proof to guess or to bury somebody."""

import pytest

from tests.notices.conftest import ANA, BEN, Here
from valetkey.errors import PageError, UsageError
from valetkey.model import DAY, MINUTE
from valetkey.notices import Given
from valetkey.people import Person

NEW = "new@example.com"


async def used(here: Here, person: Person) -> str | None:
    given = await here.house.notices.addresses.of(here.house.ground.store, person.principal)
    return given.address if given else None


async def proving(here: Here, person: Person) -> Given | None:
    addresses = here.house.notices.addresses
    return await addresses.of(here.house.ground.store, person.principal, proved=False)


async def test_the_one_in_use_stays_until_the_new_one_is_proved(here: Here) -> None:
    addresses = here.house.notices.addresses
    code = await addresses.give(here.ana.principal, NEW)
    assert await used(here, here.ana) == ANA
    before = await addresses.prove(here.ana.principal, f" {code[:4]} {code[4:]} ")
    assert (before and before.address, await used(here, here.ana)) == (ANA, NEW)
    assert await proving(here, here.ana) is None


async def test_five_wrong_codes_are_the_end_of_a_code(here: Here) -> None:
    addresses = here.house.notices.addresses
    code = await addresses.give(here.ana.principal, NEW)
    for _ in range(5):
        with pytest.raises(UsageError, match="not the code"):
            await addresses.prove(here.ana.principal, "00000000" if code != "00000000" else "1")
    with pytest.raises(UsageError):
        await addresses.prove(here.ana.principal, code)
    assert await used(here, here.ana) == ANA


async def test_a_code_is_good_for_a_quarter_of_an_hour_and_for_its_person(here: Here) -> None:
    addresses = here.house.notices.addresses
    code = await addresses.give(here.ana.principal, NEW)
    with pytest.raises(UsageError):
        await addresses.prove(here.ben.principal, code)
    here.clock.advance(15 * MINUTE)
    with pytest.raises(UsageError):
        await addresses.prove(here.ana.principal, code)


async def test_a_code_is_used_once(here: Here) -> None:
    addresses = here.house.notices.addresses
    code = await addresses.give(here.ana.principal, NEW)
    await addresses.prove(here.ana.principal, code)
    with pytest.raises(UsageError):
        await addresses.prove(here.ana.principal, code)


async def test_nobody_can_be_buried_in_codes(here: Here) -> None:
    """Neither by one person, nor by several who name the same address."""
    addresses = here.house.notices.addresses
    here.clock.advance(DAY)
    for _ in range(2):
        await addresses.give(here.ana.principal, NEW)
        await addresses.give(here.ben.principal, NEW)
    people = [await here.person(name) for name in ("cleo", "dan")]
    await addresses.give(people[0].principal, NEW.upper())
    with pytest.raises(PageError) as refused:
        await addresses.give(people[1].principal, NEW)
    assert refused.value.status == 429


@pytest.mark.parametrize(
    "address", ["", "ana", "a@b\r\nBcc: c@d.e", "ana@example.com, ben@example.com", "<a@b.c>"]
)
async def test_what_is_no_one_address_is_refused(here: Here, address: str) -> None:
    with pytest.raises(UsageError, match="not an e-mail address"):
        await here.house.notices.addresses.give(here.ana.principal, address)


async def test_who_is_taken_away_leaves_no_address_and_no_notice(here: Here) -> None:
    await here.ends(await here.connection(here.ana))
    await here.house.notices.noticing.look()
    async with here.house.ground.store.transaction() as tx:
        await here.house.notices.forget(tx, here.ana.principal)
    assert await used(here, here.ana) is None
    assert [kind for kind, _ in await here.rows() if kind.startswith("connection")] == []


async def test_neither_address_nor_code_stands_in_the_store(here: Here) -> None:
    code = await here.house.notices.addresses.give(here.ana.principal, NEW)
    await here.house.ground.store.erase_deleted()
    stored = here.house.ground.settings.store_file.read_bytes()
    assert not [text for text in (ANA, BEN, NEW, code) if text.encode() in stored]


async def test_an_address_that_somebody_else_put_there_is_none(here: Here) -> None:
    """Who can write the store without the key has nobody's notices sent elsewhere."""
    async with here.house.ground.store.transaction() as tx:
        await tx.run("DELETE FROM addresses WHERE subject = $1", here.ana.subject)
        await tx.run(
            "UPDATE addresses SET subject = $1 WHERE subject = $2", here.ana.subject, here.ben.subject
        )
    assert await used(here, here.ana) is None


async def test_removing_forgets_it_and_the_next_person_begins_with_none(here: Here) -> None:
    before = await here.house.notices.addresses.remove(here.ana.principal)
    assert before is not None
    assert before.address == ANA
    assert await used(here, here.ana) is None
    sql = "SELECT COUNT(*) AS n FROM sealed WHERE purpose = 'notice_address'"
    rows = await here.house.ground.store.all(sql)
    assert [row["n"] for row in rows] == [1], "Ben's alone"
