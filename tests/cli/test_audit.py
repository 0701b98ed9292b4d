"""The audit on the command line: read, verified, exported; a tampered one is not passed off as whole."""

import json
import sqlite3
from pathlib import Path

import pytest

from tests.cli.conftest import Cli

CHANGE = "UPDATE audit SET core = replace(CAST(core AS TEXT), 'operator', 'operatör') WHERE seq = 2"


@pytest.fixture(autouse=True)
def story(cli: Cli) -> None:
    """Three events: a person added and invited, a token minted."""
    cli("people", "add", "ana")
    cli("tokens", "mint", "--principal", "ana", "--actor", "triage")


def tamper(home: Path, sql: str = CHANGE) -> None:
    with sqlite3.connect(home / "store.db") as connection:
        connection.execute(sql)
    connection.close()


def test_each_line_says_who_did_what_for_whom(cli: Cli) -> None:
    shown = cli("audit", "list")
    header, newest, *_ = shown.out.splitlines()
    assert header.split() == ["at", "who", "for", "what", "outcome", "ms"]
    assert "operator" in newest
    assert newest.split()[-4:] == ["ana", "token.minted", "–", "–"]


@pytest.mark.parametrize(
    ("filters", "kinds"),
    [
        (("--limit", "1"), ["token.minted"]),
        (("--actor", "triage"), ["token.minted"]),
        (("--principal", "ana", "--since", "5m"), ["token.minted", "person.invited", "person.added"]),
        (("--since", "2999-01-01"), []),
        (("--tool", "gmail.*"), []),
        (("--outcome", "ok"), []),
    ],
)
def test_filters_leave_out_what_does_not_fit(cli: Cli, filters: tuple[str, ...], kinds: list[str]) -> None:
    assert [event["kind"] for event in cli("audit", "list", *filters, "--json").json] == kinds


@pytest.mark.parametrize("filters", [("--since", "yesterday"), ("--outcome", "good"), ("--limit", "0")])
def test_a_filter_that_means_nothing_is_a_usage_error(cli: Cli, filters: tuple[str, ...]) -> None:
    refused = cli("audit", "list", *filters)
    assert (refused.code, refused.out) == (2, "")


def test_a_whole_record_is_said_to_be_whole_with_its_head(cli: Cli) -> None:
    verified = cli("audit", "verify")
    assert verified.code == 0
    assert "The record is whole." in verified.out
    assert "head 3:" in verified.out


def test_a_changed_event_is_named_and_exits_with_1(cli: Cli, home: Path) -> None:
    tamper(home)
    verified = cli("audit", "verify")
    assert verified.code == 1
    assert "event 2: " in verified.out
    assert "NOT WHOLE" in verified.out
    found = cli("audit", "verify", "--json")
    assert (found.code, found.json["ok"]) == (1, False)
    assert {finding["seq"] for finding in found.json["findings"]} >= {2}


def test_an_anchor_tells_a_store_that_was_cut(cli: Cli, home: Path, tmp_path: Path) -> None:
    anchor = tmp_path / "anchor.txt"
    anchor.write_text(cli("audit", "verify", "--json").json["head"])
    assert cli("audit", "verify", "--anchor", str(anchor)).code == 0
    tamper(home, "DELETE FROM audit WHERE seq = 3")
    assert cli("audit", "verify").code == 0
    cut = cli("audit", "verify", "--anchor", str(anchor))
    assert cut.code == 1
    assert "event 3" in cut.out


def test_a_copy_of_the_signed_head_is_an_anchor_too(cli: Cli, home: Path, tmp_path: Path) -> None:
    cli("audit", "export")
    anchor = tmp_path / "head.json"
    anchor.write_bytes((home / "audit-head.json").read_bytes())
    assert cli("audit", "verify", "--anchor", str(anchor)).code == 0


@pytest.mark.parametrize("noted", ["", "17", "17:abcd", "{", "\udcff"])
def test_what_is_no_anchor_is_refused(cli: Cli, tmp_path: Path, noted: str) -> None:
    anchor = tmp_path / "anchor.txt"
    anchor.write_bytes(noted.encode(errors="surrogateescape"))
    refused = cli("audit", "verify", "--anchor", str(anchor))
    assert (refused.code, refused.out) == (1, "")
    assert cli("audit", "verify", "--anchor", str(tmp_path / "none")).code == 1


def test_an_export_proves_itself_without_the_store(cli: Cli, home: Path, tmp_path: Path) -> None:
    file = tmp_path / "audit.jsonl"
    exported = cli("audit", "export", str(file))
    assert exported.code == 0
    assert file.stat().st_mode & 0o777 == 0o600
    for path in home.iterdir():
        path.unlink()
    home.rmdir()
    checked = cli("audit", "verify-export", str(file))
    assert checked.code == 0, checked.out
    assert "signed by key_" in checked.out
    assert not home.exists()


def test_an_export_that_was_changed_exits_with_1(cli: Cli, tmp_path: Path) -> None:
    file = tmp_path / "audit.jsonl"
    cli("audit", "export", str(file))
    file.write_text(file.read_text().replace("person.added", "person.eaten"))
    checked = cli("audit", "verify-export", str(file))
    assert checked.code == 1
    assert "event 1" in checked.out
    assert cli("audit", "verify-export", str(tmp_path / "none")).code == 1


def test_an_export_is_written_once_and_never_over_a_file(cli: Cli, tmp_path: Path) -> None:
    file = tmp_path / "audit.jsonl"
    file.write_text("mine")
    refused = cli("audit", "export", str(file))
    assert (refused.code, file.read_text()) == (1, "mine")
    assert cli("audit", "export", str(tmp_path / "none" / "audit.jsonl")).code == 1
    assert sorted(path.name for path in tmp_path.iterdir()) == ["audit.jsonl", "home"]


def test_an_export_of_a_restored_store_counts_what_is_in_it(cli: Cli, tmp_path: Path) -> None:
    file = tmp_path / "backup.db"
    assert cli("backup", str(file)).code == 0
    assert cli("people", "add", "ben").code == 0  # recorded, and not in the backup
    assert cli("restore", str(file), "--replace").code == 0
    exported = cli("audit", "export")
    _, *events, _ = exported.out.splitlines()
    last = json.loads(json.loads(events[-1])["core"])["seq"]
    assert f"{len(events)} events" in exported.err
    assert last > len(events), "numbers that are not in this store are passed over"


def test_an_export_to_stdout_holds_the_fact_of_it(cli: Cli) -> None:
    exported = cli("audit", "export", "-", "--with-personal")
    *_, event, head = map(json.loads, exported.out.splitlines())
    assert json.loads(event["core"])["kind"] == "audit.exported"
    assert json.loads(event["core"])["facts"]["personal"] is True
    assert head["signed_head"]["seq"] == 4
    assert "4 events" in exported.err
