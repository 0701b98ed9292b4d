"""Reading: one record per call and per other event, newest first, and only what was asked for."""

import json

import pytest

from tests.audit.story import ANA, BEN, CALLER, LIST, POST, Start, asks, granted, made, refused, seal
from tests.support.clock import START, FakeClock
from valetkey.audit import read
from valetkey.audit.personal import forget_personal
from valetkey.audit.read import AuditRecord, records, search
from valetkey.errors import IntegrityError, NeedsPerson
from valetkey.model import Actor, AuditEvent, Caller, CallId
from valetkey.store.sqlite import SqliteStore
from valetkey.vault import Vault


@pytest.fixture
async def day(start: Start, store: SqliteStore, vault: Vault, clock: FakeClock) -> None:
    """Ana's call that waits for her, what she did, the call that went on, Ben's, and some more."""
    async with start() as audit:
        with pytest.raises(NeedsPerson):
            await asks(audit, "call_1")
        clock.advance(1_000)
        await audit.note(granted(label="ana@example.com"))
        await seal(audit, store, vault, "tok_1", "secret")
        clock.advance(1_000)
        await made(audit, "call_1", sender="ben@example.com")
    async with start() as audit:
        clock.advance(1_000)
        ben = Caller(BEN, Actor("other"), "ses_2")
        async with audit.around(ben, POST.name, CallId("call_2")) as record:
            record.tool(POST)
        await refused(audit, "call_3")
        await audit.note(AuditEvent("sign_in.refused", "person", None, None, {"outcome": "denied"}))


def told(found: list[AuditRecord]) -> list[str]:
    return [f"{record.id if record.kind == 'call' else record.kind} {record.outcome}" for record in found]


@pytest.mark.usefixtures("day")
async def test_the_newest_come_first_and_a_call_is_one_record(store: SqliteStore, vault: Vault) -> None:
    assert sorted(told(await records(store, vault))) == sorted(
        [
            "sign_in.refused denied",
            "call_3 denied",
            "call_2 ok",
            "token.sealed None",
            "grant.given None",
            "call_1 ok",
        ]
    )
    times = [record.at for record in await records(store, vault)]
    assert times == sorted(times, reverse=True)


@pytest.mark.usefixtures("day")
async def test_each_filter_leaves_what_it_names(store: SqliteStore, vault: Vault) -> None:
    assert told(await records(store, vault, principal=BEN)) == ["call_2 ok"]
    assert told(await records(store, vault, actor="other")) == ["call_2 ok"]
    assert told(await records(store, vault, tool="gmail.*")) == ["call_1 ok"]
    assert told(await records(store, vault, tool=POST.name, principal=ANA)) == ["call_3 denied"]
    assert told(await records(store, vault, outcome="ok", since=START + 3_000)) == ["call_2 ok"]
    assert told(await records(store, vault, outcome="failed")) == []
    assert len(await records(store, vault, limit=2)) == 2


@pytest.mark.usefixtures("day")
async def test_a_record_is_json(store: SqliteStore, vault: Vault) -> None:
    (call,) = await records(store, vault, tool=LIST.name)
    shown = json.loads(json.dumps(call.as_json()))
    digest = shown["details"].pop("arguments")
    assert len(digest) == 64
    assert shown == {
        "at": START,
        "id": "call_1",
        "kind": "call",
        "by": "agent",
        "principal": {"issuer": "local", "subject": "prs_ana"},
        "actor": {"client": "triage", "chain": ["planner"]},
        "outcome": "ok",
        "waiting": False,
        "tool": "gmail.list_unread",
        "effect": "read",
        "connection": "con_1",
        "status": 200,
        "duration": 0,
        "arguments": {"sender": "ben@example.com"},
        "withheld": False,
        "details": {"request": "req_1"},
    }


@pytest.mark.usefixtures("day")
async def test_another_event_shows_its_facts_and_its_personal_part(store: SqliteStore, vault: Vault) -> None:
    grant = (await records(store, vault, since=START + 1_000))[-1]
    assert (grant.kind, grant.by, grant.actor) == ("grant.given", "person", CALLER.actor)
    assert grant.details == {"grant": "gnt_1", "label": "ana@example.com"}


@pytest.mark.usefixtures("day")
async def test_a_forgotten_person_is_withheld_and_others_are_not(store: SqliteStore, vault: Vault) -> None:
    async with store.transaction() as tx:
        await forget_personal(tx, vault, ANA)
    (call,) = await records(store, vault, tool=LIST.name)
    assert (call.arguments, call.withheld, call.outcome) == (None, True, "ok")
    (ben,) = await records(store, vault, principal=BEN)
    assert not ben.withheld


@pytest.mark.usefixtures("day")
async def test_a_personal_part_that_does_not_open_is_not_shown(store: SqliteStore, vault: Vault) -> None:
    async with store.transaction() as tx:
        await tx.run("UPDATE sealed SET content = x'00' WHERE purpose = 'audit'")
    (call,) = await records(store, vault, tool=LIST.name)
    assert (call.arguments, call.withheld) == (None, True)


@pytest.mark.parametrize("core", [b"", b"\xff", b"[]", b"{}", b'{"facts":1}', b"[" * 100_000])
@pytest.mark.usefixtures("day")
async def test_an_event_that_cannot_be_read_is_said_to_be(
    store: SqliteStore, vault: Vault, core: bytes
) -> None:
    async with store.transaction() as tx:
        await tx.run("UPDATE audit SET core = $1 WHERE seq = 2", core)
    with pytest.raises(IntegrityError, match="event 2 of the audit cannot be read"):
        await records(store, vault)


async def test_reading_goes_on_past_what_does_not_match(
    start: Start, store: SqliteStore, vault: Vault
) -> None:
    async with start() as audit:
        await refused(audit, "call_first")
        for number in range(450):
            await made(audit, f"call_{number}")
    assert told(await records(store, vault, outcome="denied")) == ["call_first denied"]
    assert len(await records(store, vault, limit=1_000)) == 451


@pytest.mark.usefixtures("day")
async def test_a_search_that_looked_at_as_many_as_it_may_says_that_there_may_be_more(
    store: SqliteStore, vault: Vault, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(read, "_BATCH", 2)
    monkeypatch.setattr(read, "LOOKS_AT", 2)
    cut_short = await search(store, vault, tool=LIST.name)
    assert (told(cut_short.records), cut_short.whole) == ([], False)
    monkeypatch.setattr(read, "LOOKS_AT", 6)
    enough = await search(store, vault, tool=LIST.name, limit=1)
    assert (told(enough.records), enough.whole) == (["call_1 ok"], True)
