"""Exports: JSON Lines that prove themselves with nothing but the file, and fail once anything is changed."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.audit.story import ANA, Start, made
from tests.support.clock import FakeClock
from valetkey.audit.checkpoint import checkpoint
from valetkey.audit.export import export, verify_export
from valetkey.audit.head import Checkpoint, Head
from valetkey.audit.personal import forget_personal
from valetkey.model import Json
from valetkey.store.sqlite import SqliteStore
from valetkey.vault import Vault

Lines = list[str]


async def exported(store: SqliteStore, vault: Vault, signed: Checkpoint, *, personal: bool = True) -> Lines:
    return [line async for line in export(store, vault, signed, personal=personal)]


@pytest.fixture
async def lines(store: SqliteStore, vault: Vault, signed: Checkpoint) -> Lines:
    """An export with the personal parts: a header, eight events, a signed head."""
    return await exported(store, vault, signed)


async def test_an_export_proves_itself(lines: Lines, signed: Checkpoint) -> None:
    found = verify_export(lines, anchor=signed.head)
    assert found.ok, found.findings
    assert (found.events, found.withheld, found.checkpoints, found.head) == (8, 0, 1, signed.head)
    assert list(found.signed_by) == [signed.kid]


async def test_line_ends_and_empty_lines_are_no_fault(lines: Lines) -> None:
    assert verify_export([line + "\r\n" for line in lines] + ["\n"]).ok


async def test_personal_parts_are_left_out_unless_they_are_asked_for(
    store: SqliteStore, vault: Vault, signed: Checkpoint, lines: Lines
) -> None:
    without = await exported(store, vault, signed, personal=False)
    found = verify_export(without)
    assert (found.ok, found.withheld) == (True, 4)
    assert "ben@example.com" not in "".join(without)
    assert "ben@example.com" in "".join(lines)
    assert "secret text" not in "".join(lines), "what the tool calls sensitive was never kept"


async def test_what_was_forgotten_is_withheld(store: SqliteStore, vault: Vault, signed: Checkpoint) -> None:
    async with store.transaction() as tx:
        await forget_personal(tx, vault, ANA)
    found = verify_export(await exported(store, vault, signed))
    assert (found.ok, found.withheld) == (True, 4)


def edited(line: str, **fields: Json) -> str:
    return json.dumps(json.loads(line) | fields)


def recored(line: str, old: str, new: str) -> str:
    event = json.loads(line)
    return json.dumps(event | {"core": event["core"].replace(old, new)})


EDITS: dict[str, tuple[Callable[[Lines], Lines], str]] = {
    "nothing at all": (lambda _: [], "does not begin"),
    "no header": (lambda x: x[1:], "does not begin"),
    "another store": (lambda x: [edited(x[0], store="sto_x"), *x[1:]], "does not follow"),
    "another head in the header": (lambda x: [edited(x[0], head="9:00"), *x[1:]], "not that of these events"),
    "no keys": (lambda x: [edited(x[0], keys={}), *x[1:]], "does not fit"),
    "keys that are none": (lambda x: [edited(x[0], keys=["x"]), *x[1:]], "does not fit"),
    "a word in an event": (lambda x: [*x[:6], recored(x[6], "denied", "failed"), *x[7:]], "was changed"),
    "a hash": (lambda x: [*x[:3], edited(x[3], hash="00" * 32), *x[4:]], "was changed"),
    "no hash": (lambda x: [*x[:3], edited(x[3], hash=None), *x[4:]], "not an event"),
    "a personal part": (
        lambda x: [*x[:2], edited(x[2], personal={"salt": "00", "text": "{}"}), *x[3:]],
        "personal part",
    ),
    "a personal part of another form": (
        lambda x: [*x[:2], edited(x[2], personal=["x"]), *x[3:]],
        "cannot be read",
    ),
    "a salt that is none": (
        lambda x: [*x[:2], edited(x[2], personal={"salt": "x", "text": "{}"}), *x[3:]],
        "cannot be read",
    ),
    "an event removed": (lambda x: x[:4] + x[5:], "missing or moved"),
    "events swapped": (lambda x: [*x[:3], x[4], x[3], *x[5:]], "missing or moved"),
    "an event repeated": (lambda x: [*x[:4], x[3], *x[4:]], "missing or moved"),
    "an event in the place of no line": (lambda x: [*x[:4], "[1]", *x[4:]], "not an event"),
    "a broken line": (lambda x: [*x[:4], x[4][:50], *x[5:]], "not an event"),
    "a line too deep": (lambda x: [*x[:4], "[" * 100_000, *x[4:]], "not an event"),
    "a lone surrogate": (lambda x: [*x[:4], '{"core":"\\ud800"}', *x[4:]], "not an event"),
    "the last events cut off": (lambda x: x[:-3] + x[-1:], "not that of these events"),
    "the end cut off": (lambda x: x[:-1], "the export was cut"),
    "a line behind the end": (lambda x: [*x, x[3]], "behind the signed head"),
    "the signature": (
        lambda x: [*x[:-1], x[-1].replace('"signature":"', '"signature":"00')],
        "does not fit",
    ),
}


@pytest.mark.parametrize("what", EDITS)
async def test_an_edited_export_fails(lines: Lines, what: str) -> None:
    edit, text = EDITS[what]
    found = verify_export(edit(lines))
    assert any(text in finding.text for finding in found.findings), found.findings


async def test_an_export_without_any_events_but_a_head_of_its_own_fails(lines: Lines) -> None:
    assert not verify_export([lines[0], lines[-1]]).ok


async def test_an_anchor_of_another_history_or_of_a_later_time_is_not_met(
    lines: Lines, signed: Checkpoint
) -> None:
    other = verify_export(lines, anchor=Head(3, bytes(32)))
    later = verify_export(lines, anchor=Head(9, signed.head.hash))
    assert [finding.text for finding in other.findings] == ["this event is not the one that the anchor names"]
    assert "ends before it" in later.findings[0].text


HOSTILE = [
    '\n{"core":"{}","hash":""}\n',
    "\r",
    "\u2028",
    "\x85",
    "\x1b[2J",
    '"},{"',
    "\x00",
    "\ud800",
    "\x0b\x0c\x1c",
]


@pytest.mark.parametrize("text", HOSTILE)
async def test_what_somebody_wrote_begins_no_new_line(
    start: Start, store: SqliteStore, vault: Vault, clock: FakeClock, head_file: Path, text: str
) -> None:
    async with start() as audit:
        await made(audit, "call_1", query=text, deep=[{text: text}])
    signed = await checkpoint(store, vault.keys, clock, head_file)
    assert signed is not None
    file = "\n".join(await exported(store, vault, signed))
    assert len(file.splitlines()) == 4
    assert file.replace("\n", "").isprintable()
    assert verify_export(file.splitlines()).ok


async def test_a_store_that_was_tampered_with_exports_what_it_holds_and_fails_there(
    store: SqliteStore, vault: Vault, signed: Checkpoint
) -> None:
    async with store.transaction() as tx:
        await tx.run("UPDATE audit SET core = $1 WHERE seq = 3", b'{"seq":3,"x":"\xff"}')
    found = verify_export(await exported(store, vault, signed, personal=False))
    assert {finding.seq for finding in found.findings} == {3}


async def test_a_long_chain_is_exported_whole(
    start: Start, store: SqliteStore, vault: Vault, clock: FakeClock, head_file: Path
) -> None:
    async with start() as audit:
        for number in range(300):
            await made(audit, f"call_{number}")
    signed = await checkpoint(store, vault.keys, clock, head_file)
    assert signed is not None
    found = verify_export(await exported(store, vault, signed))
    assert (found.ok, found.events) == (True, 600)
