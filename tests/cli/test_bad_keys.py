"""Root keys that others could have touched, or that are none: `valetkey serve` does not begin with them."""

import base64
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.cli.conftest import Cli


def elsewhere(key: Path) -> Path:
    return key.rename(key.with_name("key-elsewhere"))


def pipe(key: Path) -> None:
    elsewhere(key)
    os.mkfifo(key, 0o600)


def folder(key: Path) -> None:
    elsewhere(key)
    key.mkdir(0o700)


def written(key: bytes) -> Callable[[Path], object]:
    return lambda path: path.write_bytes(base64.b64encode(key) + b"\n")


BAD: dict[str, Callable[[Path], object]] = {
    "read by a group": lambda key: key.chmod(0o640),
    "read by all": lambda key: key.chmod(0o604),
    "written by all": lambda key: key.chmod(0o602),
    "a link": lambda key: key.symlink_to(elsewhere(key)),
    "a pipe": pipe,
    "a folder": folder,
    "gone": elsewhere,
    "too short": written(bytes(range(31))),
    "too long": written(bytes(range(33))),
    "all zero": written(bytes(32)),
    "another store's": written(bytes(range(1, 33))),
    "no base64": lambda key: key.write_text("hunter2\n"),
}


def contents(home: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in home.glob("store.db*") if path.suffix != ".db-shm"}


@pytest.mark.parametrize("kind", BAD)
def test_a_server_does_not_start_with_it_and_changes_nothing(cli: Cli, home: Path, kind: str) -> None:
    assert cli("people", "add", "ana").code == 0
    before = contents(home)
    BAD[kind](home / "key")
    refused = cli("serve", "--port", "0")
    assert (refused.code, refused.out) == (78, "")
    assert str(home / "key") in refused.err
    assert refused.err.count("\n") == 1
    assert not any(word in refused.err for word in ("hunter2", "Traceback"))
    assert contents(home) == before


def test_a_folder_in_which_others_could_replace_it_is_refused(cli: Cli, home: Path) -> None:
    shared = home.parent / "shared"
    shared.mkdir()
    assert cli("people", "add", "ana").code == 0
    (home / "key").rename(shared / "key")
    settings = home / "valetkey.toml"
    settings.write_text(f'[key]\nfile = "{shared / "key"}"\n')
    settings.chmod(0o600)
    shared.chmod(0o770)
    before = contents(home)
    refused = cli("serve", "--port", "0")
    assert (refused.code, contents(home)) == (78, before)
    assert "others can replace the key" in refused.err
