"""`valetkey keys`: rotated, retired, moved under another root key; and what is said while that is done."""

import base64
import json
import os
import re
import signal
import sqlite3
from pathlib import Path

import anyio
import pytest

from tests.cli.conftest import Cli
from valetkey.settings import FILE
from valetkey.vault.sources import passphrase
from valetkey.vault.sources.passphrase import Header

KEK = re.compile(r"kek_[0-9a-f]{32}")
WORDS = "correct horse battery staple"


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """A key that takes no time to derive; the real one has its own tests."""

    def derived(words: str, header: Header) -> bytes:
        return (words.encode() + header.salt)[:32].ljust(32, b"!")

    monkeypatch.setattr(passphrase, "derived", derived)


@pytest.fixture(autouse=True)
def somebody_is_there(cli: Cli) -> None:
    assert cli("people", "add", "ana").code == 0


def states(cli: Cli) -> dict[str, str]:
    return {key["key"]: key["state"] for key in cli("keys", "status", "--json").json["keys"]}


def store(home: Path, sql: str, *values: object) -> None:
    with sqlite3.connect(home / "store.db") as connection:
        connection.execute(sql, values)
    connection.close()


def settings(home: Path, text: str) -> None:
    (home / FILE).write_text(text)


def kept(home: Path) -> Path:
    before = home / "before.toml"
    before.write_text((home / FILE).read_text())
    before.chmod(0o600)
    return before


def test_status_shows_the_one_key_of_a_new_store_and_that_there_is_nothing_to_do(
    cli: Cli, home: Path
) -> None:
    shown = cli("keys", "status")
    assert shown.code == 0
    assert len(KEK.findall(shown.out)) == 1
    assert "active" in shown.out
    assert f"under {home / 'key'}" in shown.err
    assert "Next: nothing." in shown.err


def test_a_rotation_takes_everything_over_and_says_what_old_backups_need(cli: Cli, home: Path) -> None:
    (old,) = states(cli)
    rotated = cli("keys", "rotate")
    assert rotated.code == 0
    assert f"Nothing that opens is under {old} any more" in rotated.err
    assert re.search(r"Taken over: (\d+) of \1\b", rotated.err)
    assert re.search(
        rf"Backups made before 20\S+ \S+ .*root\s+key of then: {home / 'key'}", rotated.err, re.S
    )
    first, second = states(cli).items()
    assert (first, second[1]) == ((old, "decrypt_only"), "active")
    assert f"keys retire {old}" in cli("keys", "status").err
    assert "ana" in cli("people", "list").out
    assert cli("audit", "verify").code == 0


def test_a_key_is_retired_after_a_confirmation_that_says_which_backups_need_it(cli: Cli) -> None:
    (old,) = states(cli)
    cli("keys", "rotate")
    declined = cli("keys", "retire", old, stdin="n\n")
    assert declined.code == 1
    assert re.search(rf"Backups made before 20\S+ \S+ need {old}", declined.err + declined.out)
    assert states(cli)[old] == "decrypt_only"
    assert cli("keys", "retire", old, stdin="y\n").code == 0
    assert states(cli)[old] == "retired"
    assert "ana" in cli("people", "list").out


@pytest.mark.parametrize("kind", ["active", "unknown", "retired", "in use"])
def test_a_key_that_cannot_be_retired_says_why_and_what_comes_first(cli: Cli, home: Path, kind: str) -> None:
    (old,) = states(cli)
    cli("keys", "rotate")
    _, new = states(cli)
    if kind == "retired":
        cli("keys", "retire", old, "--yes")
    if kind == "in use":
        store(home, _LEFT_BEHIND, old)
    named, says = {
        "active": (new, "`valetkey keys rotate` comes first"),
        "unknown": ("kek_nobody", "there is no key `kek_nobody`"),
        "retired": (old, "there is no key"),
        "in use": (old, "1 records are under"),
    }[kind]
    refused = cli("keys", "retire", named, "--yes")
    assert refused.code == 1
    assert re.search(says, refused.err), refused.err


_LEFT_BEHIND = """
INSERT INTO sealed SELECT 'token', 'tok_1', version, bound, ?, dek, content FROM sealed LIMIT 1"""


def test_one_that_was_broken_off_is_said_by_status_and_doctor_and_goes_on(cli: Cli, home: Path) -> None:
    cli("keys", "rotate")
    store(home, "UPDATE keks SET emptied = NULL")
    (old, _) = states(cli)
    assert "`valetkey keys rotate` goes on" in cli("keys", "status").err
    warned = [check for check in cli("doctor", "--json").json if check["about"] == "key"]
    assert [check["level"] for check in warned] == ["ok", "warn"]
    again = cli("keys", "rotate")
    assert "has not come to its end: it goes on" in again.err
    assert f"keys retire {old}" in again.err
    assert list(states(cli).values()) == ["decrypt_only", "active"]


def test_a_record_that_does_not_open_is_named_and_the_exit_code_says_so(cli: Cli, home: Path) -> None:
    cli("registrations", "add", "google", "--client-id", "id", "--client-secret-stdin", stdin="s3cret")
    store(home, "UPDATE sealed SET dek = content WHERE purpose = 'client_secret'")
    rotated = cli("keys", "rotate")
    assert rotated.code == 1
    assert re.search(r"Damaged, and left under kek_\w+: the client_secret google", rotated.err)
    assert "damaged records keep kek_" in cli("keys", "status").err


