"""What the operator is told: a summary a day at most, urgent things at once, each once until it changes."""

from tests.notices.conftest import ANA, OPERATOR, Here
from valetkey.model import DAY, HOUR, MINUTE, AuditEvent, Registration, Secret
from valetkey.notices.survey import _INTEGRITY


def letters(here: Here) -> list[str]:
    return [" ".join(str(one.get_content()).split()) for one in here.box.to(OPERATOR)]


async def test_when_all_is_well_nobody_is_written_to(here: Here) -> None:
    await here.connection(here.ana)
    for _ in range(3):
        await here.minute()
        here.clock.advance(DAY)
    assert letters(here) == []


async def test_what_is_not_urgent_is_one_summary_a_day_and_once_until_it_changes(here: Here) -> None:
    first, second = await here.connection(here.ana), await here.connection(here.ben)
    await here.ends(first)
    await here.minute()
    await here.ends(second)
    for _ in range(30):
        here.clock.advance(HOUR)
        await here.minute()
    told = letters(here)
    assert len(told) == 2, "one for each day on which something was new"
    assert "1 gmail" in told[0]
    assert "2 gmail" in told[1]
    for _ in range(3):
        here.clock.advance(DAY)
        await here.minute()
    assert len(letters(here)) == 2, "nothing has changed"


async def test_what_changes_from_hour_to_hour_is_one_line_of_the_next_summary(here: Here) -> None:
    await here.ends(await here.connection(here.ana))
    await here.minute()
    for _ in range(6):
        here.clock.advance(HOUR)
        await here.ends(await here.connection(here.ben))
        await here.minute()
    here.clock.advance(18 * HOUR)
    await here.minute()
    _, told = letters(here)
    assert told.count("connections:") == 1
    assert "7 gmail" in told


async def test_the_operator_learns_no_persons_name_or_address(here: Here) -> None:
    await here.ends(await here.connection(here.ana))
    await here.minute()
    (told,) = letters(here)
    for secret in (ANA, here.ana.name, here.ana.subject):
        assert secret not in told


async def test_a_registration_that_is_refused_is_told_at_once_and_once(here: Here) -> None:
    await refused(here)
    await here.ends(await here.connection(here.ana))
    for _ in range(5):
        await here.minute()
        here.clock.advance(MINUTE)
    told = [one for one in letters(here) if "registrations:" in one]
    assert len(told) == 1
    assert "my-google: the provider does not take it (invalid_client)" in told[0]
    assert "`valetkey registrations remove my-google`" in told[0]


async def test_what_comes_and_goes_is_told_once_a_day(here: Here) -> None:
    connection = await here.connection(here.ana)
    for _ in range(12):
        await failing(here, connection.token_set, since=here.clock.now())
        await here.minute()
        await failing(here, connection.token_set, since=None)
        await here.minute()
        here.clock.advance(HOUR)
    told = [one for one in letters(here) if "refresh:" in one]
    assert len(told) == 1
    here.clock.advance(DAY)
    await here.minute()
    await failing(here, connection.token_set, since=here.clock.now())
    await here.minute()
    assert len([one for one in letters(here) if "refresh:" in one]) == 2, "it had been well for a day"


async def test_a_record_that_was_changed_behind_our_back_is_told_at_once(here: Here) -> None:
    await here.house.ground.audit.note(AuditEvent("integrity", "system", None, None, {"table": "grants"}))
    await here.minute()
    (told,) = letters(here)
    assert "audit: 1 records were found changed behind our back" in told
    assert "`valetkey audit verify`" in told


async def test_an_old_key_is_told(here: Here) -> None:
    here.clock.advance(366 * DAY)
    await here.minute()
    assert any("key: it is 366 days old" in one for one in letters(here))


async def test_a_copy_that_is_not_the_live_one_says_so_and_what_to_do(here: Here) -> None:
    here.house.ground.gate.reason = "restored"
    (line,) = [one for one in await here.house.notices.survey.lines() if one.about == "store"]
    assert line.needs_somebody
    assert "it was restored from a backup" in line.text
    assert "`valetkey store activate`" in line.to_do


async def failing(here: Here, token_set: str, *, since: int | None) -> None:
    async with here.house.ground.store.transaction() as tx:
        await tx.run("UPDATE token_sets SET failing = $1 WHERE id = $2", since, token_set)


async def refused(here: Here) -> None:
    """A registration that its provider does not know any more."""
    house = here.house
    async with house.ground.store.transaction() as tx:
        new = Registration("my-google", "google", "id", Secret("s"))
        await house.connections.registrations.add(tx, new, here.ana.principal)
        await house.connections.registrations.refused(tx, "my-google", "invalid_client")


async def test_what_is_counted_every_minute_is_found_by_an_index(here: Here) -> None:
    (plan, *_) = await here.house.ground.store.all(f"EXPLAIN QUERY PLAN {_INTEGRITY}", 0)
    assert "audit_of_integrity" in plan["detail"]
