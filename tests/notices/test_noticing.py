"""What a person is told: what ended, what nears its end, what waits; once, and nothing of anybody else's."""

import json

from tests.notices.conftest import ANA, BEN, URL, Here
from valetkey.model import DAY, HOUR, MINUTE, Actor, AuditEvent, Caller, ConnectionState, Outcome
from valetkey.people import Person


def text(here: Here, address: str = ANA, which: int = -1) -> str:
    return " ".join(str(here.box.to(address)[which].get_content()).split())


async def test_who_has_an_address_is_told_once_that_a_connection_needs_them(here: Here) -> None:
    await here.ends(await here.connection(here.ana))
    for _ in range(3):
        await here.minute()
        here.clock.advance(MINUTE)
    (message,) = here.box.to(ANA)
    assert message["Subject"] == "Valetkey: 1 thing needs you"
    assert "Your Gmail connection has stopped working: the other side ended it (invalid_grant)" in text(here)
    assert f"{URL}/mine" in text(here)
    assert here.box.to(BEN) == [], "it is nobody else's business"


async def test_no_letter_holds_a_link_that_opens_anything_by_itself(here: Here) -> None:
    await here.ends(await here.connection(here.ana))
    await asked(here, here.ana, offline=True)
    await here.minute()
    links = [word for word in text(here).split() if "://" in word]
    assert links == [f"{URL}/mine"]


async def test_what_ended_together_is_one_letter(here: Here) -> None:
    for connector in ("gmail", "slack", "github"):
        await here.ends(await here.connection(here.ana, connector))
    await here.minute()
    (message,) = here.box.to(ANA)
    assert message["Subject"] == "Valetkey: 3 things need you"


async def test_what_was_seen_to_meanwhile_is_not_told(here: Here) -> None:
    connection = await here.connection(here.ana)
    await here.ends(connection)
    await here.to(connection, ConnectionState.CONNECTED)
    await here.minute()
    assert here.box.taken == []


async def test_a_connection_that_ends_once_more_is_told_once_more(here: Here) -> None:
    connection = await here.connection(here.ana)
    for _ in range(2):
        await here.ends(connection)
        await here.minute()
        await here.to(connection, ConnectionState.CONNECTED)
    assert len(here.box.to(ANA)) == 2


async def test_a_reason_that_is_no_code_is_not_repeated(here: Here) -> None:
    await here.ends(await here.connection(here.ana), "<a href='https://evil.example'>log in</a>\r\nBcc: x")
    await here.minute()
    assert "evil" not in text(here)
    assert "the other side ended it." in text(here)


async def test_who_has_no_address_is_written_to_nowhere(here: Here) -> None:
    cleo = await here.person("cleo")
    await here.ends(await here.connection(cleo))
    await here.minute()
    assert [kind for kind, _ in await here.rows() if kind.startswith("connection")] == []


async def test_what_happened_before_there_were_notices_is_no_news(here: Here) -> None:
    await here.ends(await here.connection(here.ana))
    async with here.house.ground.store.transaction() as tx:
        await tx.run("UPDATE noticed SET seq = (SELECT MAX(seq) FROM audit)")
    await here.minute()
    assert here.box.to(ANA) == []


async def test_a_hard_end_is_told_fourteen_days_before_and_three(here: Here) -> None:
    connection = await here.connection(here.ana)
    async with here.house.ground.store.transaction() as tx:
        end = here.clock.now() + 15 * DAY
        await tx.run("UPDATE token_sets SET ends_at = $1 WHERE id = $2", end, connection.token_set)
    told: list[tuple[int, str]] = []
    for day in range(16):
        await here.minute()
        if len(here.box.to(ANA)) > len(told):
            told.append((day, text(here)))
        here.clock.advance(DAY)
    assert [day for day, _ in told] == [1, 12]
    assert "Your Gmail connection ends in 14 days" in told[0][1]
    assert "ends in 3 days" in told[1][1]


async def test_who_gives_an_address_late_is_told_of_the_nearer_end_alone(here: Here) -> None:
    connection = await here.connection(here.ana)
    async with here.house.ground.store.transaction() as tx:
        end = here.clock.now() + 2 * DAY
        await tx.run("UPDATE token_sets SET ends_at = $1 WHERE id = $2", end, connection.token_set)
    for _ in range(3):
        await here.minute()
        here.clock.advance(HOUR)
    assert len(here.box.to(ANA)) == 1


async def test_what_an_agent_asks_at_night_is_told_once_however_often_it_asks(here: Here) -> None:
    for _ in range(5):
        await asked(here, here.ana, offline=True)
        await here.minute()
        here.clock.advance(11 * MINUTE)
    assert len(here.box.to(ANA)) == 1
    assert "triage asks whether it may do something for you" in text(here)


async def test_that_a_connection_ended_is_told_by_the_connection_alone(here: Here) -> None:
    """Not once more for each agent that comes upon it at night."""
    connection = await here.connection(here.ana)
    await here.ends(connection)
    await asked(here, here.ana, offline=True, outcome=Outcome.RECONNECT)
    await here.minute()
    (message,) = here.box.to(ANA)
    assert message["Subject"] == "Valetkey: 1 thing needs you"


async def test_what_an_agent_asks_while_its_person_is_there_is_on_the_page_alone(here: Here) -> None:
    await asked(here, here.ana, offline=False)
    await here.minute()
    assert here.box.to(ANA) == []


async def test_a_stolen_key_and_a_changed_password_are_told(here: Here) -> None:
    connection = await here.connection(here.ana)
    who = here.ana.principal
    facts = {"connection": connection.id}
    await here.house.ground.audit.note(AuditEvent("possible_token_theft", "system", who, None, facts))
    await here.ends(connection, "refused")
    await here.house.ground.audit.note(AuditEvent("password.changed", "person", who, None, {}))
    await here.minute()
    assert "was used by somebody else, or twice" in text(here)
    assert "Your password was changed" in text(here)


async def test_a_provider_that_never_confirmed_is_told(here: Here) -> None:
    connection, who = await here.connection(here.ana), here.ana.principal
    for at_provider in ("pending", "failed"):
        facts = {"connection": connection.id, "at_provider": at_provider}
        await here.house.ground.audit.note(AuditEvent("connection.given_back", "system", who, None, facts))
        await here.minute()
    (_,) = here.box.to(ANA)
    assert "Gmail did not confirm that its access is gone. Remove it there as well." in text(here)


async def test_two_processes_tell_it_once(here: Here) -> None:
    await here.ends(await here.connection(here.ana))
    first, second = here.house.notices, here.house.notices
    await first.noticing.look()
    await second.noticing.look()
    letters = [await one.outbox.claim() for one in (first, second)]
    assert [len(found) for found in letters] == [1, 0]


async def test_a_letter_keeps_no_secret_in_the_store(here: Here) -> None:
    await here.ends(await here.connection(here.ana))
    await here.minute()
    rows = await here.house.ground.store.all("SELECT * FROM notices")
    everything = json.dumps([dict(row) for row in rows])
    assert ANA not in everything


async def asked(here: Here, person: Person, *, offline: bool, outcome: Outcome = Outcome.NOT_GRANTED) -> None:
    """An agent asks for what it lacks; `offline` on a grant of a person who is away."""
    async with here.house.ground.store.transaction() as tx:
        actor = await here.house.agents.named(tx, "triage")
    caller = Caller(person.principal, Actor(actor.id), "", away=offline)
    await here.house.requests.find_or_make(caller, ("gmail.list_unread",), outcome)
