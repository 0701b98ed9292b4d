"""A root key behind a passphrase: the same from the same words, and never at a lower cost than was chosen."""

import os
import secrets
from collections.abc import Callable
from pathlib import Path

import pytest

from valetkey.errors import IntegrityError, KeyFileError
from valetkey.vault.keks import place_of
from valetkey.vault.sources.passphrase import Cost, Header, InFile, Nobody, derived, root_key

WORDS = "correct horse battery staple"
PLACE = place_of("sto_1", "kek_1")
KEK = bytes(range(32))
HEADER = Header.new(lambda size: b"\x05" * size)


@pytest.fixture(scope="module")
def secret() -> bytes:
    return derived(WORDS, HEADER)


def wrapped(secret: bytes, header: Header = HEADER) -> bytes:
    return root_key(secret, header, secrets.token_bytes).wrap(KEK, PLACE)


def test_the_cost_is_what_the_threat_model_says() -> None:
    assert Cost() == (64 * 1024, 3, 4)


def test_what_it_wrapped_says_how_to_make_the_key_again(secret: bytes) -> None:
    blob = wrapped(secret)
    header = Header.of(blob)
    assert header == HEADER
    assert root_key(derived(WORDS, header), header, secrets.token_bytes).unwrap(blob, PLACE) == KEK


def test_another_passphrase_opens_nothing(secret: bytes) -> None:
    other = root_key(derived("correct horse battery stable", HEADER), HEADER, secrets.token_bytes)
    with pytest.raises(IntegrityError):
        other.unwrap(wrapped(secret), PLACE)


@pytest.mark.parametrize(
    "cost",
    [
        Cost(memory=64 * 1024 - 1),
        Cost(memory=8),
        Cost(passes=2),
        Cost(lanes=3),
        Cost(memory=2**32 - 1),
        Cost(passes=255),
        Cost(lanes=255),
    ],
)
def test_a_cost_that_somebody_changed_in_the_store_is_refused_before_a_guess_is_made(
    secret: bytes, cost: Cost
) -> None:
    changed = bytes(HEADER._replace(cost=cost)) + wrapped(secret).removeprefix(bytes(HEADER))
    with pytest.raises(KeyFileError, match="another cost"):
        Header.of(changed)


def test_a_cost_that_is_within_bounds_and_was_changed_all_the_same_opens_nothing(secret: bytes) -> None:
    """It is bound to what it stands before: also to somebody who knows the key that it makes."""
    dearer = HEADER._replace(cost=Cost(passes=4))
    envelope = wrapped(secret).removeprefix(bytes(HEADER))
    with pytest.raises(IntegrityError):
        root_key(secret, dearer, secrets.token_bytes).unwrap(bytes(dearer) + envelope, PLACE)


def test_every_byte_before_a_wrapped_key_counts(secret: bytes) -> None:
    blob, source = wrapped(secret), root_key(secret, HEADER, secrets.token_bytes)
    for at in range(len(blob)):
        with pytest.raises(IntegrityError):
            source.unwrap(blob[:at] + bytes([blob[at] ^ 1]) + blob[at + 1 :], PLACE)


@pytest.mark.parametrize("blob", [b"", b"VKP1", b"VK1\x01" + bytes(60), b"VKP1" + bytes(10)])
def test_what_no_passphrase_wrapped_is_said_to_be_that(blob: bytes) -> None:
    with pytest.raises(KeyFileError, match="under no passphrase"):
        Header.of(blob)


@pytest.mark.parametrize("words", ["", "short", "x" * 11, "x" * 1_001])
def test_a_passphrase_that_is_too_short_or_too_long_is_refused(words: str) -> None:
    with pytest.raises(KeyFileError, match="12 to 1000 characters"):
        derived(words, HEADER)


def test_the_key_is_in_no_repr(secret: bytes) -> None:
    shown = repr(root_key(secret, HEADER, secrets.token_bytes))
    assert shown == "RootKey(a passphrase, ***)"


def test_where_there_is_nobody_to_ask_it_says_what_would_help() -> None:
    for ask in (Nobody().known, Nobody().chosen):
        with pytest.raises(KeyFileError, match=r"start `valetkey serve` on this home, or .*passphrase_file"):
            ask()


@pytest.fixture
def credential(tmp_path: Path) -> Path:
    path = tmp_path / "passphrase"
    path.write_text(f"{WORDS}\n")
    path.chmod(0o600)
    return path


def test_a_file_holds_it_as_it_is_without_the_end_of_its_line(credential: Path) -> None:
    assert InFile(credential).known() == InFile(credential).chosen() == WORDS


def open_to_others(path: Path) -> None:
    path.chmod(0o604)


def a_link(path: Path) -> None:
    path.rename(path.parent / "real")
    path.symlink_to(path.parent / "real")


def a_pipe(path: Path) -> None:
    path.unlink()
    os.mkfifo(path, 0o600)


def a_folder(path: Path) -> None:
    path.unlink()
    path.mkdir(0o700)


def in_an_open_folder(path: Path) -> None:
    path.parent.chmod(0o777)


@pytest.mark.parametrize("spoil", [open_to_others, a_link, a_pipe, a_folder, in_an_open_folder, Path.unlink])
def test_a_file_that_others_could_read_or_replace_is_no_place_for_it(
    credential: Path, spoil: Callable[[Path], None]
) -> None:
    spoil(credential)
    with pytest.raises(KeyFileError, match=str(credential.parent)) as caught:
        InFile(credential).known()
    assert WORDS not in str(caught.value)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can make a file that root made for another account")
@pytest.mark.parametrize(("mode", "taken"), [(0o440, True), (0o400, True), (0o460, False), (0o444, False)])
def test_a_credential_that_root_made_for_this_account_is_taken(
    credential: Path, monkeypatch: pytest.MonkeyPatch, mode: int, taken: bool
) -> None:
    """As systemd leaves it: root's, and readable by an ACL, which shows as the group's right."""
    credential.chmod(mode)
    monkeypatch.setattr(os, "geteuid", lambda: 1_000)
    if taken:
        assert InFile(credential).known() == WORDS
    else:
        with pytest.raises(KeyFileError, match="others can read"):
            InFile(credential).known()
