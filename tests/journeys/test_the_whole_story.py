"""The story told to its end: a second run, a second person, an end, a new beginning, and the audit."""

from pathlib import Path

from tests.support.town import Town, town
from tests.support.wire import text
from valetkey.assemble import head_file, sign_head
from valetkey.audit.read import AuditRecord
from valetkey.audit.verify import verify
from valetkey.people import Person

UNREAD = {"limit": 5, "from": "ben@example.com"}
SUMMARY = {"channel": "C0SUPPORT2", "text": "Five mails from Ben."}


async def test_the_story_from_the_first_link_to_the_last_line_of_the_audit(tmp_path: Path) -> None:
    async with town(tmp_path) as here:
        ana, ben = await here.person("ana"), await here.person("ben")
        await _two_links_and_then_none(here, ana)
        await _the_other_person_sees_nothing_of_it(here, ben)
        await _ended_and_begun_again(here, ana)
        await _everything_is_in_the_audit(here, ana, ben)


async def _two_links_and_then_none(here: Town, ana: Person) -> None:
    yes = here.approving("ana", "ana@example.com")
    async with here.client(await here.token(ana), yes) as agent:
        for _ in range(2):
            mail = await agent.call_tool("gmail.list_unread", UNREAD)
            assert mail.structured_content is not None
            assert len(mail.structured_content["items"]) == 5
            assert not (await agent.call_tool("slack.post_message", SUMMARY)).is_error
        assert len(here.links) == 2, "the second run needs nobody"
        assert len(here.sandbox.slack.counters.posted) == 2


async def _the_other_person_sees_nothing_of_it(here: Town, ben: Person) -> None:
    before = here.sandbox.google.counters.requests["api"]
    async with here.client(await here.token(ben), here.answering("cancel")) as agent:
        asked = await agent.call_tool("gmail.list_unread", UNREAD)
    assert asked.is_error
    assert "[not_connected]" in text(asked)
    assert here.links.pop() not in here.links, "his link is his own"
    assert here.sandbox.google.counters.requests["api"] == before, "nothing was asked with anybody's token"


async def _ended_and_begun_again(here: Town, ana: Person) -> None:
    connections = here.house.connections
    (gmail,) = await connections.rows.live(here.house.ground.store, ana.principal, "gmail")
    await connections.revocation.revoke(gmail, "person")
    assert here.sandbox.google.counters.revocations == 1
    async with here.client(await here.token(ana)) as agent:
        refused = await agent.call_tool("gmail.list_unread", UNREAD)
        assert refused.meta is not None
        link = refused.meta["valetkey/connect_url"]
        assert refused.is_error
        assert "[not_connected]" in text(refused)
        assert link in text(refused), "and it says how to connect again"
    async with here.client(await here.token(ana), here.approving("ana", "ana@example.com")) as agent:
        mail = await agent.call_tool("gmail.list_unread", UNREAD)
        assert not mail.is_error
        assert here.links[-1] == link


async def _everything_is_in_the_audit(here: Town, ana: Person, ben: Person) -> None:
    told = [_step(record) for record in await here.records(ana)]
    assert [step for step in told if step in _ANAS] == _ANAS
    assert [_step(record) for record in await here.records(ben)] == [
        _ASKED,
        ("gmail.list_unread", "not_connected"),
    ]
    ground = here.house.ground
    await sign_head(ground)
    assert (await verify(ground.store, ground.keys, head_file=head_file(ground.settings))).ok


def _step(record: AuditRecord) -> tuple[str | None, str | None]:
    return (record.tool if record.kind == "call" else record.kind, record.outcome)


_ASKED = ("request.made", "not_connected")
_CONNECTED = [
    ("person.signed_in", None),
    ("connection.confirming", None),
    ("request.met", None),
    ("connection.connected", None),
    ("grant.given", None),
]
_ANAS = [
    *(_ASKED, ("gmail.list_unread", "ok"), *_CONNECTED),  # one record, begun when it was first asked for
    *(_ASKED, ("slack.post_message", "ok"), *_CONNECTED),
    *(("gmail.list_unread", "ok"), ("slack.post_message", "ok")),
    *(("connection.revoked", None), ("connection.given_back", None)),
    *(_ASKED, ("gmail.list_unread", "not_connected")),
    *(("gmail.list_unread", "ok"), *_CONNECTED),
]
