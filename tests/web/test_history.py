"""What did my agents do: every call, how it ended and with what; one's own acts beside them, told apart."""

from urllib.parse import urlsplit

import pytest
from mcp.shared.exceptions import MCPError

from tests.pages.browser import Browser, Seen
from tests.support.town import Town
from tests.web.conftest import EMAIL, Street
from valetkey.audit.history import LOOKS_AT, page
from valetkey.model import DAY, AuditEvent, Outcome, Principal
from valetkey.web.told import ENDINGS, KINDS, act


async def _called(street: Street, anas: Browser) -> None:
    """Triage reads Ana's mail, asks for what does not exist, and asks wrongly."""
    await street.connect(anas, await street.ask())
    async with street.town.client(await street.town.token(street.ana)) as agent:
        await agent.call_tool("gmail.list_unread", {"limit": 3, "from": "ben@example.com"})
        await agent.call_tool("gmail.list_unread", {"limit": 100_000})
        await agent.call_tool("gmail.send_message", {"to": "ben@example.com", "subject": "x", "text": "y"})
    await street.town.records(street.ana)  # all that waits to be written is


async def _noted(town: Town, principal: Principal, *kinds: str) -> None:
    events = (AuditEvent(kind, "person", principal, None, {}) for kind in kinds)
    async with town.house.ground.store.transaction() as tx:
        await town.house.ground.audit.append(tx, *events)


def _entries(seen: Seen) -> int:
    return seen.response.text.count('<li class="entry')


async def test_at_first_there_is_nothing(street: Street, anas: Browser) -> None:
    seen = await anas.open("/mine/history?agent=&ended=done")
    assert "Nothing that fits" in seen.text


async def test_a_call_is_told_in_words(street: Street, anas: Browser) -> None:
    await _called(street, anas)
    text = (await anas.open("/mine/history")).text
    for words in (
        "Gmail: List unread",
        "Done",
        "triage",
        EMAIL,
        "4 October 2024",
        "00:00 UTC",
        "Was not valid",
    ):
        assert words in text, words


async def test_it_is_told_with_what_it_was_made(street: Street, anas: Browser) -> None:
    await _called(street, anas)
    text = (await anas.open("/mine/history?ended=done")).text
    assert "With what: Gmail: List unread" in text
    assert "limit" in text


async def test_what_was_forgotten_is_said_to_be(street: Street, anas: Browser) -> None:
    await _called(street, anas)
    store = street.town.house.ground.store
    async with store.transaction() as tx:
        await tx.run("DELETE FROM sealed WHERE purpose = 'audit'")
    seen = await anas.open("/mine/history?ended=done")
    assert "no longer kept" in seen.text
    assert "With what" not in seen.text


async def test_ones_own_acts_are_told_apart(street: Street, anas: Browser) -> None:
    await _called(street, anas)
    everything = await anas.open("/mine/history")
    agent = everything.response.text.split('name="agent"')[1].split('<option value="')[2].split('"')[0]
    own, theirs = await anas.open("/mine/history?agent=you"), await anas.open(f"/mine/history?agent={agent}")
    assert "Allowed triage" in own.text
    assert "Connected Gmail" in own.text
    assert "Gmail: List unread" not in own.text.replace("Allowed triage Gmail: List unread", "")
    assert "Allowed triage" not in theirs.text
    assert _entries(own) + _entries(theirs) == _entries(everything)


async def test_it_can_be_asked_by_how_it_ended(street: Street, anas: Browser) -> None:
    await _called(street, anas)
    counts = {kind: _entries(await anas.open(f"/mine/history?ended={kind}")) for kind in KINDS}
    assert counts == {"done": 1, "asked": 1, "refused": 0, "failed": 1}


async def test_page_after_page_shows_each_record_once(street: Street, anas: Browser) -> None:
    await _noted(street.town, street.ana.principal, *["person.signed_in"] * 60)
    seen, pages, count = await anas.open("/mine/history?agent=you"), 0, 0
    while True:
        pages, count = pages + 1, count + _entries(seen)
        older = [part for part in seen.response.text.split('href="') if "before=" in part[:200]]
        if not older:
            break
        seen = await anas.open(older[0].split('"')[0].replace("&amp;", "&"))
    assert pages == 3
    assert count == 61, "these, and signing in to look"


async def test_what_is_rare_is_found_by_looking_further_back(street: Street) -> None:
    """One page looks at so much and no more: a person cannot keep the server reading."""
    ground, who = street.town.house.ground, street.ana.principal
    await _noted(street.town, who, "person.joined", *["person.signed_in"] * (LOOKS_AT + 100))
    found = await page(ground.store, ground.vault, who, lambda record: record.kind == "person.joined")
    assert found is not None
    assert (found.records, found.before is not None) == ([], True)
    more = await page(ground.store, ground.vault, who, lambda _: True, before=found.before, limit=500)
    assert more is not None
    assert [record.kind for record in more.records].count("person.joined") >= 1


async def test_nobody_sees_anything_of_anybody_else(street: Street, anas: Browser, bens: Browser) -> None:
    await _called(street, anas)
    seen = await bens.open("/mine/history")
    assert "Gmail" not in seen.text
    assert "triage" not in seen.response.text
    assert EMAIL not in seen.response.text


async def test_somebody_of_the_same_subject_elsewhere_is_somebody_else(street: Street) -> None:
    ground, ana = street.town.house.ground, street.ana.principal
    await _noted(street.town, Principal("corp", ana.subject), "person.signed_in")
    found = await page(ground.store, ground.vault, Principal("corp", ana.subject), lambda _: True)
    assert found is not None
    assert [record.principal for record in found.records] == [Principal("corp", ana.subject)]


async def test_what_somebody_wrote_is_text(street: Street, anas: Browser) -> None:
    await street.connect(anas, await street.ask())
    hostile = "<script>alert(1)</script>"
    async with street.town.client(await street.town.token(street.ana)) as agent:
        await agent.call_tool("gmail.list_unread", {"from": hostile})
        with pytest.raises(MCPError):
            await agent.call_tool(hostile, {})
    await street.town.records(street.ana)
    html = (await anas.open("/mine/history")).response.text
    assert hostile not in html
    assert "&lt;script&gt;" in html


async def test_a_filter_survives_signing_in(street: Street, browser: Browser) -> None:
    location = (await browser.open("/mine/history?ended=done")).location
    assert urlsplit(location).query == "return_to=%2Fmine%2Fhistory%3Fended%3Ddone"


def test_every_outcome_has_words_and_a_kind() -> None:
    assert list(ENDINGS) == list(Outcome)
    assert {kind for kind, _ in ENDINGS.values()} == set(KINDS)


async def test_days_are_those_of_the_record(street: Street, anas: Browser) -> None:
    street.town.clock.advance(DAY)
    await _noted(street.town, street.ana.principal, "person.signed_out")
    text = (await anas.open("/mine/history")).text
    assert text.index("5 October 2024") < text.index("4 October 2024")


def test_the_words_of_kinds_name_their_agent() -> None:
    assert act("grant.given", "triage", "") == "Allowed triage"
    assert act("connection.revoked", "", "Gmail") == "Disconnected Gmail"
    assert act("something.new", "", "") == "something.new"
    assert act("agent.stopped", "", "") == "Stopped an agent"
