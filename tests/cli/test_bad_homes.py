"""Homes that cannot be used: a command says why and exits with 78; `doctor` says it and exits with 1."""

import base64
import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.cli.conftest import Cli
from valetkey.settings import FILE


def store(home: Path, sql: str) -> None:
    with sqlite3.connect(home / "store.db") as connection:
        connection.execute(sql)
    connection.close()


def setting(text: str) -> Callable[[Path], object]:
    return lambda home: (home / FILE).write_text(text)


BAD: dict[str, tuple[Callable[[Path], object], str]] = {
    "another store's key": (
        lambda home: (home / "key").write_bytes(base64.b64encode(bytes(range(1, 33)))),
        "not the key of this store",
    ),
    "no key": (lambda home: (home / "key").unlink(), "the key of this store is missing"),
    "a key that is none": (lambda home: (home / "key").write_text("hunter2"), "put it back from your backup"),
    "a key that others can read": (lambda home: (home / "key").chmod(0o644), "chmod 600"),
    "a home that others can read": (lambda home: home.chmod(0o755), "chmod 700"),
    "settings that others can read": (lambda home: (home / FILE).chmod(0o640), "chmod 600"),
    "a store that others can read": (lambda home: (home / "store.db").chmod(0o644), "chmod 600"),
    "a store that is none": (lambda home: (home / "store.db").write_bytes(b"x" * 5000), "restore a backup"),
    "a newer store": (
        lambda home: store(home, "UPDATE meta SET value = '99' WHERE key = 'schema'"),
        "use a newer Valetkey",
    ),
    "settings that are not TOML": (setting("public_url = "), "this is not TOML"),
    "a setting there is not": (setting('public_ur = "x"'), "did you mean `public_url`?"),
    "a host that is not here": (
        setting('[hosts]\n"https://slack.com" = "http://evil.example"'),
        "tokens must not go elsewhere",
    ),
}


@pytest.mark.parametrize("kind", BAD)
def test_a_bad_home_is_refused_with_what_to_do(cli: Cli, home: Path, kind: str) -> None:
    assert cli("people", "add", "ana").code == 0
    harm, says = BAD[kind]
    harm(home)
    kept = {
        path.name: path.read_bytes() for path in home.iterdir() if path.suffix not in {".db-wal", ".db-shm"}
    }
    refused = cli("people", "list")
    assert (refused.code, refused.out) == (78, "")
    assert says in refused.err
    assert refused.err.count("\n") == 1
    examined = cli("doctor", "--json")
    assert examined.code == 1
    assert says in " ".join(check["text"] for check in examined.json if check["level"] == "fail")
    assert {path.name: path.read_bytes() for path in home.iterdir() if path.name in kept} == kept
