"""How letters leave: tried until they are taken, for three days; signed where they are posted."""

from datetime import UTC, datetime
from pathlib import Path

import pytest
import standardwebhooks.webhooks
from standardwebhooks import Webhook, WebhookVerificationError

from tests.notices.conftest import ANA, BEN, MAIL, OPERATOR, WEBHOOK, Here, settled
from valetkey.cli.house import operator
from valetkey.model import DAY, HOUR, MINUTE, SECOND, Secret
from valetkey.notices import new_webhook_key, secret_text
from valetkey.vault import Purpose


@pytest.fixture(autouse=True)
def turned(monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> None:
    """The receiver's clock is ours: its library reads the machine's."""

    class Turned(datetime):
        @classmethod
        def now(cls, tz: object = None) -> datetime:  # type: ignore[override]  # typeshed wants Self
            name = next(one for one in ("here", "hooked") if one in request.fixturenames)
            at = request.getfixturevalue(name).clock.now()
            return datetime.fromtimestamp(at / SECOND, UTC)

    monkeypatch.setattr(standardwebhooks.webhooks, "datetime", Turned)


async def test_a_mail_that_was_not_taken_is_tried_again_with_the_same_id(here: Here) -> None:
    here.box.refuses = "451 later"
    await here.ends(await here.connection(here.ana))
    await here.minute()
    assert here.box.taken == []
    here.box.refuses = None
    await here.minute()
    assert here.box.to(ANA) == [], "not before its time"
    here.clock.advance(2 * MINUTE)
    await here.minute()
    assert len(here.box.to(ANA)) == 1


async def test_after_three_days_it_is_given_up_and_status_says_so(here: Here) -> None:
    here.box.refuses = "550 no such mailbox"
    await here.ends(await here.connection(here.ana))
    for _ in range(14):
        await here.minute()
        here.clock.advance(6 * HOUR)
    states = dict(await here.rows())
    assert states["connection.needs_reauth"] == "failed"
    here.box.refuses = None
    await here.minute()
    assert here.box.to(ANA) == [], "what was given up is not sent after all"
    (line,) = [one for one in await here.house.notices.survey.lines() if one.about == "notices"]
    assert line.needs_somebody
    assert "given up" in line.text
    assert ANA not in line.text


async def test_a_process_that_died_with_a_letter_leaves_it_to_the_next(here: Here) -> None:
    await here.ends(await here.connection(here.ana))
    await here.house.notices.noticing.look()
    (claimed,) = await here.house.notices.outbox.claim()
    assert await here.house.notices.outbox.claim() == []
    here.clock.advance(11 * MINUTE)
    (again,) = await here.house.notices.outbox.claim()
    assert again.id == claimed.id, "the receiver can tell that it is the same"


async def test_whose_address_was_removed_is_written_to_no_more(here: Here) -> None:
    await here.ends(await here.connection(here.ana))
    await here.house.notices.noticing.look()
    await here.house.notices.addresses.remove(here.ana.principal)
    await here.minute()
    assert here.box.to(ANA) == []


def verifier(here: Here) -> Webhook:
    return Webhook(secret_text(here.house.ground.keys.server(Purpose.WEBHOOK)))


async def test_the_receivers_own_library_verifies_what_is_posted(hooked: Here) -> None:
    await hooked.ends(await hooked.connection(hooked.ana))
    await hooked.minute()
    (posted,) = [one for one in hooked.hook.received if one.json["type"] == "valetkey.person.notice"]
    payload = verifier(hooked).verify(posted.body, posted.headers)
    assert payload["data"]["to"] == ANA
    assert payload["data"]["notices"][0]["kind"] == "connection.needs_reauth"
    with pytest.raises(WebhookVerificationError):
        verifier(hooked).verify(posted.body.replace(b"ana", b"eve"), posted.headers)
    assert "authorization" not in posted.headers


async def test_while_a_secret_is_replaced_both_sign(hooked: Here) -> None:
    house, old = hooked.house, verifier(hooked)
    ground = house.ground
    await new_webhook_key(ground.store, ground.keys, ground.audit, ground.ids, ground.clock, operator())
    new = verifier(hooked)
    await house.notices.post.test()
    (posted,) = hooked.hook.received
    assert old.verify(posted.body, posted.headers) == new.verify(posted.body, posted.headers)
    hooked.clock.advance(8 * DAY)
    await house.notices.post.test()
    posted = hooked.hook.received[-1]
    assert new.verify(posted.body, posted.headers)
    with pytest.raises(WebhookVerificationError):
        old.verify(posted.body, posted.headers)


async def test_a_webhook_that_redirects_or_fails_is_tried_again_as_the_same(hooked: Here) -> None:
    hooked.answers += [302, 500, 410]
    await hooked.ends(await hooked.connection(hooked.ana))
    for _ in range(4):
        await hooked.minute()
        hooked.clock.advance(HOUR)
    people = [one for one in hooked.hook.received if one.json["type"] == "valetkey.person.notice"]
    assert len({one.headers["webhook-id"] for one in people}) == 1
    assert ("connection.needs_reauth", "sent") in await hooked.rows()


async def test_a_webhook_at_a_private_address_takes_the_operators_word(tmp_path: Path) -> None:
    notify = '[notify.webhook]\nurl = "https://localhost/valetkey"\n'
    async with settled(tmp_path, notify) as here:
        told = await here.house.notices.post.test()
    assert "not permitted" in told["webhook"]


async def test_the_mail_servers_password_is_sealed(here: Here) -> None:
    password = here.house.notices.password
    assert await password.get() is None
    await password.put(Secret("mail-s3cret"), operator())
    assert (await password.get() or Secret("")).reveal() == "mail-s3cret"
    rows = await here.house.ground.store.all("SELECT content FROM sealed WHERE purpose = 'smtp_password'")
    assert b"mail-s3cret" not in rows[0]["content"]


async def test_a_test_says_of_each_way_what_came_of_it(tmp_path: Path) -> None:
    async with settled(tmp_path, MAIL + WEBHOOK) as here:
        here.answers.append(500)
        told = await here.house.notices.post.test()
        assert told == {"mail": "taken", "webhook": "the webhook answered 500"}
        assert len(here.box.to(OPERATOR)) == 1
        assert "s3cret" not in str(told)


async def test_a_letter_that_goes_wrong_in_a_way_nobody_foresaw_keeps_no_other(here: Here) -> None:
    store = here.house.ground.store
    async with store.transaction() as tx:
        await tx.run(_STUCK.format(subject=here.ana.subject))
    for person in (here.ana, here.ben):
        await here.ends(await here.connection(person))
    await here.minute()
    assert len(here.box.to(BEN)) == 1
    here.clock.advance(HOUR)
    await here.minute()
    assert len(here.box.to(BEN)) == 1, "and it is told once"
    async with store.transaction() as tx:
        await tx.run("DROP TRIGGER stuck")
    here.clock.advance(HOUR)
    await here.minute()
    assert {state for _, state in await here.rows()} == {"sent"}


async def test_a_password_that_does_not_open_leaves_the_operator_the_other_way(tmp_path: Path) -> None:
    named = MAIL.replace('sender = "', 'username = "us"\nsender = "')
    async with settled(tmp_path, named + WEBHOOK) as here:
        await here.house.notices.password.put(Secret("mail-s3cret"), operator())
        async with here.house.ground.store.transaction() as tx:
            await tx.run("UPDATE sealed SET version = 7 WHERE purpose = 'smtp_password'")
        told = await here.house.notices.post.test()
    assert told["webhook"] == "taken"
    assert "valetkey notify password" in told["mail"]


_STUCK = """
CREATE TRIGGER stuck BEFORE UPDATE ON notices WHEN NEW.state = 'sent' AND OLD.subject = '{subject}'
BEGIN SELECT RAISE(ABORT, 'stuck'); END"""