def test_what_was_done_with_keys_is_on_record(cli: Cli) -> None:
    (old,) = states(cli)
    cli("keys", "rotate")
    cli("keys", "retire", old, "--yes")
    kinds = [str(row["kind"]) for row in cli("audit", "list", "--json").json]
    assert [kind for kind in reversed(kinds) if kind.startswith("key.")] == [
        "key.rotation_begun",
        "key.rotation_done",
        "key.retired",
    ]


def test_an_old_key_is_said_to_be_old(cli: Cli, home: Path) -> None:
    store(home, "UPDATE keks SET created = created - 366 * 86400000")
    said = cli("keys", "status").err
    assert re.search(r"should be rotated \(it is 366 days old\)", said)
    assert any("366 days" in check["text"] for check in cli("doctor", "--json").json)


def test_a_key_that_wrapped_much_is_said_to_have(cli: Cli, home: Path) -> None:
    store(home, "UPDATE keks SET wraps = 1 << 30")
    assert "of 4,294,967,296 that it may" in cli("keys", "status").err


def test_keys_are_moved_to_another_file_which_is_made(cli: Cli, home: Path) -> None:
    before, old = kept(home), (home / "key").read_bytes()
    settings(home, '[key]\nfile = "key-2"\n')
    refused = cli("people", "list")
    assert (refused.code, (home / "key-2").exists()) == (78, False)
    moved = cli("keys", "move", "--from", str(before))
    assert moved.code == 0, moved.err
    assert moved.out.strip() == str(home / "key-2")
    assert (home / "key").read_bytes() == old
    assert re.search(rf"Backups made before .*root\s+key of then: {home / 'key'}\.", moved.err, re.S)
    assert "ana" in cli("people", "list").out
    (home / FILE).write_text(before.read_text())
    assert "is not the key of this store" in cli("people", "list").err


def test_keys_are_moved_behind_a_passphrase_and_back(
    cli: Cli, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = kept(home)
    settings(home, '[key]\nsource = "passphrase"\n')
    assert cli("keys", "move", "--from", str(before), "--passphrase-fd", typed(WORDS)).code == 0
    refused = cli("people", "list")
    assert refused.code == 78
    assert "no terminal to ask for it on" in refused.err
    monkeypatch.setattr("valetkey.cli.passphrase.AtTerminal.known", lambda _: WORDS)
    monkeypatch.setattr("sys.stdin.isatty", lambda: True, raising=False)
    before.write_text((home / FILE).read_text())
    settings(home, '[key]\nfile = "key-3"\n')
    assert cli("keys", "move", "--from", str(before), "--passphrase-fd", typed(WORDS)).code == 0
    assert "ana" in cli("people", "list").out


def test_one_passphrase_is_replaced_by_another(cli: Cli, home: Path) -> None:
    before = kept(home)
    settings(home, '[key]\nsource = "passphrase"\n')
    assert cli("keys", "move", "--from", str(before), "--passphrase-fd", typed(WORDS)).code == 0
    before = kept(home)
    both = typed(WORDS, "another battery altogether")
    assert cli("keys", "move", "--from", str(before), "--passphrase-fd", both).code == 0
    wrong = cli("keys", "move", "--from", str(before), "--passphrase-fd", typed(WORDS, WORDS))
    assert (wrong.code, "is not the key of this store" in wrong.err) == (78, True)


def typed(*lines: str) -> str:
    """A descriptor on which these lines can be read."""
    read, write = os.pipe()
    os.write(write, "".join(f"{line}\n" for line in lines).encode())
    os.close(write)
    return str(read)


def test_keys_are_not_moved_while_a_server_may_run(cli: Cli, home: Path) -> None:
    before = kept(home)
    settings(home, '[key]\nfile = "key-2"\n')
    store(home, "INSERT INTO leases VALUES ('pages at http://localhost:1', 'me', 99999999999999)")
    refused = cli("keys", "move", "--from", str(before))
    assert (refused.code, "stop every one of them first" in refused.err) == (1, True)
    assert not (home / "key-2").exists()


@pytest.mark.parametrize("mode", [0o644, 0o660])
def test_settings_that_others_can_write_choose_no_key(cli: Cli, home: Path, mode: int) -> None:
    before = kept(home)
    before.chmod(mode)
    refused = cli("keys", "move", "--from", str(before))
    assert (refused.code, "chmod 600" in refused.err) == (78, True)


def test_a_variable_is_warned_of_by_the_doctor(cli: Cli, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before, key = kept(home), base64.b64encode(bytes(range(32))).decode()
    settings(home, '[key]\nsource = "environment"\nvariable = "VALETKEY_TEST_KEY"\n')
    monkeypatch.setenv("VALETKEY_TEST_KEY", key)
    assert cli("keys", "move", "--from", str(before)).code == 0
    monkeypatch.setenv("VALETKEY_TEST_KEY", key)
    found = [check for check in json.loads(cli("doctor", "--json").out) if check["about"] == "key"]
    assert [check["level"] for check in found] == ["ok", "warn"]
    assert "keys move" in found[1]["to_do"]
    assert "VALETKEY_TEST_KEY" not in os.environ


def test_ctrl_c_in_a_rotation_says_how_it_goes_on(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    async def interrupted(*_: object) -> bool:
        os.kill(os.getpid(), signal.SIGINT)
        await anyio.sleep_forever()
        return True

    monkeypatch.setattr("valetkey.cli.keys._rotate", interrupted)
    stopped = cli("keys", "rotate")
    assert stopped.code == 130
    assert "`valetkey keys rotate` goes on with the rest" in stopped.err
