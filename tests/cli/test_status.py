"""`valetkey status`: one screen, exit codes that a script can go by, with a server beside it or without."""

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from tests.cli.conftest import Cli
from valetkey.assemble import opened
from valetkey.cli.house import run
from valetkey.model import Connection, ConnectionState
from valetkey.settings import FILE, load

FIRST = ["connections", "expiry", "refresh", "registrations", "jobs", "revocation"]
ABOUT = [*FIRST, "key", "store", "audit", "notices", "disk"]


def test_all_is_well_on_a_new_home_and_nothing_is_asked_of_anybody(cli: Cli) -> None:
    shown = cli("status")
    assert shown.code == 0
    assert [line.split()[1] for line in shown.out.splitlines() if not line.startswith(" ")] == ABOUT
    assert {line.split()[0] for line in shown.out.splitlines() if not line.startswith(" ")} == {"ok", "note"}


def test_a_program_gets_figures(cli: Cli) -> None:
    told = cli("status", "--json").json
    assert told["well"]
    lines = {line["about"]: line for line in told["lines"]}
    assert lines["connections"]["counts"]["connected"] == 0
    assert lines["disk"]["counts"]["free"] > 0
    assert not any(line["to_do"] for line in lines.values() if line["level"] == "ok")


def test_a_connection_that_needs_its_person_is_1_and_says_what_to_do(cli: Cli, home: Path) -> None:
    cli("people", "add", "ana")
    run(lambda: ended(home))
    shown = cli("status")
    assert shown.code == 1
    assert "0 connected; of 1 the person has to reconnect: 1 gmail" in shown.out
    assert "their people do that at /mine" in shown.out


async def ended(home: Path) -> None:
    """A connection of Ana's that has ended, without the trip."""
    async with opened(load(home)) as house:
        ana = await house.accounts.named(house.ground.store, "ana")
        state = ConnectionState.NEEDS_REAUTH
        new = Connection("con_1", ana.principal, "gmail", "my-google", state, "tok_1", frozenset())
        async with house.ground.store.transaction() as tx:
            await tx.run("INSERT INTO token_sets (id) VALUES ('tok_1')")
            await house.connections.rows.insert(tx, new)


def test_a_server_that_ran_and_does_not_is_said(cli: Cli, home: Path) -> None:
    cli("people", "add", "ana")
    with closing(sqlite3.connect(home / "store.db")) as store:
        store.execute("INSERT INTO meta VALUES ('public_url', 'http://localhost:8917')")
        store.commit()
    shown = cli("status")
    assert shown.code == 1
    assert "no server runs" in shown.out
    assert "`valetkey serve` starts it" in shown.out


def test_an_audit_that_was_cut_is_a_failure(cli: Cli, home: Path) -> None:
    cli("people", "add", "ana")
    (home / "audit-head.json").write_text("{}")
    shown = cli("status")
    assert shown.code == 1
    assert "this is not a signed head" in shown.out


@pytest.mark.parametrize("command", [("status",), ("notify", "test")])
def test_an_installation_that_cannot_be_used_is_78(cli: Cli, home: Path, command: tuple[str, ...]) -> None:
    cli("people", "add", "ana")
    (home / FILE).write_text("no = 1")
    assert cli(*command).code == 78


def test_a_test_without_any_way_says_what_is_missing(cli: Cli) -> None:
    tried = cli("notify", "test")
    assert (tried.code, tried.out) == (1, "")
    assert "[notify] in valetkey.toml" in tried.err


def test_a_way_that_does_not_work_is_said_and_is_1(cli: Cli, home: Path) -> None:
    cli("people", "add", "ana")
    (home / FILE).write_text('[notify.webhook]\nurl = "https://localhost:9/"\n')
    tried = cli("notify", "test")
    assert tried.code == 1
    assert tried.out.startswith("webhook: ")


def test_the_webhooks_secret_alone_goes_to_stdout_and_is_replaced_on_demand(cli: Cli) -> None:
    first = cli("notify", "secret")
    assert first.out.startswith("whsec_")
    assert first.out.count("\n") == 1
    assert cli("notify", "secret").out == first.out
    assert cli("notify", "secret", "--rotate").out != first.out


def test_the_mail_servers_password_is_taken_from_stdin_and_shown_nowhere(cli: Cli, home: Path) -> None:
    sealed = cli("notify", "password", "--stdin", stdin="mail-s3cret\n")
    assert sealed.code == 0
    assert "mail-s3cret" not in sealed.out + sealed.err + cli("audit", "list", "--json").out
    assert b"mail-s3cret" not in (home / "store.db").read_bytes()
    assert cli("notify", "password", "--stdin", stdin="\n").code == 1
