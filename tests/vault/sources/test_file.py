"""The key file: made once, read only when nobody else can touch it, refused in every doubtful case."""

import base64
import os
import secrets
import stat
from collections.abc import Callable
from pathlib import Path

import pytest

from valetkey.errors import KeyFileError
from valetkey.vault.sources import file as keyfile

KEY = bytes(range(32))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "key"


def write(path: Path, text: bytes, mode: int = 0o600) -> None:
    path.write_bytes(text)
    path.chmod(mode)


def test_a_new_key_is_random_private_and_reads_back(path: Path) -> None:
    keyfile.make(path, secrets.token_bytes)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert len(set(keyfile.read(path))) > 8
    assert [entry.name for entry in path.parent.iterdir()] == ["key"]


def test_a_key_that_is_there_is_never_overwritten(path: Path) -> None:
    write(path, base64.b64encode(KEY))
    keyfile.make(path, secrets.token_bytes)
    assert keyfile.read(path) == KEY


def test_a_link_in_the_keys_place_is_not_followed_when_making_one(path: Path) -> None:
    path.symlink_to(path.parent / "elsewhere")
    keyfile.make(path, secrets.token_bytes)
    assert not (path.parent / "elsewhere").exists()


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    with pytest.raises(KeyFileError, match="nowhere/key: the key cannot be written"):
        keyfile.make(tmp_path / "nowhere" / "key", secrets.token_bytes)


@pytest.mark.parametrize("end", [b"", b"\n", b"\r\n", b"  \n\n"])
def test_white_space_around_the_key_does_not_matter(path: Path, end: bytes) -> None:
    write(path, base64.b64encode(KEY) + end)
    assert keyfile.read(path) == KEY


MALFORMED = {
    "31 bytes": base64.b64encode(KEY[:31]),
    "33 bytes": base64.b64encode(KEY + b"!"),
    "all zero": base64.b64encode(bytes(32)),
    "empty": b"",
    "not base64": b"*" * 44,
    "hex": KEY.hex().encode(),
    "raw bytes": KEY,
    "two keys": base64.b64encode(KEY) + b"\n" + base64.b64encode(KEY),
    "a megabyte": b"A" * 2**20,
}


@pytest.mark.parametrize("text", MALFORMED.values(), ids=MALFORMED)
def test_anything_but_32_random_bytes_is_refused(path: Path, text: bytes) -> None:
    write(path, text)
    with pytest.raises(KeyFileError, match=str(path)) as caught:
        keyfile.read(path)
    assert text.decode(errors="replace")[:8] not in str(caught.value) or not text


@pytest.mark.parametrize("mode", [0o644, 0o640, 0o620, 0o604, 0o601])
def test_a_key_that_others_can_touch_is_refused_with_the_command_that_helps(path: Path, mode: int) -> None:
    write(path, base64.b64encode(KEY), mode)
    with pytest.raises(KeyFileError, match=f"chmod 600 {path}"):
        keyfile.read(path)


@pytest.mark.parametrize("mode", [0o770, 0o702, 0o1777])
def test_a_folder_in_which_others_can_replace_the_key_is_refused(path: Path, mode: int) -> None:
    write(path, base64.b64encode(KEY))
    path.parent.chmod(mode)
    with pytest.raises(KeyFileError, match=f"chmod 700 {path.parent}"):
        keyfile.read(path)


def a_link(path: Path) -> None:
    write(path.parent / "real", base64.b64encode(KEY))
    path.symlink_to(path.parent / "real")


def a_pipe(path: Path) -> None:
    os.mkfifo(path, 0o600)


def a_folder(path: Path) -> None:
    path.mkdir(0o700)


@pytest.mark.parametrize("make", [a_link, a_pipe, a_folder])
def test_only_a_regular_file_is_a_key(path: Path, make: Callable[[Path], None]) -> None:
    make(path)
    with pytest.raises(KeyFileError, match="regular file"):
        keyfile.read(path)


def test_a_missing_key_asks_for_the_backup_of_it(path: Path) -> None:
    with pytest.raises(KeyFileError, match="missing; put it back from your backup"):
        keyfile.read(path)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file away")
def test_a_key_of_another_account_is_refused(path: Path) -> None:
    write(path, base64.b64encode(KEY))
    os.chown(path, 65534, -1)
    with pytest.raises(KeyFileError, match="another account; run `chown`"):
        keyfile.read(path)
