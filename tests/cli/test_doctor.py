"""`valetkey doctor`: a line for each thing, with what to do."""

import os
import socket
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import anyio
import pytest

from tests.cli.conftest import Cli
from tests.support.authenticator import Authenticator
from valetkey.assemble import DEFAULT_PORT, opened
from valetkey.settings import FILE, load


def told(cli: Cli, about: str) -> list[dict[str, Any]]:
    return [check for check in cli("doctor", "--json").json if check["about"] == about]


def registered(cli: Cli, provider: str) -> None:
    cli("registrations", "add", provider, "--client-id", "id", "--client-secret-stdin", stdin="s3cret")


def test_a_home_without_a_store_is_fine_and_says_what_makes_one(cli: Cli, home: Path) -> None:
    examined = cli("doctor")
    assert examined.code == 0
    assert "`valetkey serve` makes one" in examined.out
    assert sorted(path.name for path in home.iterdir()) == [FILE]


def test_everything_that_is_fine_is_one_ok_line(cli: Cli) -> None:
    cli("people", "add", "ana")
    registered(cli, "google")
    examined = cli("doctor")
    assert examined.code == 0, examined.out
    lines = [line.split()[:2] for line in examined.out.splitlines() if not line.startswith(" ")]
    fine = {about for level, about in lines if level == "ok"}
    assert fine >= {"home", "connectors", "key", "store", "clock", "people", "registration", "audit"}
    assert "\x1b" not in examined.out


def test_the_redirect_uri_of_each_registration_is_printed_as_it_has_to_be(cli: Cli, home: Path) -> None:
    registered(cli, "google")
    registered(cli, "slack")
    google, slack = told(cli, "registration")[:2]  # then come the providers that have none
    assert google["level"] == "ok"
    assert "http://localhost:8917/callback/google" in google["text"]
    assert slack["level"] == "warn"
    assert "https" in slack["to_do"]
    (home / FILE).write_text('public_url = "https://valetkey.example.com"\n')
    _, slack, nowhere = told(cli, "registration")[:3]
    assert slack["level"] == "ok"
    assert "valetkey registrations add" in nowhere["to_do"]
    assert "https://valetkey.example.com/callback/slack" in slack["text"]


def test_hosts_that_are_overridden_are_said_loudly(cli: Cli, home: Path) -> None:
    cli("people", "list")
    (home / FILE).write_text('[hosts]\n"https://slack.com" = "http://127.0.0.1:4101"\n')
    loud, each = told(cli, "hosts")
    assert (loud["level"], each["level"]) == ("warn", "warn")
    assert "TRYING OUT" in loud["text"]
    assert each["text"] == "https://slack.com -> http://127.0.0.1:4101"


def test_a_clock_that_was_set_back_fails(cli: Cli, home: Path) -> None:
    cli("people", "add", "ana")
    os.utime(home / FILE, (4e9, 4e9))
    (clock,) = told(cli, "clock")
    assert clock["level"] == "fail"
    assert cli("doctor").code == 1


def test_a_broken_manifest_fails_and_names_the_command_that_says_more(cli: Cli, home: Path) -> None:
    cli("people", "list")
    (home / "mine" / "acme").mkdir(parents=True)
    (home / "mine" / "acme" / "manifest.toml").write_text("manifest = 1")
    (home / FILE).write_text('manifests = ["mine"]\n')
    (connectors,) = told(cli, "connectors")
    assert connectors["level"] == "fail"
    assert "connectors check" in connectors["to_do"]


def test_a_port_that_something_else_has_is_a_warning(cli: Cli, home: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        cli("people", "list")
        (home / FILE).write_text(f'public_url = "http://localhost:{port}"\n')
        (check,) = told(cli, "port")
    assert (check["level"], str(port) in check["text"]) == ("warn", True)


def test_ended_connections_whose_provider_was_not_there_are_said(cli: Cli, home: Path) -> None:
    cli("people", "list")
    assert told(cli, "connections") == []
    with closing(sqlite3.connect(home / "store.db")) as store, store:
        store.execute("INSERT INTO give_backs VALUES ('con_1', 1, 3, 2)")
    (waiting,) = told(cli, "connections")
    assert (waiting["level"], "1 ended" in waiting["text"]) == ("warn", True)


@pytest.mark.parametrize("cut", ["DELETE FROM audit", "DELETE FROM audit WHERE seq > 1"])
def test_a_head_that_the_chain_lost_fails(cli: Cli, home: Path, cut: str) -> None:
    cli("people", "add", "ana")
    cli("audit", "export")
    with sqlite3.connect(home / "store.db") as connection:
        connection.execute(cut)
    connection.close()
    (audit,) = told(cli, "audit")
    assert audit["level"] == "fail"
    (home / "audit-head.json").unlink()
    (audit,) = told(cli, "audit")
    assert "missing" in audit["text"]


def test_the_port_is_the_one_that_serve_takes(cli: Cli) -> None:
    assert str(DEFAULT_PORT) in cli("serve", "--help").out


async def fill(home: Path, public_url: str) -> None:
    """Ana has a password and a passkey, Ben a passkey alone; somebody guesses at Ana's password."""
    async with opened(load(home), public_url=public_url) as house:
        async with house.ground.store.transaction() as tx:
            ana, ben = [await house.accounts.add(tx, name) for name in ("ana", "ben")]
            secret = await house.accounts.invite(tx, ana)
        await house.accounts.join(secret, "correct horse battery")
        async with house.ground.store.transaction() as tx:
            for person in (ana, ben):
                made = Authenticator(public_url, urlsplit(public_url).hostname or "").make(
                    await house.passkeys.offered(tx, person.principal, person.name, "x")
                )
                await house.passkeys.add(tx, person.principal, "key", made, "x")
            for _ in range(5):
                await house.accounts.failed_to_sign_in(tx, "ana")


def test_passkeys_for_a_name_that_the_server_no_longer_has_are_said_with_whom_to_invite(
    cli: Cli, home: Path
) -> None:
    cli("people", "list")
    (home / FILE).write_text('public_url = "https://old.example.com"\n')
    anyio.run(fill, home, "https://old.example.com")
    assert told(cli, "passkeys") == []
    (home / FILE).write_text('public_url = "https://new.example.com"\n')
    (check,) = told(cli, "passkeys")
    assert check["level"] == "warn"
    assert check["text"] == "some are for old.example.com, and this server is new.example.com now"
    assert check["to_do"] == "`valetkey people invite NAME` for those who have nothing else: ben"
    assert "https://new.example.com/join/" in cli("people", "invite", "ben").out


def test_guessing_at_somebodys_password_is_said(cli: Cli, home: Path) -> None:
    cli("people", "list")
    anyio.run(fill, home, "http://localhost:8917")
    (check,) = told(cli, "sign-in")
    assert check["text"] == "5 wrong passwords for ana, the last less than two hours ago"
