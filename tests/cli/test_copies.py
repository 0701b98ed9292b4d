"""`valetkey backup`, `restore` and `store`: backed up, restored over itself, made live again, and moved."""

import io
import json
import sqlite3
import sys
from contextlib import closing
from pathlib import Path

import pytest

from tests.cli.conftest import Cli
from valetkey.cli.store import _ask
from valetkey.errors import UsageError


class Terminal(io.StringIO):
    """Somebody sits there, and types."""

    def isatty(self) -> bool:
        return True


def test_a_store_is_backed_up_restored_and_made_live_and_each_command_says_what_comes_next(
    cli: Cli, home: Path, tmp_path: Path
) -> None:
    file = tmp_path / "backup.db"
    assert "no store yet" in cli("backup", str(file)).err
    cli("people", "add", "ana")
    made = cli("backup", str(file))
    assert (made.code, "THE ROOT KEY IS NOT IN IT" in made.out) == (0, True)
    assert cli("backup", str(file)).err.strip().endswith("backup.db is there already, and is not overwritten")
    assert cli("store", "status", "--json").json["live"] is True

    refused = cli("restore", str(file))
    assert (refused.code, "--replace keeps it aside" in refused.err) == (1, True)
    done = cli("restore", str(file), "--replace")
    assert done.code == 0
    for said in ("DORMANT", "store.replaced-1.db", "WHAT WAS WITHDRAWN SINCE THE BACKUP IS BACK"):
        assert said in done.out
    asleep = cli("store", "status", "--json")
    assert (asleep.code, asleep.json["reason"]) == (1, "restored")

    live = cli("store", "activate")
    assert (live.code, "is retired" in live.err, "This copy is live" in live.out) == (0, True, True)
    assert "live copy already" in cli("store", "activate").err
    verified = cli("audit", "verify")
    assert (verified.code, "the store was restored" in verified.out) == (0, True)


def test_what_is_damaged_is_backed_up_as_it_is_and_said(cli: Cli, home: Path, tmp_path: Path) -> None:
    cli("people", "add", "ana")
    with closing(sqlite3.connect(home / "store.db", isolation_level=None)) as store:
        store.execute("UPDATE people SET name = 'eve'").close()
    made = cli("backup", str(tmp_path / "backup.db"), "--json")
    assert (made.code, json.loads(made.out)["problems"]) == (
        1,
        ["1 rows of people were changed behind our back"],
    )
    assert "IT IS NOT WHOLE" in made.err
    assert (tmp_path / "backup.db").exists()


def test_a_store_is_moved_into_a_database_only(cli: Cli) -> None:
    cli("people", "add", "ana")
    for url in ("/tmp/other.db", "mysql://db.internal/valetkey"):
        assert "the target is the URL of a PostgreSQL database" in cli("store", "migrate", url).err
    gone = cli("store", "migrate", "postgresql://valetkey@127.0.0.1:1/valetkey")
    assert (gone.code, "cannot be reached" in gone.err) == (78, True)
    assert cli("store", "status").code == 0, "it is the live one still"


def test_whoever_sits_at_a_terminal_is_asked_whether_the_other_copy_is_gone(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(sys, "stdin", Terminal("y\n"))
    _ask("restored")
    monkeypatch.setattr(sys, "stdin", Terminal("n\n"))
    with pytest.raises(UsageError, match="nothing was changed"):
        _ask("restored")
